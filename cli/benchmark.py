"""`wsss-tf benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_tf.cli.benchmark_options import benchmark_options
from wsss_tf.cli.signals import interrupted_by_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsss_tf.serving import Bundle
    from wsss_tf.serving.benchmark import Report

_SAVED_MODEL_LOADER = "wsss_tf.export.timing:saved_model"


@click.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@benchmark_options
def benchmark(
    bundle: Path, photos: tuple[Path, ...], json_file: Path | None, **options: Any
) -> None:
    """Time every form of BUNDLE here: latency, photos a second, memory, size and agreement.

    PHOTOS are files, folders, patterns and .txt lists; at most 16, evenly from all, are used.
    Without any, pictures are generated, and agreement says little.

    Each form runs in a process of its own, by turns with the others. One that fails is a row
    without times, and the exit status is then 3.

    \b
    Example:
      wsss-tf benchmark bundle photos/ --batches 1 --json times.json
    """
    import tempfile

    from wsss_tf.requirements import require

    gpu_only = options["providers"] and "cpu" not in options["providers"]
    require("onnx-gpu" if gpu_only else "onnx-cpu")
    from wsss_tf.serving import open_bundle

    opened = open_bundle(bundle)
    with (
        interrupted_by_signals(),
        tempfile.TemporaryDirectory(prefix="wsss-tf-benchmark-") as scratch,
    ):
        report, rest = _prepared(opened, photos, Path(scratch), options)
        if json_file:
            report.write(json_file)  # A place that cannot be written to shows before any work.
        try:
            for _ in rest:
                if json_file:
                    report.write(json_file)
        finally:  # What was measured is shown, whatever ends it.
            if report.rows:
                click.echo(report.text())
    if report.failed:
        raise SystemExit(3)


def _prepared(
    bundle: Bundle, photos: tuple[Path, ...], scratch: Path, options: dict[str, Any]
) -> tuple[Report, Iterator[None]]:
    """An empty report, and what adds the rows of one case after another to it."""
    from wsss_tf.requirements import require
    from wsss_tf.serving import photo_files
    from wsss_tf.serving.benchmark import Benchmark, Plan, Report, Settings, chosen, write_arrays

    settings = Settings(*(options.pop(name) for name in ("threads", "repeats", "seconds")))
    loader = _loader(bundle, options.pop("saved_model"))
    try:
        plan = Plan(bundle, saved_model=loader, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if plan.crf and plan.reference.crf == "regions":
        require("regions")
    paths = chosen(photo_files(photos)) if photos else []
    arrays = write_arrays(paths, plan.sizes, scratch)
    forms = plan.forms(threads=settings.workers, scratch=scratch, say=_say)
    timed = Benchmark(forms, arrays, settings, scratch, plan.reference, say=_say)
    report = Report(bundle, settings, paths, plan.cases)
    return report, report.fill(timed)


def _loader(bundle: Bundle, wanted: bool | None) -> str | None:
    """What loads the SavedModel; None where it is not timed."""
    from importlib.util import find_spec

    from wsss_tf.requirements import require

    if wanted is False:
        return None
    lacks = None
    if bundle.contract.saved_model is None:
        lacks = "the bundle has none; export it with --saved-model"
    elif find_spec("tensorflow") is None:
        lacks = "TensorFlow is not installed here"
    if wanted and lacks:
        require("train")
        raise click.UsageError(f"--saved-model: {lacks}.")
    if lacks:
        _say(f"saved_model: left out: {lacks}.")
    return None if lacks else _SAVED_MODEL_LOADER


def _say(text: str) -> None:
    click.echo(text, err=True)

"""`wsss-tf predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_tf.cli.bundle_options import bundle_options, flag
from wsss_tf.cli.options import out_option, predictor_options
from wsss_tf.cli.start import start_tensorflow

if TYPE_CHECKING:
    from wsss_tf.serving import Segmenter

_BUNDLE_FILE = "bundle.json"


def _require_model(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    # Here, not in the library alone, so that the answer waits for nothing heavy.
    if path.is_file():
        raise click.BadParameter(
            f"{path}: must be a folder. A model's file alone has no labels and no digests: give "
            f"the folder of the bundle, the one with {_BUNDLE_FILE}."
        )
    if not (path / _BUNDLE_FILE).is_file() and not (path / "recipe.yaml").is_file():
        raise click.BadParameter(
            f"{path}: no bundle and no run here ({_BUNDLE_FILE} is missing, and recipe.yaml is "
            "missing). Train a run, or export one."
        )
    return path


@click.command()
@click.argument(
    "model",
    metavar="BUNDLE_OR_RUN",
    type=click.Path(exists=True, path_type=Path),
    callback=_require_model,
)
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("Folder for the label maps, one palette PNG a photo.")
@click.option("--overlay", "with_overlay", is_flag=True, help="Also write <photo>_overlay.jpg.")
@predictor_options
@bundle_options
def predict(
    model: Path,
    photos: tuple[Path, ...],
    out: Path,
    with_overlay: bool,
    predictor: dict[str, Any],
    serving: dict[str, Any],
) -> None:
    """Label every pixel of PHOTOS with the network of a bundle or a run; no tags needed.

    PHOTOS are files and folders; with a bundle also patterns ("photos/**/*.jpg") and .txt files
    that list one a line. A photo that cannot be read is reported and the others are done; the exit
    status is then 3.

    A bundle needs no TensorFlow. OUT/manifest.jsonl then has a line for each photo, and what OUT
    holds of the same photo, bundle and options is kept. --crf is off there unless asked for, and
    of mode dense; the options from --regions on are for bundles, --scales and --flip for runs. A
    photo turned by EXIF gets its label map as displayed from a run, and over the file's own pixels
    from a bundle.

    \b
    Example:
      wsss-tf predict run photos/ --out labels --overlay
      wsss-tf predict bundle photos/ --out labels --crf --precision fp32
    """
    if (model / _BUNDLE_FILE).is_file():
        _refuse(predictor, ("scales", "flip"), "a run, which a bundle's export has settled")
        chosen = {**serving, "crf": bool(predictor["crf"])}
        _from_bundle(model, photos, out, with_overlay, chosen, asked=predictor["crf"] is not None)
    else:
        _refuse(serving, tuple(serving), "a bundle")
        _from_run(model, photos, out, with_overlay, predictor)


def _refuse(options: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    given = [flag(name) for name in names if options[name] is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)}: only for {what}.")


def _from_run(
    run: Path,
    photos: tuple[Path, ...],
    out: Path,
    with_overlay: bool,
    predictor: dict[str, Any],
) -> None:
    start_tensorflow()
    from tqdm import tqdm

    from wsss_tf.training import Predictor, RunFolder, list_photos, predict_files

    paths = list_photos(photos)
    failed = 0
    network = Predictor(RunFolder.existing(run), **predictor)
    done = predict_files(network, paths, out, with_overlay=with_overlay)
    for _, error in tqdm(done, total=len(paths), desc="predict", unit="photo"):
        if error:
            failed += 1
            tqdm.write(f"Error: {error}", file=sys.stderr)
    click.echo(f"{len(paths) - failed} label maps in {out}; {failed} photos failed.")
    if failed:
        raise SystemExit(3)


def _from_bundle(
    bundle: Path,
    photos: tuple[Path, ...],
    out: Path,
    with_overlay: bool,
    options: dict[str, Any],
    *,
    asked: bool,
) -> None:
    import contextlib
    import time

    from wsss_tf.requirements import require

    require("onnx-cpu" if options.get("provider", "cpu") == "cpu" else "onnx-gpu")
    from tqdm import tqdm

    from wsss_tf.serving import Segmenter, photo_files, predict_files

    paths = photo_files(photos)
    try:
        segmenter = Segmenter(bundle, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    _tell(segmenter, asked)
    kept = failed = 0
    started = time.perf_counter()
    with (
        # Closed here: Ctrl-C anywhere below ends the threads at once.
        contextlib.closing(predict_files(segmenter, paths, out, with_overlay=with_overlay)) as done,
        tqdm(total=len(paths), desc="predict", unit="photo") as bar,
    ):
        for outcome in done:
            if outcome.kept:
                kept += 1
                bar.initial += 1  # Not to be counted as photos a second.
            elif outcome.row["status"] == "error":
                failed += 1
                tqdm.write(f"Error: {outcome.row['error']}", file=sys.stderr)
            bar.update()
    rate = (len(paths) - kept) / max(time.perf_counter() - started, 1e-9)
    click.echo(
        f"{len(paths) - failed} label maps in {out}, of which {kept} were there; "
        f"{failed} photos failed; {rate:.1f} photos a second."
    )
    if failed:
        raise SystemExit(3)


def _tell(segmenter: Segmenter, asked: bool) -> None:
    """What a user may not expect of the label maps; `asked`: whether the CRF was settled."""
    from wsss_tf.serving.tiles import LARGE_FOV_REACH

    crf = segmenter.bundle.contract.crf
    if crf and crf.by_default and not asked:
        click.echo(
            "Without a CRF, though the run's recipe ends with one: --crf adds the bundle's, whose "
            "mode is dense.",
            err=True,
        )
    tiling = segmenter.options.tiling
    if tiling and tiling.reach < LARGE_FOV_REACH:
        click.echo(
            f"Tiles overlap by {tiling.reach} pixels, less than the {LARGE_FOV_REACH} that the "
            "network may look at: labels near seams may differ from those of the whole photo.",
            err=True,
        )

"""What a run was: versions, seed, digests, times and photos, as the report states them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsss_tf.config.settings import WEIGHT_SETS
from wsss_tf.data import DataSet
from wsss_tf.errors import WsssError
from wsss_tf.files import sha256
from wsss_tf.nets.weights import COMPACT
from wsss_tf.reports.html.tables import DASH, Cell, Row, Table
from wsss_tf.training import RunFolder
from wsss_tf.training.audit import audit

CHECKPOINTS = ("localize", "segment")


@dataclass(frozen=True)
class Fact:
    """A line of the report's first section.

    Attributes:
        name, value: in words.
        digest: SHA-256, or "".
    """

    name: str
    value: str
    digest: str = ""


@dataclass(frozen=True)
class Facts:
    """What a run was.

    Attributes:
        about: lines on the run and its data.
        files: lines on weights and checkpoints.
        versions: of packages.
        stages: their times and memory; None before the first.
        audit: what the tags-only audit says, or "".
    """

    about: tuple[Fact, ...]
    files: tuple[Fact, ...]
    versions: Table
    stages: Table | None
    audit: str


def run_facts(run: RunFolder, dataset: DataSet | None) -> Facts:
    """The facts of `run`.

    Args:
        run: finished or not.
        dataset: its data, or None where they cannot be opened.

    Raises:
        RunError: run.json cannot be read.
    """
    record = run.record()
    classes = _texts(record.get("labels"))
    about = (
        Fact("Seed", str(record.get("seed", run.recipe.seed))),
        Fact("Recipe", "recipe.yaml", str(record.get("recipe_sha256", ""))),
        Fact("Data", f"{run.recipe.data.source}{_photos(dataset)}"),
        Fact("Classes", ", ".join(classes) or "not recorded: the run stopped before it began"),
    )
    versions = [
        ("wsss-tf", str(record.get("wsss_tf", "unknown"))),
        ("python", str(record.get("python", platform.python_version()))),
        *((str(name), str(version)) for name, version in _mapping(record, "versions").items()),
    ]
    stages = [_stage(name, entry) for name, entry in _mapping(record, "stages").items()]
    columns = ("time", "peak memory")
    return Facts(
        about=about,
        files=tuple(_files(run, _mapping(record, "files"))),
        versions=Table(
            "Versions",
            ("version",),
            tuple(Row(name, "", (Cell(version),)) for name, version in versions),
            head="package",
        ),
        stages=Table("Stages", columns, tuple(stages), head="stage") if stages else None,
        audit=_audited(run, dataset) if dataset else "",
    )


def _audited(run: RunFolder, dataset: DataSet) -> str:
    try:
        return str(audit(run, dataset))
    except WsssError as error:
        return f"The audit could not be made: {error}"


def duration(seconds: float) -> str:
    """42.31 -> "42.3 s", 504 -> "8 min 24 s", 7325 -> "2 h 2 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _photos(dataset: DataSet | None) -> str:
    if dataset is None:
        return ""
    counts = (f"{len(photos)} in {split}" for split, photos in dataset.photos.items())
    return f"; photos: {', '.join(counts)}"


def _files(run: RunFolder, recorded: Mapping[str, Any]) -> list[Fact]:
    weights = run.recipe.backbone.weights
    path = COMPACT if weights == "compact" else Path(weights)
    known = recorded.get(str(path), recorded.get(str(path.absolute()), ""))
    named = weights if weights in WEIGHT_SETS else path.name
    found = [Fact("Weights", f"{named}, width {run.recipe.backbone.width:g}", str(known))]
    for stage in CHECKPOINTS:
        checkpoint = run.stage(stage) / "checkpoint.npz"
        if checkpoint.is_file():
            name = f"{stage}/{checkpoint.name}"
            found.append(Fact(f"Checkpoint, {stage}", name, sha256(checkpoint)))
    return found


def _stage(name: str, entry: Any) -> Row:
    entry = entry if isinstance(entry, dict) else {}
    seconds, memory = entry.get("seconds"), entry.get("peak_memory_mb")
    time = duration(seconds) if isinstance(seconds, int | float) else DASH
    if isinstance(adopted := entry.get("adopted"), dict):
        seconds = adopted.get("seconds")
        spent = f" ({duration(seconds)} there)" if isinstance(seconds, int | float) else ""
        time = f"taken over from {adopted.get('run', 'another run')}{spent}"
    words = (
        time,
        f"{memory:,} MB" if isinstance(memory, int) else DASH,
    )
    return Row(str(name), "", tuple(Cell(text) for text in words))


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []

"""Stage masks: every training photo gets a label map from its tags and the networks' priors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wsss_tf.data import DataSet, Photo
from wsss_tf.files import write_text
from wsss_tf.images import read_label_map, write_label_map
from wsss_tf.training.interrupt import stop_requested
from wsss_tf.training.mask_pipeline import made_masks
from wsss_tf.training.regions import fill_regions, shared_files
from wsss_tf.training.run_folder import RunFolder

STAGE = "masks"
# The classes of masks that tell object from background only.
FOREGROUND = ("background", "foreground")


def make_masks(run: RunFolder, dataset: DataSet) -> None:
    """Writes masks/<id>.png for every training photo, then masks/index.jsonl; skips what is there.

    Raises:
        KeyboardInterrupt: the user asked to stop; finished masks are kept.
    """
    folder = run.stage(STAGE)
    folder.mkdir(parents=True, exist_ok=True)
    photos = dataset.photos[run.recipe.data.train_split]
    missing = [photo for photo in photos if not mask_path(folder, photo).exists()]
    if missing:
        fill_regions(run, run.recipe.masks.crf, missing)
        run.record_files(shared_files(run, run.recipe.masks.crf, missing), kind="kept")
        with stop_requested() as stop:
            for photo, mask in made_masks(run, dataset, missing):
                write_label_map(mask_path(folder, photo), mask)
                if stop():
                    raise KeyboardInterrupt
    names = FOREGROUND if is_foreground(run) else dataset.labels.names
    rows = [_index_row(photo, read_label_map(mask_path(folder, photo)), names) for photo in photos]
    write_text(folder / "index.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def is_made(run: RunFolder) -> bool:
    """Whether every mask of the stage is there: its index is written last."""
    return (run.stage(STAGE) / "index.jsonl").exists()


def is_foreground(run: RunFolder) -> bool:
    """Whether the masks tell object from background only."""
    return run.recipe.masks.kind == "foreground"


def mask_path(folder: Path, photo: Photo) -> Path:
    """Where the mask of `photo` is."""
    return folder / f"{photo.id}.png"


def _index_row(photo: Photo, mask: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(mask.ravel(), minlength=256)[: len(names)] / mask.size
    coverage = {name: round(float(n), 6) for name, n in zip(names, counts, strict=True) if n}
    return {"id": photo.id, "tags": list(photo.tags), "coverage": coverage}

"""Writes generated scenes as a tagged folder: photos, tags.csv, and masks to score with."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from wsss_tf.data.scenes import render_scene
from wsss_tf.errors import DataError
from wsss_tf.files import write_json, write_text
from wsss_tf.images import write_label_map, write_photo

GENERATOR = 1
"""Version of the pictures: another one draws other pixels from the same seed."""
VAL_START = 1_000_000
"""Index of the first scene of the split val; train counts from 0, so that no scene is in both."""

logger = logging.getLogger(__name__)


def write_scenes(root: Path, *, train: int, val: int, size: int, seed: int) -> None:
    """Makes `root` a tagged folder of scenes, unless it is one already.

    Stopped at any moment and called again, it goes on. images/<id>.png, masks/<id>.png, then
    tags.csv; scenes.json holds the settings. Once tags.csv is there nothing is written again, even
    where masks have been taken away.

    Args:
        root: made if missing.
        train, val: number of photos in each split.
        size: their side in pixels.
        seed: of the series; every seed gives other scenes.

    Raises:
        ValueError: a number is out of range.
        DataError: `root` holds scenes with other settings, or something else.
        RunError: `root` cannot be written to.
    """
    if not (0 <= train <= VAL_START and val >= 0):
        raise ValueError(
            f"`train` must be 0 to {VAL_START} and `val` at least 0. "
            f"Received: train={train}, val={val}."
        )
    root = Path(root)
    settings = {"generator": GENERATOR, "train": train, "val": val, "size": size, "seed": seed}
    _require_same(root, settings)
    if (root / "tags.csv").exists():
        return
    render_scene(seed, 0, size=size)  # A size or seed out of range is refused before any write.
    write_json(root / "scenes.json", settings)
    logger.info("Drawing %d scenes of %d px in %s", train + val, size, root)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("photo", "split", "tags"))
    for split, name, index in _plan(train, val):
        scene = render_scene(seed, index, size=size)
        photo, mask = root / "images" / name, root / "masks" / name
        if not photo.exists():
            write_photo(photo, scene.photo)
        if not mask.exists():
            write_label_map(mask, scene.labels)
        writer.writerow((f"images/{name}", split, " ".join(scene.tags)))
    write_text(root / "tags.csv", table.getvalue())


def _plan(train: int, val: int) -> Iterator[tuple[str, str, int]]:
    for split, first, count in (("train", 0, train), ("val", VAL_START, val)):
        for number in range(count):
            yield split, f"{split}_{number:05d}.png", first + number


def _require_same(root: Path, settings: dict[str, int]) -> None:
    """Raises DataError unless `root` is empty or holds these scenes, in whole or in part."""
    record = root / "scenes.json"
    if record.exists():
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{record}: cannot be read: {error}. Delete the folder to draw it again."
            ) from error
        if found != settings:
            raise DataError(
                f"{root}: must hold the scenes of {settings}. Received: {found}. "
                "Choose another folder, or delete this one to draw it again."
            )
    elif root.is_file() or any((root / name).exists() for name in ("tags.csv", "images", "masks")):
        raise DataError(
            f"{root}: must be empty or a folder of scenes. Received: other data, no scenes.json. "
            "Choose another folder for generated scenes."
        )

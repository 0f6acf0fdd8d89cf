"""Makes what training reads of class folders or a COCO-style JSON: a tags.csv, or a copy."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from wsss_tf.data.own.planning import OwnPhoto, Plan
from wsss_tf.data.tagged_folder import COLUMNS
from wsss_tf.errors import DataProblems, RunError
from wsss_tf.files import write_text


def write_tags(root: Path, plan: Plan) -> Path:
    """Writes `root/tags.csv`, atomically, beside the photos, which stay as they are.

    Raises:
        DataProblems: two photos have the same stem, or a name is no UTF-8 text: only a copy can
            name them anew.
        RunError: the file exists, or cannot be written.
    """
    path = root / "tags.csv"
    if path.exists():
        raise RunError(f"{path}: exists. Use it as it is, or remove it to have it written anew.")
    problems = _unfit(plan.photos)
    if problems:
        raise DataProblems(problems)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for photo in plan.photos:
        writer.writerow((photo.path.relative_to(root).as_posix(), photo.split, cell(photo.tags)))
    write_text(path, text.getvalue())
    return path


def cell(tags: Sequence[str]) -> str:
    """Tags as one cell of tags.csv; a name with a space in double quotes."""
    return " ".join(f'"{name}"' if len(name.split()) > 1 else name for name in tags)


def copy_photos(
    root: Path,
    out: Path,
    plan: Plan,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Copies the photos into a prepared folder, byte for byte, under their new ids.

    What is there already and whole is kept.

    Args:
        root: the folder that the plan is of; only read.
        out: the prepared folder, not inside `root`.
        plan: of the photos.
        progress: called with the number of photos done and of all.

    Raises:
        DataProblems, RunError: as `write_prepared`.
    """
    from wsss_tf.data.prepare.archives import source_of
    from wsss_tf.data.prepare.items import About, Item
    from wsss_tf.data.prepare.writing import write_prepared

    items = [
        Item(photo.id, _suffix(photo.path), photo.path.read_bytes, None, photo.tags, (photo.split,))
        for photo in plan.photos
    ]
    about = About("own", "own", plan.labels.names, (source_of(root),))
    write_prepared(out, items, about, workers=os.cpu_count() or 1, progress=progress)
    return out


def _unfit(photos: Sequence[OwnPhoto]) -> list[str]:
    """Why tags.csv cannot name these photos where they lie."""
    stems = Counter(photo.path.stem for photo in photos)
    found = [
        f"{photo.path}: {stems[photo.path.stem]} photos have the stem {photo.path.stem!r}, which "
        "names the mask of a photo. Copy them under other names with --copy-to."
        for photo in photos
        if stems[photo.path.stem] > 1
    ]
    for photo in photos:
        name = str(photo.path)
        if name.encode("utf-8", "replace").decode() != name or not name.isprintable():
            found.append(f"{name!r}: is no plain UTF-8 name. Rename it, or use --copy-to.")
    return found


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return ".jpg" if suffix in (".jpeg", ".jpg") else suffix

"""One folder per class: the tag of a photo is the name of the folder that it lies in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.errors import DataError
from wsss_tf.files import safe_join
from wsss_tf.images import PHOTO_SUFFIXES

UNSPLIT = "all"
"""The split of photos that nothing has parted yet."""
SPLITS = ("train", "val", "test", "training", "valid", "validation", "testing")
# Folders of photos by what they are, not by what they show: no classes.
_NOT_CLASSES = {
    "images", "image", "photos", "masks", "mask", "labels", "annotations", "lists", "jpegimages",
    "segmentationclass", "imagesets",
}  # fmt: skip


def class_folders(root: Path) -> list[tuple[str, Path]]:
    """(split, folder) of each class folder, sorted; the split is `UNSPLIT` where none is named.

    [] where the folders below are no classes: they have no photo, or are called images or masks,
    or hold folders of that name, as data sets do.
    """
    top = _folders(root)
    if top and all(folder.name.lower() in SPLITS for folder in top):
        found = [(folder.name, inner) for folder in top for inner in _folders(folder)]
    else:
        found = [(UNSPLIT, folder) for folder in top]
    inside = [inner for _, folder in found for inner in (folder, *_folders(folder))]
    if any(folder.name.lower() in _NOT_CLASSES for folder in inside):
        return []
    return [(split, folder) for split, folder in found if next(photos_below(folder), None)]


def list_class_folders(root: Path, folders: list[tuple[str, Path]]) -> Listing:
    """Lists the photos below each class folder; none is opened.

    Stems may repeat: what is made of such a folder names the photos anew.
    """
    listing = Listing(mask_folder=root / "masks")
    for split, folder in folders:
        for path in photos_below(folder):
            name = str(path.relative_to(root))
            listing.splits.add(split)
            try:
                safe_join(root, name)
            except DataError as error:
                listing.problems.append(f"{folder.name}/: {error}")
                continue
            entry = Entry(split, path, (folder.name.strip(),), f"{folder.relative_to(root)}/")
            listing.add(entry, scope=name)
    return listing


def photos_below(folder: Path) -> Iterator[Path]:
    """The photos below a folder by their suffixes, sorted; hidden files and folders left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES:
                yield Path(parent, name)


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))

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
SPLITS = ("train", "val", "test", "training", "valid", "validation", "testing", "dev")
# Folders that are left out begin so: hidden ones, of macOS's archives, of Synology's thumbnails.
_HIDDEN = (".", "__", "@eaDir")
UNPACKED_VOC = "*/*/JPEGImages"
"""What VOC's archive unpacks to in a folder, which is no folder of classes then."""
UNPACKED_YOUTUBE = "*/data/*/shots"
"""The same of YouTube-Objects."""
_SHOWN = 3
# Folders of photos by what they are, not by what they show: no classes.
_NOT_CLASSES = {
    "images", "image", "photos", "masks", "mask", "labels", "annotations", "lists", "jpegimages",
    "segmentationclass", "imagesets",
}  # fmt: skip


def class_folders(root: Path) -> list[tuple[str, Path]]:
    """(split, folder) of each class folder, sorted; the split is `UNSPLIT` where none is named.

    Folders without a photo are left out. [] where the folders below are no classes: they have no
    photo, or are called images or masks, or hold folders of that name, or are those that VOC's and
    YouTube-Objects' archives unpack to.
    """
    if any(next(root.glob(mark), None) for mark in (UNPACKED_VOC, UNPACKED_YOUTUBE)):
        return []
    top = [folder for folder in _folders(root) if _has_photo(folder)]
    if top and all(_is_split(folder) for folder in top):
        found = [(folder.name.lower(), inner) for folder in top for inner in _folders(folder)]
    else:
        found = [(UNSPLIT, folder) for folder in _folders(root)]
    inside = [inner for _, folder in found for inner in (folder, *_folders(folder))]
    if any(folder.name.lower() in _NOT_CLASSES for folder in inside):
        return []
    return [(split, folder) for split, folder in found if _has_photo(folder)]


def list_class_folders(root: Path, folders: list[tuple[str, Path]]) -> Listing:
    """Lists the photos below each class folder; none is opened.

    Stems may repeat: what is made of such a folder names the photos anew. Folders that are nested
    in another way than split, class, photos are problems of the listing.
    """
    listing = Listing(mask_folder=root / "masks", problems=_nesting_problems(root, folders))
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
    """The photos below a folder by their suffixes, sorted as `files_below` does."""
    return (path for path in files_below(folder) if path.suffix.lower() in PHOTO_SUFFIXES)


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted; hidden files and folders left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _nesting_problems(root: Path, folders: list[tuple[str, Path]]) -> list[str]:
    """One line for each way in which splits and classes are not where they are looked for."""
    problems = []
    classes = [folder for split, folder in folders if split == UNSPLIT]
    splits = [folder.name for folder in classes if _is_split(folder)]
    if splits:
        others = [folder.name for folder in classes if not _is_split(folder)]
        problems.append(
            f"{root}: {', '.join(splits)} are names of splits, and beside them lie photos in "
            f"{_some(others)}. Move those away, or into a folder of a split."
        )
    upside_down = [
        folder for _, folder in folders if any(map(_is_split, filter(_has_photo, _folders(folder))))
    ]
    if upside_down and not splits:
        names = _some([str(folder.relative_to(root)) for folder in upside_down])
        problems.append(
            f"{root}: the folders of splits lie inside those of classes ({names}). Turn that "
            "round: train/cat, not cat/train."
        )
    elif len({folder.name for _, folder in folders}) == 1:
        only = folders[0][1]
        if not any(path.parent == only for path in photos_below(only)):
            problems.append(
                f"{root}: has one class, {only.name}, with photos only in folders inside it. Did "
                f"you mean {only}?"
            )
    return problems


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in SPLITS


def _has_photo(folder: Path) -> bool:
    return next(photos_below(folder), None) is not None


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(_HIDDEN))

"""What a tagged folder made of class folders or a COCO-style JSON has: tags, splits and names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from wsss_tf.data.listing import Entry
from wsss_tf.data.own.class_folders import UNSPLIT
from wsss_tf.data.own.layouts import Layout, guess_splits
from wsss_tf.data.photo_files import check_photos
from wsss_tf.errors import DataProblems
from wsss_tf.files import sha256
from wsss_tf.images import MAX_PIXELS
from wsss_tf.labels import LabelSpace, from_tags

# Of tags.csv: a name with a space stands in quotes, and ';' anywhere is a separator.
_NOT_IN_NAMES = ('"', ";", "\n", "\r")


@dataclass(frozen=True)
class OwnPhoto:
    """One photo of the data set to be.

    Attributes:
        path: of the file.
        id: unique, made of letters, digits, '.', '_' and '-'.
        tags: the classes that it shows.
        split: train or val, or as the folders or the JSON say.
        digest: SHA-256 of the content.
        bytes: its size.
    """

    path: Path
    id: str
    tags: tuple[str, ...]
    split: str
    digest: str
    bytes: int


@dataclass(frozen=True)
class Plan:
    """The photos, and the label space of their tags."""

    photos: tuple[OwnPhoto, ...]
    labels: LabelSpace


def plan(layout: Layout, *, val_share: float, max_pixels: int = MAX_PIXELS) -> Plan:
    """Decides the tags, the split and the id of each photo. The same folder gives the same plan.

    A photo that lies in several class folders becomes one photo with several tags. Photos without
    a split are parted by the digest of their content, so that adding photos moves few others and
    copies stay together; no class loses its last photo to train on, and where they allow it at
    least one photo is evaluated.

    Args:
        layout: "class_folders" or "coco_tags".
        val_share: the part of the photos that becomes `val`, in 0..1, where there is no split; 0
            for none.
        max_pixels: of a photo.

    Raises:
        DataProblems: everything that would make training fail, at once.
    """
    entries, problems = layout.listing.entries, list(layout.listing.problems)
    problems += check_photos((entry.path for entry in entries), max_pixels=max_pixels)[1]
    names = {name for entry in entries for name in entry.tags}
    problems += [
        f"the class {name!r} must have no quotes, no ';' and no line end, which tags.csv gives a "
        "meaning. Rename it."
        for name in sorted(names)
        if any(mark in name for mark in _NOT_IN_NAMES)
    ]
    problems += [
        f"the class {name!r} must be text that UTF-8 can write. Rename it."
        for name in sorted(names)
        if name.encode("utf-8", "replace").decode() != name
    ]
    problems += [
        f"{entry.where}: {entry.path.name} has no tag. Name what it shows, or remove it."
        for entry in entries
        if not entry.tags and entry.split in ("train", "training", UNSPLIT)
    ]
    try:
        labels = from_tags(names)
    except ValueError as error:
        # Without any tag something else was wrong, in most cases.
        problems += [f"{layout.root}: {error}"] if names or not problems else []
    if problems:
        raise DataProblems(problems)
    photos = [_own_photo(entry) for entry in entries]
    if layout.name == "class_folders":
        photos = _merged(photos)
    photos = _parted(photos, val_share)
    splits = {photo.split for photo in photos}
    if guess_splits(splits)[0] not in splits:
        raise DataProblems(
            [
                f"{layout.root}: must have photos to train on. Received: only the splits "
                f"{', '.join(sorted(splits))}. Name a folder or a JSON train."
            ]
        )
    return Plan(tuple(_named(photos, layout.root)), labels)


def _own_photo(entry: Entry) -> OwnPhoto:
    path = entry.path
    return OwnPhoto(path, "", entry.tags, entry.split, sha256(path), path.stat().st_size)


def _merged(photos: list[OwnPhoto]) -> list[OwnPhoto]:
    """Photos of equal content in one split as one, the first, with the tags of all."""
    first: dict[tuple[str, str], OwnPhoto] = {}
    for photo in photos:
        key = (photo.split, photo.digest)
        known = first.get(key, photo)
        first[key] = replace(known, tags=tuple(dict.fromkeys((*known.tags, *photo.tags))))
    return list(first.values())


def _parted(photos: list[OwnPhoto], val_share: float) -> list[OwnPhoto]:
    """Photos without a split in train and val: the lowest digests are val.

    A photo that is the last to train on of a class stays, and the next one takes its place.
    """
    tags: dict[str, set[str]] = {}
    for photo in photos:
        if photo.split == UNSPLIT:
            tags.setdefault(photo.digest, set()).update(photo.tags)
    left = Counter(name for names in tags.values() for name in names)
    count = max(round(val_share * len(tags)), 1 if val_share else 0)
    chosen = set[str]()
    for digest in sorted(tags):
        if len(chosen) < count and all(left[name] > 1 for name in tags[digest]):
            chosen.add(digest)
            left.subtract(tags[digest])
    return [
        replace(photo, split="val" if photo.digest in chosen else "train")
        if photo.split == UNSPLIT
        else photo
        for photo in photos
    ]


def _named(photos: list[OwnPhoto], root: Path) -> Iterable[OwnPhoto]:
    """Ids from file names; from the folders too where names repeat, and numbered in the end."""
    stems = Counter(_id(photo.path.stem) for photo in photos)
    taken: set[str] = set()
    for photo in photos:
        name = _id(photo.path.stem)
        if stems[name] > 1:
            name = _id("_".join(photo.path.relative_to(root).with_suffix("").parts))
        unique, number = name, 2
        while unique.lower() in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique.lower())
        yield replace(photo, id=unique)


def _id(text: str) -> str:
    """Text as the id of a photo; what file systems and lists disagree about becomes '_'."""
    return re.sub(r"[^\w.-]+", "_", text, flags=re.ASCII).strip(".")[:150] or "photo"

"""What a preparation hands on: the photos, how to get their content, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".jpg", ".png")
# No character that some reader takes for the end of a line, and none that is no text.
_ID = re.compile(
    r"[^\s./\\\x00-\x1f\x7f-\x9f\ud800-\udfff](?:[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,198}"
    r"[^\s/\\\x00-\x1f\x7f-\x9f\ud800-\udfff])?"
)
_SPLIT = re.compile(r"[\w-][\w.-]{0,99}")


def is_split(name: object) -> bool:
    """Whether something can be the name of a list: letters, digits, '_', '-' and '.'."""
    return isinstance(name, str) and bool(_SPLIT.fullmatch(name))


@dataclass(frozen=True)
class Item:
    """One photo of a data set.

    Attributes:
        id: the stem of its files; unique.
        suffix: ".jpg" or ".png", that of its file.
        photo: gives the bytes of its file; called in a thread.
        mask: gives its pixel labels, uint8 [H, W] ids of the label space and 255, in the grid in
            which the photo's file has its pixels, as annotations are: where the photo has an EXIF
            orientation, both are turned. Called in a thread. None where the data set has none.
        tags: foreground classes of the label space, each once.
        splits: the lists that name it; the first is its split in tags.csv.

    `photo` and `mask` raise DataError for what cannot be read; a preparation reports all of them.
    """

    id: str
    suffix: str
    photo: Callable[[], bytes]
    mask: Callable[[], NDArray[np.uint8]] | None
    tags: tuple[str, ...]
    splits: tuple[str, ...]

    @property
    def photo_name(self) -> str:
        """Its photo, relative to the prepared folder."""
        return f"images/{self.id}{self.suffix}"

    @property
    def mask_name(self) -> str:
        """Its mask, relative to the prepared folder, whether it has one or not."""
        return f"masks/{self.id}.png"


@dataclass(frozen=True)
class Source:
    """An archive or a folder that was read.

    Attributes:
        name: its file name; a folder's ends in "/".
        bytes: its size; of a folder, that of the files that are read.
        sha256: of its content; of a folder, of the names and sizes of those files and the content
            of lists and annotations, or of the photos themselves and their tags and splits where it
            is a user's own.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class About:
    """What a data set is and where it comes from, for data.json.

    Attributes:
        data_set: its name, such as "voc".
        label_space: the name of its label space in `wsss_tf.labels`.
        labels: its classes, the background first.
        sources: what was read.
        notes: what a user should know, such as a count that is not the official one.
        settings: (name, value) of all that decides on the result beside the sources.
    """

    data_set: str
    label_space: str
    labels: tuple[str, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()


def item_problems(items: Sequence[Item], about: About) -> list[str]:
    """One line for each item that cannot be written: its id, suffix, tags or splits are wrong."""
    problems = [] if items else ["The data set has no photo. Check the archives."]
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            problems.append(f"{item.id}: is there twice; an id names one photo and its mask.")
        seen.add(item.id)
        name = item.id if item.id.isprintable() else repr(item.id[:80])
        problems += [f"{name}: {fault}" for fault in _faults(item, about)]
    return problems


def _faults(item: Item, about: About) -> list[str]:
    faults = []
    if not _ID.fullmatch(item.id):
        faults.append(
            "must be the stem of a file name, of at most 200 characters, without '/', '\\', line "
            f"ends and control characters, and not start with a dot. Received: {item.id[:80]!r}."
        )
    if item.suffix not in SUFFIXES:
        faults.append(f"must end in {' or '.join(SUFFIXES)}. Received: {item.suffix!r}.")
    unknown = [tag for tag in item.tags if tag not in about.labels[1:]]
    if unknown:
        names = ", ".join(map(repr, unknown))
        faults.append(f"has tags that are no class of label space {about.label_space}: {names}.")
    if len(set(item.tags)) < len(item.tags):
        faults.append(f"has a tag twice: {', '.join(item.tags)}.")
    if not item.splits or not all(map(is_split, item.splits)):
        faults.append(f"must be in a list, named by letters and digits. Received: {item.splits}.")
    return faults

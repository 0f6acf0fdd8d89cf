"""The figures of a data set: how often each class is there, with which others, in which sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.listing import Entry
from wsss_tf.images import PhotoHeader

# Of the longer side, in pixels: each bar is from one to below the next.
_EDGES = (0, 128, 256, 384, 512, 640, 800, 1024, 1536, 2048, 4096)


@dataclass(frozen=True)
class Figures:
    """Counts of photos.

    Attributes:
        classes: the names that are counted.
        frequencies: by split, int [K]: photos that have the tag.
        together: int [K, K]: photos that have both tags; the diagonal counts each tag alone. A
            photo in several lists counts once.
        sides: (range of the longer side, photos) from the smallest to the largest that is there.
        sizes: the most frequent (width, height, photos), at most five.
    """

    classes: tuple[str, ...]
    frequencies: dict[str, NDArray[np.int64]]
    together: NDArray[np.int64]
    sides: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[int, int, int], ...]

    def pairs(self, most: int) -> list[tuple[str, str, int]]:
        """The pairs of classes that share the most photos, at most so many."""
        found = [
            (self.classes[i], self.classes[j], int(self.together[i, j]))
            for i, j in zip(*np.triu_indices(len(self.classes), 1), strict=True)
            if self.together[i, j]
        ]
        return sorted(found, key=lambda pair: -pair[2])[:most]


def figures(
    classes: Sequence[str], entries: Sequence[Entry], headers: Iterable[PhotoHeader]
) -> Figures:
    """Counts the tags of entries and the sizes of photos.

    Args:
        classes: the names to count; other tags are left out.
        entries: of all splits; a photo may stand in several.
        headers: one a photo.
    """
    column = {name: index for index, name in enumerate(classes)}
    splits: dict[str, list[Sequence[str]]] = {}
    for entry in entries:
        splits.setdefault(entry.split, []).append(entry.tags)
    frequencies = {split: _rows(tags, column).sum(0) for split, tags in splits.items()}
    once = _rows(list({entry.path: entry.tags for entry in entries}.values()), column)
    sizes: dict[tuple[int, int], int] = {}
    for header in headers:
        size = (header.width, header.height)
        sizes[size] = sizes.get(size, 0) + 1
    most = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:5]
    return Figures(
        tuple(classes),
        frequencies,
        once.T @ once,
        _sides(sizes),
        tuple((*size, count) for size, count in most),
    )


def _rows(tags: Sequence[Sequence[str]], column: Mapping[str, int]) -> NDArray[np.int64]:
    """int [photos, K], 0 or 1; a tag that is repeated or unknown is no reason to stop here."""
    rows = np.zeros((len(tags), len(column)), np.int64)
    for row, names in zip(rows, tags, strict=True):
        row[[column[name] for name in names if name in column]] = 1
    return rows


def _sides(sizes: Mapping[tuple[int, int], int]) -> tuple[tuple[str, int], ...]:
    counts = np.zeros(len(_EDGES), np.int64)
    for size, count in sizes.items():
        counts[np.searchsorted(_EDGES, max(size), side="right") - 1] += count
    names = [f"{low}-{high - 1}" for low, high in pairwise(_EDGES)]
    names.append(f"{_EDGES[-1]}+")
    there = np.flatnonzero(counts)
    if not there.size:
        return ()
    shown = range(there[0], there[-1] + 1)
    return tuple((names[i], int(counts[i])) for i in shown)

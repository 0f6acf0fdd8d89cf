"""Large photos in tiles that overlap: the untiled label map, but near the seams.

A network's output at a pixel hangs on a window around it. Tiles reach `overlap` pixels over what is
kept of them, so a kept pixel sees all of its window where half of that is at most `overlap`; there
the labels are the untiled ones, but for the rounding of floats. Where the window is larger, pixels
that are nearer to a seam than the difference may differ, and no others. Tiles begin at multiples of
32, as the network's pools and strides do, and none is padded: at the photo's own border the network
sees what it would see anyway.

Kept is the middle (no blending): labels need one byte a pixel, while blended probabilities would
need 84 for 21 classes, 1.7 GB for 20 megapixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 32
LARGE_FOV_REACH = 224
"""Half the window of VGG-16 Large-FOV, whose output hangs on 412 pixels and 8 of the enlargement:
214 on either side, rounded up to 32. Small-FOV needs 166."""


class Span(NamedTuple):
    """A tile along one axis: it is cut at start..stop and kept at first..last."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tiling:
    """Squares of `size` pixels, and how far each reaches over what is kept of it.

    Args:
        size: of a tile's side, overlap included.
        overlap: pixels on either side, at least; None: a quarter of `size`, at most
            `LARGE_FOV_REACH`, which a tile of 896 has.

    Raises:
        ValueError: nothing would be left of a tile.
    """

    size: int
    overlap: int | None = None

    def __post_init__(self) -> None:
        if self.overlap is not None and self.overlap < 0:
            raise ValueError(f"`overlap` must be at least 0. Received: overlap={self.overlap}.")
        if self.step < ALIGNMENT:
            raise ValueError(
                f"`tile` must be at least {ALIGNMENT} more than twice the overlap. Received: "
                f"tile={self.size}, overlap={self.reach}. Take larger tiles, 1024 as a rule."
            )

    @property
    def reach(self) -> int:
        """The overlap on either side, at least."""
        return min(self.size // 4, LARGE_FOV_REACH) if self.overlap is None else self.overlap

    @property
    def step(self) -> int:
        """From one tile to the next."""
        return (self.size - 2 * self.reach) // ALIGNMENT * ALIGNMENT

    def spans(self, length: int) -> Iterator[Span]:
        """The tiles along an axis; what is kept of them covers it once."""
        middle = (self.size - self.step) // 2
        start = 0
        while True:
            stop = min(start + self.size, length)
            first = start + middle if start else 0
            last = length if stop == length else start + self.step + middle
            yield Span(start, stop, first, last)
            if stop == length:
                return
            start += self.step

    def tiles(self, shape: tuple[int, int]) -> list[tuple[Span, Span]]:
        """Rows and columns of the tiles of a photo, those of one size one after another."""
        pairs = [(row, column) for row in self.spans(shape[0]) for column in self.spans(shape[1])]
        return sorted(pairs, key=_size)


def labels_by_tiles(
    run: Callable[..., NDArray[Any]], photo: NDArray[np.uint8], tiling: Tiling, *, batch_size: int
) -> NDArray[np.uint8]:
    """The label map of a photo at full size.

    Args:
        run: a `Network`.
        photo: uint8 [H, W, 3].
        tiling: how it is cut.
        batch_size: tiles of one size that are run together, at most.

    Returns:
        uint8 [H, W].
    """
    result = np.empty(photo.shape[:2], np.uint8)
    for tiles, batch in _runs(run, photo, tiling, batch_size, probabilities=False):
        for (row, column), labels in zip(tiles, batch, strict=True):
            result[row.first : row.last, column.first : column.last] = _kept(labels, row, column)
    return result


def probabilities_by_tiles(
    run: Callable[..., NDArray[Any]],
    photo: NDArray[np.uint8],
    tiling: Tiling,
    *,
    size: tuple[int, int],
    batch_size: int,
) -> NDArray[np.float32]:
    """Probabilities of a photo in a coarser grid, each the mean over the pixels that fall into it.

    Args:
        run, photo, tiling, batch_size: as of `labels_by_tiles`.
        size: (height, width) of the grid, at most the photo's; that of the CRF.

    Returns:
        float32 [*size, K].
    """
    rows, columns = (
        np.arange(old) * new // old for old, new in zip(photo.shape[:2], size, strict=True)
    )
    total: Any = None
    for tiles, batch in _runs(run, photo, tiling, batch_size, probabilities=True):
        for (row, column), found in zip(tiles, batch, strict=True):
            if total is None:
                total = np.zeros((*size, found.shape[-1]), np.float32)
            part = _kept(found, row, column)
            part, top = _summed(part, rows[row.first : row.last], axis=0)
            part, left = _summed(part, columns[column.first : column.last], axis=1)
            total[top : top + part.shape[0], left : left + part.shape[1]] += part
    pixels = np.multiply.outer(np.bincount(rows), np.bincount(columns))
    return total / pixels[..., None].astype(np.float32)


def _runs(
    run: Callable[..., NDArray[Any]],
    photo: NDArray[np.uint8],
    tiling: Tiling,
    batch_size: int,
    *,
    probabilities: bool,
) -> Iterator[tuple[list[tuple[Span, Span]], NDArray[Any]]]:
    """Yields tiles of one size and what the network says of them."""
    left = tiling.tiles(photo.shape[:2])
    while left:
        tiles = [pair for pair in left[:batch_size] if _size(pair) == _size(left[0])]
        left = left[len(tiles) :]
        cut = [photo[row.start : row.stop, column.start : column.stop] for row, column in tiles]
        yield tiles, run(np.stack(cut), probabilities=probabilities)


def _size(pair: tuple[Span, Span]) -> tuple[int, int]:
    row, column = pair
    return row.stop - row.start, column.stop - column.start


def _kept(values: NDArray, row: Span, column: Span) -> NDArray:
    return values[
        row.first - row.start : row.last - row.start,
        column.first - column.start : column.last - column.start,
    ]


def _summed(values: NDArray, places: NDArray[np.int64], *, axis: int) -> tuple[NDArray, int]:
    """Sums of the lines that fall to one place, and the first place; `places` never falls."""
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 1))
    return np.add.reduceat(values, starts, axis=axis), int(places[0])

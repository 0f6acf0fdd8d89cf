"""The pixels of COCO's annotations: polygons and run lengths, read by pycocotools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import DataError

MOST_SIDE = 65_535
"""Pixels that a JPEG has at most a side."""
_POINTS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """What an annotation covers, as stored in its `segmentation`, in a tenth of the memory.

    Attributes:
        polygons: float64 [2n] each, n >= 3: x and y in turn; none where it is run lengths.
        counts: run lengths down the columns, zeros first: int64 [m], or the compressed text; None
            where it is polygons.
        size: (height, width) that the run lengths are of.
        left_out: number of polygons of fewer than three points, or 1 for no run lengths: these
            cover nothing.
    """

    polygons: tuple[NDArray[np.float64], ...] = ()
    counts: NDArray[np.int64] | str | None = None
    size: tuple[int, int] | None = None
    left_out: int = 0


def read_shape(segmentation: Any) -> Shape:
    """The shape in the JSON value of `segmentation`: a list of polygons, or counts and size.

    Raises:
        ValueError: it is neither; says what it must be.
    """
    if isinstance(segmentation, list):
        return _read_polygons(segmentation)
    if isinstance(segmentation, dict) and {"counts", "size"} <= segmentation.keys():
        return _read_runs(segmentation["counts"], segmentation["size"])
    raise ValueError("must have polygons, or counts and size, as its segmentation")


def check_shape(shape: Shape, height: int, width: int) -> None:
    """Makes sure that a shape can lie in a photo of a size.

    Raises:
        ValueError: it is of another size, or lies far outside; says what it must be.
    """
    if shape.size is not None and shape.size != (height, width):
        raise ValueError("must have run lengths of the size of its photo")
    for polygon in shape.polygons:
        # pycocotools keeps every point of an edge, so that a far corner takes all memory.
        for values, limit in ((polygon[::2], width), (polygon[1::2], height)):
            if values.min() < -limit or values.max() > 2 * limit:
                raise ValueError("must have a polygon that lies in its photo")


def shape_mask(shape: Shape, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels that a shape covers, bool [height, width]: exactly those of pycocotools.

    A pixel that only one polygon of several covers is covered.

    Raises:
        DataError: the compressed run lengths are damaged, or pycocotools is not installed.
    """
    codec = load_codec()
    if shape.counts is None and not shape.polygons:
        return np.zeros((height, width), bool)
    if isinstance(shape.counts, str):
        # Decoded by hand to be checked: pycocotools fills up what a damaged text leaves open.
        counts = _decoded(shape.counts)
    elif shape.counts is not None:
        counts = shape.counts
    else:
        parts = codec.frPyObjects(list(shape.polygons), height, width)
        return codec.decode(codec.merge(parts)).astype(bool)
    if counts.size == 0 or counts.min() < 0 or counts.sum() != height * width:
        raise DataError("run lengths must add up to the pixels of the photo; theirs are damaged.")
    runs = {"counts": counts.tolist(), "size": [height, width]}
    return codec.decode(codec.frPyObjects(runs, height, width)).astype(bool)


def load_codec() -> Any:
    """The module pycocotools.mask. Raises DataError with the pip command where it is missing."""
    try:
        from pycocotools import mask  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise DataError(
            "COCO's polygons and run lengths need pycocotools, which cannot be loaded here "
            f'({error}). Install with: pip install "wsss-tf[coco]"'
        ) from error
    return mask


def _read_polygons(polygons: list[Any]) -> Shape:
    kept = []
    for polygon in polygons:
        if not isinstance(polygon, list) or not set(map(type, polygon)) <= {int, float}:
            raise ValueError("must have lists of numbers as its polygons")
        if len(polygon) % 2:
            raise ValueError("must have an x and a y for each point of its polygons")
        # pycocotools would read two points as a box.
        if len(polygon) < 2 * _POINTS:
            continue
        try:
            points = np.array(polygon, np.float64)
        except OverflowError:
            points = np.array([np.inf])
        if not np.isfinite(points).all():
            raise ValueError("must have finite numbers in its polygons")
        kept.append(points)
    return Shape(tuple(kept), left_out=len(polygons) - len(kept) or not polygons)


def _read_runs(counts: Any, size: Any) -> Shape:
    if not isinstance(size, list) or len(size) != 2 or set(map(type, size)) != {int}:
        raise ValueError("must have [height, width] as the size of its run lengths")
    height, width = size
    if not (0 < height <= MOST_SIDE and 0 < width <= MOST_SIDE):
        raise ValueError(f"must have run lengths of a size of 1 to {MOST_SIDE:,} pixels a side")
    if isinstance(counts, list) and set(map(type, counts)) <= {int}:
        if counts and (min(counts) < 0 or sum(counts) != height * width):
            raise ValueError("must have run lengths that add up to the pixels of its photo")
        runs = np.array(counts, np.int64)
        kept: NDArray[np.int64] | str | None = runs if counts else None
    elif isinstance(counts, str) and all("0" <= letter <= "o" for letter in counts):
        kept = counts or None
    else:
        raise ValueError("must have whole numbers, or a text that encodes them, as its run lengths")
    return Shape(counts=kept, size=(height, width), left_out=int(kept is None))


def _decoded(text: str) -> NDArray[np.int64]:
    """The counts in a compressed text: 5 bits a letter, the lowest first, each less the last but
    one before it from the third on; empty for one that breaks off.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if shift > 60:
            return np.zeros(0, np.int64)
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return np.array(counts if shift == 0 else [], np.int64)

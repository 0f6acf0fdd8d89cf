"""The photos that every form of a network is tried on: real ones, of several sizes and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.data import DataSet, Photo, truth_maps
from wsss_tf.images import enlarged, photo_header, read_photo, write_photo

Truth = NDArray[np.uint8] | None


@dataclass(frozen=True)
class Sample:
    """A photo to try a form on.

    Attributes:
        name: of the photo, and what was made of it.
        jpeg: the bytes of a JPEG file.
        pixels: uint8 [H, W, 3], what those bytes decode to.
        truth: uint8 [H, W], 255 where it is not known; None without pixel labels.
    """

    name: str
    jpeg: bytes
    pixels: NDArray[np.uint8]
    truth: Truth


def parity_samples(
    dataset: DataSet, split: str, *, count: int, side: int, scratch: Path
) -> list[Sample]:
    """Takes photos evenly from a split; some whole, some cropped, one enlarged.

    Data sets have many photos of one size, and a graph that is right for one size only would pass.

    Args:
        dataset, split: of the photos; pixel labels are read where all of them are there.
        count: how many, at most.
        side: at which the network looks; the enlarged photo goes beyond it.
        scratch: an empty folder, for JPEG files.
    """
    photos = spread(dataset.split(split), count)
    paths = dataset.truth(split)
    has_truth = all(paths[photo.id].is_file() for photo in photos)
    truths = list(truth_maps(dataset, split, photos)) if has_truth else [None] * len(photos)
    samples = []
    for index, (photo, truth) in enumerate(zip(photos, truths, strict=True)):
        pixels = read_photo(photo.path, max_pixels=photo.width * photo.height)
        if index == 2:
            samples.append(_sample(f"{photo.id}, enlarged", *_larger(pixels, truth, side), scratch))
        elif index % 2 == 0:
            samples.append(_whole(photo, pixels, truth, scratch))
        else:
            samples.append(_sample(f"{photo.id}, cropped", *_part(pixels, truth), scratch))
    return samples


def spread(photos: Sequence[Photo], count: int) -> list[Photo]:
    """At most `count` photos, evenly from all, the first among them."""
    count = min(count, len(photos))
    return [photos[index * len(photos) // count] for index in range(count)]


def _whole(photo: Photo, pixels: NDArray[np.uint8], truth: Truth, scratch: Path) -> Sample:
    header = photo_header(photo.path)
    if header.format == "JPEG" and header.orientation == 1:
        return Sample(photo.id, photo.path.read_bytes(), pixels, truth)
    return _sample(photo.id, pixels, truth, scratch)


def _sample(name: str, pixels: NDArray[np.uint8], truth: Truth, scratch: Path) -> Sample:
    path = scratch / "photo.jpg"
    write_photo(path, pixels)
    return Sample(name, path.read_bytes(), read_photo(path), truth)


def _part(pixels: NDArray[np.uint8], truth: Truth) -> tuple[NDArray[np.uint8], Truth]:
    """The lower right, of odd sides where it has room."""
    height, width = (
        max(1, side * share // 8 | 1) for side, share in zip(pixels.shape[:2], (7, 6), strict=True)
    )
    part = slice(-min(height, pixels.shape[0]), None), slice(-min(width, pixels.shape[1]), None)
    return pixels[part], None if truth is None else truth[part]


def _larger(pixels: NDArray[np.uint8], truth: Truth, side: int) -> tuple[NDArray[np.uint8], Truth]:
    """A quarter beyond `side`, or the photo itself where that is larger already."""
    factor = max(1.0, 1.25 * side / max(pixels.shape[:2]))
    size = tuple(max(1, round(factor * length)) for length in pixels.shape[:2])
    grown = tf.cast(tf.round(tf.image.resize(pixels, size)), tf.uint8).numpy()
    return grown, None if truth is None else enlarged(truth, size)

"""Errors inside tf.data do not name the file; this finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from wsss_tf.data.decode import decode_label_map, decode_photo
from wsss_tf.data.sources import Photo
from wsss_tf.errors import DataError


def named_errors(
    elements: Iterable[Any],
    photos: Sequence[Photo],
    *,
    rows: Callable[[int], Sequence[int]] = lambda n: [n],
    masks: Path | None = None,
) -> Iterator[Any]:
    """Yields the elements of a tf.data data set; an unreadable photo or mask is named.

    Args:
        elements: a deterministic data set made from `photos`, mapped or not.
        photos: the photos by row.
        rows: the rows of `photos` that element n is made of; by default just n.
        masks: the folder of masks that the data set reads too.

    Raises:
        DataError: a file cannot be decoded any more; it names the file.
        tf.errors.OpError: the error of the data set itself, where all its files are readable.
    """
    iterator = iter(elements)
    n = 0
    while True:
        try:
            element = next(iterator)
        except StopIteration:
            return
        except tf.errors.OpError as error:
            for row in rows(n):
                _check(photos[row], masks, error)
            raise
        yield element
        n += 1


def _check(photo: Photo, masks: Path | None, cause: tf.errors.OpError) -> None:
    pixels = _decoded(photo.path, lambda contents: decode_photo(contents, photo.orientation), cause)
    if masks is None:
        return
    path = masks / f"{photo.id}.png"
    mask = _decoded(path, decode_label_map, cause)
    if mask.shape != pixels.shape[:2]:
        raise DataError(
            f"{path}: must have the size of its photo, {pixels.shape[1]} x {pixels.shape[0]}. "
            f"Received: {mask.shape[1]} x {mask.shape[0]}. Remove it, and index.jsonl beside it, "
            "to have it made again."
        ) from cause


def _decoded(
    path: Path, decode: Callable[[tf.Tensor], tf.Tensor], cause: tf.errors.OpError
) -> tf.Tensor:
    try:
        return decode(tf.io.read_file(str(path)))
    except tf.errors.OpError as error:
        raise DataError(
            f"{path}: cannot be decoded, though it could when the data set was opened: "
            f"{error.message.splitlines()[0]} Put the file back as it was."
        ) from cause

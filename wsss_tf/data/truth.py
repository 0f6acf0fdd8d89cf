"""The masks that predictions are scored with: checked as a whole, then one pair at a time.

Only evaluation imports this. Training opens no mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.sources import DataSet, Photo
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.labels import UNKNOWN

_THREADS = 4


def check_truth(dataset: DataSet, split: str, photos: Sequence[Photo] | None = None) -> None:
    """Reads every mask of a split, or of some `photos` of it.

    Raises:
        DataProblems: all masks that are missing, no label map, not of the size of their photo, or
            with ids outside the label space.
    """
    paths, table = dataset.truth(split), _table(dataset)
    photos = dataset.split(split) if photos is None else photos
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(lambda photo: _problem(photo, paths[photo.id], table), photos)
        problems = [problem for problem in results if problem]
    if problems:
        raise DataProblems(problems)


def truth_pairs(
    dataset: DataSet, split: str
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yields (id, photo, truth) for each photo of a split, in order.

    photo is uint8 [H, W, 3] RGB in natural size; truth is uint8 [H, W] with the ids of
    `dataset.labels`, 255 where the mask says so and where the class is not kept.

    Raises:
        DataError: a photo or a mask cannot be read. Call `check_truth` first to have them all.
    """
    photos = dataset.split(split)
    for photo, truth in zip(photos, truth_maps(dataset, split), strict=True):
        pixels = read_photo(photo.path, max_pixels=photo.width * photo.height)
        yield photo.id, pixels, truth


def truth_maps(
    dataset: DataSet,
    split: str,
    photos: Sequence[Photo] | None = None,
    *,
    foreground: bool = False,
) -> Iterator[NDArray[np.uint8]]:
    """Yields the truth of each photo of a split, or of some `photos` of it, in order.

    Args:
        dataset, split: of the masks.
        photos: some of the split's; None for all of them.
        foreground: whether to tell object from background only.

    Yields:
        uint8 [H, W]: the ids that `truth_pairs` gives. With `foreground` 0, and 1 for every class
        of the data set's masks, also those that are not kept: a chair is an object, wanted or
        not. 255 where the mask says so.

    Raises:
        DataError: a mask cannot be read. Call `check_truth` first to have them all.
    """
    paths = dataset.truth(split)
    table = _foreground_table(dataset) if foreground else _table(dataset)
    for photo in dataset.split(split) if photos is None else photos:
        yield _truth(photo, paths[photo.id], table)


def truth_digest(dataset: DataSet, split: str, photos: Sequence[Photo] | None = None) -> str:
    """SHA-256, in hex, of what a score hangs on: the photos and masks of a split, byte by byte.

    Args:
        dataset, split: with all of its masks.
        photos: some of the split's; None for all of them.
    """
    paths, whole = dataset.truth(split), hashlib.sha256()
    for photo in dataset.split(split) if photos is None else photos:
        whole.update(f"{photo.id}\0{sha256(photo.path)}{sha256(paths[photo.id])}".encode())
    return whole.hexdigest()


def _table(dataset: DataSet) -> NDArray[np.uint8]:
    return dataset.labels.ids_from(dataset.truth_labels)


def _foreground_table(dataset: DataSet) -> NDArray[np.uint8]:
    table = _table(dataset)
    table[1 : dataset.truth_labels.num_classes] = 1
    return table


def _problem(photo: Photo, path: Path, table: NDArray[np.uint8]) -> str | None:
    try:
        _truth(photo, path, table)
    except DataError as error:
        return str(error)
    return None


def _truth(photo: Photo, path: Path, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask of a photo in other ids; raises DataError for one that cannot score it."""
    if not path.is_file():
        raise DataError(f"{path}: does not exist. Scoring needs the mask of {photo.path.name}.")
    mask = read_label_map(path)
    if mask.shape != (photo.height, photo.width):
        raise DataError(
            f"{path}: must have the size of its photo as displayed, {photo.width} x "
            f"{photo.height}. Received: {mask.shape[1]} x {mask.shape[0]}."
        )
    unknown = np.unique(mask)[table[np.unique(mask)] == UNKNOWN]
    if unknown.size:
        raise DataError(
            f"{path}: must hold ids of the label space and 255. Received: the ids "
            f"{', '.join(map(str, unknown))}. Check `data.label_space`."
        )
    return table[mask]

"""Photos and probabilities in another grid, as training has them, with numpy and Pillow alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss_tf.images import enlarged

# Classes are decided on at most this grid, as `training.Predictor` does; a larger photo's label map
# is that grid's, enlarged.
GRID_SIDE = 2048


def size_within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(height, width) with the longer side reduced to `side`, in whole numbers, at least 1 x 1.

    The same sizes as `priors.size_within`.
    """
    longer = max(size)
    if longer <= side:
        return size
    height, width = (max((length * side + longer // 2) // longer, 1) for length in size)
    return height, width


def reduced(photo: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A photo as the network sees it: between the four pixels around each point, not averaged.

    As `priors.resize` without the last rounding: a network is given whole numbers here.

    Args:
        photo: uint8 [H, W, 3].
        side: of the longer side, at most; a smaller photo keeps its size.

    Returns:
        uint8 [h, w, 3].
    """
    size = size_within(photo.shape[:2], side)
    if size == photo.shape[:2]:
        return photo
    values: NDArray = photo
    for axis, (old, new) in enumerate(zip(photo.shape[:2], size, strict=True)):
        place = np.maximum((np.arange(new, dtype=np.float32) + 0.5) * (old / new) - 0.5, 0.0)
        low = np.minimum(place.astype(np.int64), old - 1)
        share = (place - low).astype(np.float32).reshape((new, 1, 1) if axis == 0 else (new, 1))
        first = np.take(values, low, axis=axis).astype(np.float32)
        after = np.take(values, np.minimum(low + 1, old - 1), axis=axis)
        values = first + (after - first) * share
    return np.rint(values).clip(0, 255).astype(np.uint8)


def averaged(photo: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A photo as the CRF sees it, reduced with averaging: uint8 [H, W, 3] -> uint8 [h, w, 3].

    As `training.crf.photo_within`.
    """
    size = size_within(photo.shape[:2], side)
    if size == photo.shape[:2]:
        return photo
    channels = [_bilinear(photo[..., index].astype(np.float32), size) for index in range(3)]
    return np.rint(np.stack(channels, axis=-1)).clip(0, 255).astype(np.uint8)


def resized(probabilities: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Probabilities in another grid: float32 [h, w, K] -> float32 [*size, K] that sum to 1.

    Their logarithms are resized, which differ from the network's scores by the same amount for all
    classes of a pixel: the graph resizes scores, too, before they become probabilities.
    """
    if probabilities.shape[:2] == size:
        return probabilities
    result = np.empty((*size, probabilities.shape[2]), np.float32)
    for index in range(probabilities.shape[2]):
        result[..., index] = _bilinear(_log(probabilities[..., index]), size)
    result -= result.max(axis=-1, keepdims=True)
    np.exp(result, out=result)
    result /= result.sum(axis=-1, keepdims=True)
    return result


def labels_at(probabilities: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The likeliest class in a finer grid; holds two classes of that grid at a time, never all.

    By logarithms, as in `resized`.

    Args:
        probabilities: float32 [h, w, K].
        size: (height, width) of the photo.

    Returns:
        uint8 [height, width].
    """
    grid = size_within(size, GRID_SIDE)
    best = _bilinear(_log(probabilities[..., 0]), grid)
    labels = np.zeros(grid, np.uint8)
    for index in range(1, probabilities.shape[2]):
        score = _bilinear(_log(probabilities[..., index]), grid)
        better = score > best
        labels[better] = index
        np.maximum(best, score, out=best)
    return enlarged(labels, size)


def _log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(values, np.finfo(np.float32).tiny))


def _bilinear(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """float32 [h, w] -> float32 [*size]; averages where it reduces, centres at half-integers."""
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.array(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))

"""Label maps and values in another grid."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def nearest(labels: NDArray[Scalar], size: tuple[int, int]) -> NDArray[Scalar]:
    """Labels in another grid: each pixel takes the label of the one that its centre lies in.

    In whole numbers, so that a centre on the line between two pixels falls to the same one (the
    right or lower) on every machine.

    Args:
        labels: [..., H, W], of any type.
        size: (height, width) of the result.

    Returns:
        [..., height, width] of the same type.

    Raises:
        ValueError: a height or width below 1.
    """
    if min(size) < 1:
        raise ValueError(f"`size` must be a height and a width of 1 or more. Received: {size}.")
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, labels.shape[-2:], strict=True)
    )
    return np.ascontiguousarray(labels[..., rows[:, None], columns])


def bilinear(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Values in another grid, between the four pixel centres around; the border's repeat.

    Args:
        image: float32 [..., H, W].
        size: (height, width) of the result.

    Returns:
        float32 [..., height, width].
    """
    for axis, new in zip((-2, -1), size, strict=True):
        old = image.shape[axis]
        place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0.0, old - 1.0)
        low = place.astype(np.int64)
        share = (place - low).astype(np.float32)
        if axis == -2:
            share = share[:, None]
        first = np.take(image, low, axis=axis)
        image = first + share * (np.take(image, np.minimum(low + 1, old - 1), axis=axis) - first)
    return image

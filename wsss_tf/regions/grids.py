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


def bilinear(
    image: NDArray[np.float32], size: tuple[int, int], *, block: float
) -> NDArray[np.float32]:
    """Values of square blocks in a finer grid, between the four block centres around a pixel.

    Args:
        image: float32 [..., H, W]; the last blocks may reach over the finer grid's end.
        size: (height, width) of the result.
        block: the side of a block, in pixels of the result.

    Returns:
        float32 [..., height, width]; outside the outermost centres their values go on.
    """
    for axis, new in zip((-2, -1), size, strict=True):
        last = image.shape[axis] - 1
        place = np.clip((np.arange(new) + 0.5) / block - 0.5, 0.0, last)
        low = place.astype(np.int64)
        share = (place - low).astype(np.float32)
        if axis == -2:
            share = share[:, None]
        first = np.take(image, low, axis=axis)
        image = first + share * (np.take(image, np.minimum(low + 1, last), axis=axis) - first)
    return image

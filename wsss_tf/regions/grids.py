"""Label maps in another grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Labels in another grid: each pixel takes the label of the one that its centre lies in.

    In whole numbers, so that a centre on the line between two pixels falls to the same one (the
    right or lower) on every machine.

    Args:
        labels: int32 [..., H, W].
        size: (height, width) of the result.

    Returns:
        int32 [..., height, width].

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

"""Pixels and their neighbours at an offset."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def paired(
    grid: NDArray[Scalar], offset: tuple[int, int]
) -> tuple[NDArray[Scalar], NDArray[Scalar]]:
    """Every pixel that has a neighbour at `offset` (down, right), and that neighbour: two views.

    Args:
        grid: [h, w].
        offset: down 0 or more; right of either sign.

    Returns:
        Two of [h - down, w - |right|], empty where the grid is smaller than the offset.
    """
    down, right = offset
    height, width = grid.shape
    rows, columns = max(height - down, 0), max(width - abs(right), 0)
    left, moved = max(-right, 0), max(right, 0)
    return (
        grid[:rows, left : left + columns],
        grid[down : down + rows, moved : moved + columns],
    )


def half_disc(radius: int) -> list[tuple[int, int]]:
    """Offsets (down, right) within `radius`, one of each opposite two, itself not among them."""
    return [
        (down, right)
        for down in range(radius + 1)
        for right in range(-radius, radius + 1)
        if down * down + right * right <= radius * radius and (down > 0 or right > 0)
    ]

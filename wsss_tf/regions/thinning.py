"""Boundaries reduced to the crests of their energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Steps (down, right) that go across a boundary, by orientation.
_ACROSS = ((0, 1), (1, 1), (1, 1), (1, 0), (1, 0), (1, -1), (1, -1), (0, 1))


def thinned(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest energy e of the orientations as e / (1 + e), 0 off the crests.

    A pixel is on a crest if its neighbours across the boundary have no more.

    Args:
        energy: float32 [8, H, W], 0 or more.

    Returns:
        float32 [H, W] in 0..1.

    Source: Canny, PAMI 1986 (non-maximum suppression).
    """
    orientation = energy.argmax(axis=0)
    strongest = energy.max(axis=0)
    height, width = strongest.shape
    wide = np.pad(strongest, 1, mode="edge")
    crest = np.zeros(strongest.shape, bool)
    for index, (down, right) in enumerate(_ACROSS):
        ahead = wide[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        behind = wide[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        highest = (strongest >= ahead) & (strongest >= behind)
        crest |= (orientation == index) & highest
    return np.where(crest, strongest / (1.0 + strongest), 0.0).astype(np.float32)

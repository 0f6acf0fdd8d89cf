"""The one colour table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def palette() -> NDArray[np.uint8]:
    """Returns the VOC colour map, uint8 [256, 3] RGB, for every label space.

    The bits of an id, three at a time from the lowest, are the bits of red, green and blue from
    the highest: id 1 is (128, 0, 0), id 255 is (224, 224, 192).

    Source: the PASCAL VOC development kit, VOCcolormap.m.
    """
    ids = np.arange(256, dtype=np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> channel) & 1) << (7 - level)
        ids >>= 3
    return colours

"""What passes for a photo wherever one is asked for here."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8] | str | os.PathLike[str]
"""The path of a file, or uint8 [H, W, 3] RGB as displayed."""


def require_pixels(photo: Any) -> NDArray[np.uint8]:
    """`photo`, if it is uint8 [H, W, 3] with at least one pixel.

    Raises:
        ValueError: it is not.
    """
    right = isinstance(photo, np.ndarray) and photo.dtype == np.uint8 and photo.ndim == 3
    if not right or photo.shape[2] != 3 or photo.size == 0:
        about = f"{photo.dtype} {list(photo.shape)}" if hasattr(photo, "shape") else photo
        raise ValueError(
            f"A photo must be a path or uint8 [height, width, 3] RGB. Received: {about!r}."
        )
    return photo

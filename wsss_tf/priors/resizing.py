"""Bilinear resizing that every backend, a SavedModel and ONNX can run."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def resize(maps: Any, size: Any) -> Any:
    """Resizes maps bilinearly, pixel centres at half-integers, without antialiasing.

    Args:
        maps: float [B, h, w, C].
        size: (height, width), integers or, under TensorFlow, an int32 tensor [2].

    Returns:
        float32 [B, height, width, C].
    """
    if keras.backend.backend() == "tensorflow":
        # keras.ops.image.resize needs the size while the graph is built; tf.image.resize does not.
        import tensorflow as tf

        return tf.image.resize(maps, size, method="bilinear")
    maps = ops.cast(maps, "float32")
    return ops.image.resize(maps, size, interpolation="bilinear", data_format="channels_last")


def size_within(size: Any, side: int) -> Any:
    """The size at which a network looks at a photo: its longer side reduced to `side`.

    Args:
        size: int32 [2], height and width of the photo.
        side: the largest longer side, in pixels. A smaller photo keeps its size.

    Returns:
        int32 [2], of the same aspect to half a pixel, at least 1 x 1.

    Raises:
        ValueError: for a side below 1.
    """
    check_side(side)
    size = ops.convert_to_tensor(size, "int32")
    longer = ops.max(size)
    # In integers, so that every runtime rounds alike.
    reduced = ops.maximum((size * side + longer // 2) // longer, 1)
    return ops.where(longer > side, reduced, size)


def check_side(side: int) -> None:
    """Raises ValueError for a side below 1."""
    if side < 1:
        raise ValueError(
            f"`side` must be at least 1 pixel. Received: side={side}. "
            "None, where it is accepted, keeps the photo's own size."
        )

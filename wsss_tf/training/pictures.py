"""Pictures of a training step for TensorBoard."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from wsss_tf.images import overlay


def training_picture(model: keras.Model, batch: dict[str, tf.Tensor]) -> np.ndarray:
    """The batch's first photo, its mask where it has one, and what the network says now.

    Args:
        model: photo -> logits [B, H, W, K+1].
        batch: of `training_dataset`.

    Returns:
        uint8 [H, 2 W or 3 W, 3], side by side.
    """
    photo = batch["photo"][:1]
    shown = photo.numpy()[0]
    prediction = np.argmax(model(photo, training=False).numpy()[0], axis=-1).astype(np.uint8)
    panels = [shown, overlay(shown, prediction)]
    if "mask" in batch:
        panels.insert(1, overlay(shown, batch["mask"].numpy()[0]))
    return np.concatenate(panels, axis=1)

"""The fully-convolutional network: photo in, one score per class and pixel out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from wsss_tf.nets import vgg

STRIDE = 8


class HeadShape(NamedTuple):
    """The layers between backbone and classifier; `channels` are those at width 1."""

    kernel_size: int
    dilation: int
    channels: int


HEADS = {"small": HeadShape(4, 4, 4096), "large": HeadShape(3, 12, 1024)}


@keras.saving.register_keras_serializable(package="wsss_tf")
class BilinearUpsampling(keras.initializers.Initializer):
    """Start of a transposed convolution that enlarges every channel bilinearly, each for itself.

    For a kernel [2s, 2s, C, C] at stride s, pixels taken as squares: output y lies at
    (y + 0.5) / s - 0.5 of the input, as in `tf.image.resize`, but with zeros beyond the borders.
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None):
        height, width, channels_out, channels_in = shape
        if height != width or height % 2 or channels_out != channels_in:
            raise ValueError(
                "`shape` must be [2s, 2s, C, C] for an upsampling by s. "
                f"Received: shape={tuple(shape)}. Give as many filters as input channels."
            )
        factor = height // 2
        line = 1.0 - np.abs(np.arange(height) - (factor - 0.5)) / factor
        kernel = np.multiply.outer(np.outer(line, line), np.eye(channels_in))
        return ops.convert_to_tensor(kernel, dtype=dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="wsss_tf")
class CropToPhoto(keras.layers.Layer):
    """Cuts rows and columns beyond the photo: (float [B, h, w, C], [B, H, W, 3]) -> [B, H, W, C].

    The extra ones are at the bottom and the right, where the pools round sizes up.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, scores, photo):
        _, height, width, _ = ops.shape(photo)
        return ops.cast(scores[:, :height, :width, :], "float32")

    def compute_output_spec(self, scores, photo):
        return keras.KerasTensor((*photo.shape[:3], scores.shape[-1]), "float32")


def fcn(
    num_classes: int,
    *,
    width: float = 1.0,
    field_of_view: str = "large",
    dropout: float = 0.5,
    seed: int = 0,
) -> keras.Model:
    """Builds the segmentation network on the dilated VGG-16, output stride 8.

    Args:
        num_classes: number of classes, background included; at least 2.
        width: multiplier of the channels of every layer but the classifier, in (0, 1].
        field_of_view: "small" (128 px) or "large" (224 px), the window that fc6 looks at.
        dropout: rate after fc6 and after fc7, in [0, 1).
        seed: of the random start and of dropout.

    Returns:
        A model, photo [B, H, W, 3] (uint8 or float RGB 0..255, any size) -> float32 logits
        [B, H, W, num_classes]. Its layers after the backbone are fc6, fc7, classifier, upsample.

    Raises:
        ValueError: an argument is out of its range.

    Source: Chen et al. 2015 (DeepLab, 4x4 and LargeFOV); Saleh et al., TPAMI 2017, Section 5.
    """
    _check(num_classes, field_of_view, dropout)
    head = HEADS[field_of_view]
    photo = vgg.photo_input()
    x = vgg.vgg16(photo, width=width, dilated=True, pool5=True, seed=seed)["pool5"]
    channels = vgg.scaled(head.channels, width)
    layer_seed = 1000 * seed + 100  # vgg16 takes the ones below.
    x = vgg.convolution(
        x, channels, head.kernel_size, name="fc6", dilation=head.dilation, seed=layer_seed
    )
    x = keras.layers.Dropout(dropout, seed=layer_seed + 1, name="fc6_dropout")(x)
    x = vgg.convolution(x, channels, 1, name="fc7", seed=layer_seed + 2)
    x = keras.layers.Dropout(dropout, seed=layer_seed + 3, name="fc7_dropout")(x)
    start = keras.initializers.RandomNormal(stddev=0.01, seed=layer_seed + 4)
    x = keras.layers.Conv2D(num_classes, 1, kernel_initializer=start, name="classifier")(x)
    x = keras.layers.Conv2DTranspose(
        num_classes,
        2 * STRIDE,
        strides=STRIDE,
        padding="same",
        use_bias=False,
        kernel_initializer=BilinearUpsampling(),
        name="upsample",
    )(x)
    return keras.Model(photo, CropToPhoto(name="logits")(x, photo), name="fcn")


def _check(num_classes: int, field_of_view: str, dropout: float) -> None:
    if num_classes < 2:
        raise ValueError(
            "`num_classes` must be 2 or more, background included. "
            f"Received: num_classes={num_classes}. Use `labels.num_classes`."
        )
    if field_of_view not in HEADS:
        raise ValueError(
            "`field_of_view` must be 'small' or 'large'. "
            f"Received: field_of_view={field_of_view!r}. 'large' has the fewer parameters."
        )
    if not 0.0 <= dropout < 1.0:
        raise ValueError(
            f"`dropout` must be in [0, 1). Received: dropout={dropout}. 0 switches it off."
        )

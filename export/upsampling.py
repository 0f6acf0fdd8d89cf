"""The network's transposed convolution in a form that onnxruntime works off faster."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.nets.fcn import STRIDE


def with_upsampling_by_phases(model: keras.Model) -> keras.Model:
    """The same network, its layer `upsample` done by `UpsamplingByPhases`.

    At 500 x 375 with 21 classes onnxruntime took 24 ms of 590 for the transposed convolution, which
    writes every product to memory before it adds them up, and takes 9 for this.

    Args:
        model: of `nets.fcn.fcn`.

    Returns:
        A model that shares all other layers, and whose logits differ by rounding alone.
    """
    upsample = UpsamplingByPhases(model.get_layer("upsample").kernel.numpy(), name="upsample")
    scores = upsample(model.get_layer("classifier").output)
    logits = model.get_layer("logits")(scores, model.input)
    return keras.Model(model.input, logits, name=model.name)


class UpsamplingByPhases(keras.layers.Layer):
    """float [B, h, w, C_in] -> float [B, 8h, 8w, C_out]: a convolution, then pixels put in place.

    A transposed convolution of stride s and kernel 2s gives each of the s * s phases of a pixel
    from the pixels around it by a small kernel of the phase's own: it is a plain 3x3 convolution to
    s * s * C_out channels.

    Args:
        kernel: float [2s, 2s, C_out, C_in] of a `Conv2DTranspose` with strides s = 8, padding
            "same" and no bias.
    """

    def __init__(self, kernel: NDArray[np.float32], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel = phase_kernel(kernel, STRIDE)

    def call(self, scores: tf.Tensor) -> tf.Tensor:
        phases = tf.nn.conv2d(scores, self._kernel, strides=1, padding="SAME")
        return tf.nn.depth_to_space(phases, STRIDE)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sides, _ = shape
        channels = self._kernel.shape[-1] // STRIDE**2
        return (batch, *(side and STRIDE * side for side in sides), channels)


def phase_kernel(kernel: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """float [2s, 2s, C_out, C_in] -> float [3, 3, C_in, s * s * C_out], phases row by row.

    Output y = s * q + p gets from input q + d what the transposed kernel has at p + s / 2 - s * d.
    """
    *_, channels_out, channels_in = kernel.shape
    phases = np.zeros((3, 3, channels_in, stride, stride, channels_out), kernel.dtype)
    places = [
        (phase, shift, place)
        for phase in range(stride)
        for shift in (-1, 0, 1)
        if 0 <= (place := phase + stride // 2 - stride * shift) < 2 * stride
    ]
    for row, down, y in places:
        for column, right, x in places:
            phases[down + 1, right + 1, :, row, column] = kernel[y, x].T
    return phases.reshape(3, 3, channels_in, -1)

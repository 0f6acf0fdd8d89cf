"""The spatial kernel of the dense CRF: an exact separable convolution."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

_RADIUS = 3.0
"""In standard deviations; what lies beyond weighs 0.3 % of the kernel."""


class SpatialTerm:
    """Message of a Gaussian kernel over positions, symmetrically normalised.

        m_i = weight * sum_j K_ij Q_j / sqrt(D_i D_j),  D_i = sum_j K_ij
        K_ij = exp(-|p_i - p_j|^2 / (2 sigma^2))

    Args:
        size: int32 [2], rows and columns of pixels, or of blocks.
        sigma: in pixels.
        weight: of the message.
        block: side of a block that shares one Q, in pixels; at most 2 sigma. 1 for pixels.

    Source: Krähenbühl and Koltun, NIPS 2011, Eq. 3; the normalisation is that of their code.
    """

    def __init__(self, size: tf.Tensor, *, sigma: float, weight: float, block: int = 1) -> None:
        self._taps = tf.constant(_taps(sigma, block), tf.float32)
        self._size = size
        rows, columns = tf.sqrt(self._inverse_degree(size[0])), self._inverse_degree(size[1])
        scale = rows[:, None] * tf.sqrt(columns)
        self._scale = math.sqrt(weight) * scale[None, :, :, None]

    def __call__(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The message to each pixel: float32 [N, L] -> float32 [N, L], N = rows * columns."""
        labels = tf.shape(probabilities)[-1]
        grid = tf.reshape(probabilities, [1, self._size[0], self._size[1], labels])
        taps = tf.repeat(self._taps[:, None, None], labels, axis=1)
        grid = tf.nn.depthwise_conv2d(grid * self._scale, taps[:, None], [1] * 4, "SAME")
        grid = tf.nn.depthwise_conv2d(grid, taps[None], [1] * 4, "SAME") * self._scale
        return tf.reshape(grid, tf.shape(probabilities))

    def _inverse_degree(self, length: tf.Tensor) -> tf.Tensor:
        """1 / D along one axis: float32 [length]."""
        line = tf.ones([1, length, 1])
        return 1.0 / tf.nn.conv1d(line, self._taps[:, None, None], 1, "SAME")[0, :, 0]


def _taps(sigma: float, block: int) -> np.ndarray:
    """The kernel between blocks of one line, by how many blocks they are apart.

    Taking the mean over a block and giving its pixels one value each widen a kernel by the
    variance of a block, (block^2 - 1) / 12; a narrower one makes up for it.
    """
    variance = sigma**2 - (block**2 - 1) / 6
    radius = max(1, math.ceil(_RADIUS * sigma / block))
    return np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) * block) / variance)

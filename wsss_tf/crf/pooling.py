"""Square blocks of pixels: their colours, places and shares of the spatial kernel.

Whatever decides an order later (see `groups`) is made of sums of integers here, which floating
point holds exactly: then TensorFlow and onnxruntime, which add in different orders, agree on it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

_BLOCKS = 12_288
"""How many blocks a photo should have, while a block is at most `_LARGEST_SIDE` pixels wide."""

_LARGEST_SIDE = 4.0
_MOST_BLOCKS = 80_000
"""Bounds memory: the blocks of photos above 1.3 megapixels are wider than `_LARGEST_SIDE`."""

_SMALLEST_SIGMA = 0.5
"""Of a pixel or a level. Squared features in float32 lose the exponents of narrower kernels."""

_COLOR_SCALES = (3**-0.5, 2**-0.5, 6**-0.5)
_MID_LUMA = 382.5


class Blocks(NamedTuple):
    """What the bilateral kernel knows of G blocks, in units of its sigmas; all float64.

    Attributes:
        features: [G, 5], means of x, y and three opponent colours.
        spreads: [G, 5], their variances inside the block.
        counts: [G], pixels.
    """

    features: tf.Tensor
    spreads: tf.Tensor
    counts: tf.Tensor


def side_of_blocks(shape: tf.Tensor, widest: float) -> tf.Tensor:
    """Pixels along the side of a block, int32 scalar: 1 in small photos, 4 at 500 x 375.

    Args:
        shape: int32 [2] or longer, height and width first.
        widest: what the side should not exceed, in pixels, where memory allows.
    """
    pixels = tf.cast(shape[0], tf.float32) * tf.cast(shape[1], tf.float32)
    largest = max(1.0, math.floor(min(_LARGEST_SIDE, widest)))
    fine = tf.clip_by_value(tf.round(tf.sqrt(pixels / _BLOCKS)), 1.0, largest)
    return tf.cast(tf.maximum(fine, tf.math.ceil(tf.sqrt(pixels / _MOST_BLOCKS))), tf.int32)


def sum_blocks(values: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Sums over the pixels of each block: [H, W, C] -> [ceil(H / side), ceil(W / side), C]."""
    height, width, channels = tf.unstack(tf.shape(values))
    down, across = blocks_along(height, side), blocks_along(width, side)
    missing = [[0, down * side - height], [0, across * side - width], [0, 0]]
    padded = tf.reshape(tf.pad(values, missing), [down, side, across * side * channels])
    lines = tf.reshape(tf.reduce_sum(padded, axis=1), [down, across, side, channels])
    return tf.reduce_sum(lines, axis=2)


def mean_blocks(values: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Means over the pixels of each block, like `sum_blocks`."""
    return sum_blocks(values, side) / count_blocks(tf.shape(values)[0], tf.shape(values)[1], side)


def count_blocks(height: tf.Tensor, width: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Pixels of each block, float32 [h, w, 1]: fewer at the lower and right edge."""
    return (_counts_along(height, side)[:, None] * _counts_along(width, side))[..., None]


def opponent_colors(photo: Any) -> tf.Tensor:
    """Integers and halves, float32 [..., 3]: luma and two differences, at right angles.

    Rotating the colours does not change the kernel, and luma is where those of a surface spread.
    """
    red, green, blue = tf.unstack(tf.cast(photo, tf.float32), axis=-1)
    luma = red + green + blue - _MID_LUMA
    return tf.stack([luma, red - blue, red - 2.0 * green + blue], axis=-1)


def pooled_blocks(
    photo: Any, side: tf.Tensor, bilateral_sigma: float, color_sigma: float
) -> Blocks:
    """The blocks of a photo, uint8 [H, W, 3]."""
    height, width = tf.unstack(tf.shape(photo)[:2])
    counts = tf.cast(count_blocks(height, width, side), tf.float64)
    colors = opponent_colors(photo)
    moments = tf.concat([colors, tf.square(colors)], axis=-1)
    moments = tf.cast(sum_blocks(moments, side), tf.float64) / counts
    color, squares = moments[..., :3], moments[..., 3:]
    x, x_spread = _places_along(width, side)
    y, y_spread = _places_along(height, side)
    places = tf.stack(tf.meshgrid(x, y), axis=-1)
    place_spreads = tf.stack(tf.meshgrid(x_spread, y_spread), axis=-1)
    scales = tf.constant(feature_scales(bilateral_sigma, color_sigma), tf.float64)
    features = tf.concat([places, color], axis=-1) * scales
    spreads = tf.concat([place_spreads, squares - tf.square(color)], axis=-1)
    spreads = tf.nn.relu(spreads) * tf.square(scales)
    flat = tf.reshape(features, [-1, 5]), tf.reshape(spreads, [-1, 5]), tf.reshape(counts, [-1])
    return Blocks(*flat)


def pixel_features(photo: Any, bilateral_sigma: float, color_sigma: float) -> tf.Tensor:
    """What `Blocks.features` are the means of, float32 [H * W, 5]."""
    height, width = tf.unstack(tf.shape(photo)[:2])
    places = tf.stack(tf.meshgrid(_centred(width), _centred(height)), axis=-1)
    features = tf.concat([places, opponent_colors(photo)], axis=-1)
    return tf.reshape(features, [-1, 5]) * feature_scales(bilateral_sigma, color_sigma)


def feature_scales(bilateral_sigma: float, color_sigma: float) -> list[float]:
    """From pixels and opponent colours to sigmas of the kernel."""
    place = 1.0 / max(bilateral_sigma, _SMALLEST_SIGMA)
    return [place, place] + [s / max(color_sigma, _SMALLEST_SIGMA) for s in _COLOR_SCALES]


def spatial_kernel(size: tf.Tensor, side: tf.Tensor, sigma: float) -> tf.Tensor:
    """One axis of the spatial kernel from blocks to pixels, float32 [size, ceil(size / side)].

    Its symmetric normalisation is that of pixels. The kernel of a photo is the product of both
    axes', and a block sends the same to all pixels as they would, had they all its marginals.
    """
    place = tf.range(tf.cast(size, tf.float32))
    kernel = tf.exp(-0.5 * tf.square((place[:, None] - place) / sigma))
    scale = tf.math.rsqrt(tf.reduce_sum(kernel, axis=1))
    kernel *= scale[:, None] * scale
    return _sum_along(kernel, side)


def mean_rows(rows: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """The same kernel between blocks: [size, n] -> float32 [n, n]."""
    size, blocks = tf.unstack(tf.shape(rows))
    padded = tf.pad(rows, [[0, blocks * side - size], [0, 0]])
    sums = tf.reduce_sum(tf.reshape(padded, [blocks, side, blocks]), axis=1)
    return sums / _counts_along(size, side)[:, None]


def _sum_along(values: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Sums over the blocks of the last axis: [m, size] -> [m, ceil(size / side)]."""
    size = tf.shape(values)[1]
    blocks = blocks_along(size, side)
    padded = tf.pad(values, [[0, 0], [0, blocks * side - size]])
    return tf.reduce_sum(tf.reshape(padded, [-1, blocks, side]), axis=2)


def blocks_along(size: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """How many blocks lie along one axis, the last one perhaps smaller."""
    return (size + side - 1) // side


def _counts_along(size: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Pixels of each block along one axis, float32."""
    first = tf.range(blocks_along(size, side)) * side
    return tf.cast(tf.minimum(size - first, side), tf.float32)


def _centred(size: tf.Tensor) -> tf.Tensor:
    """Places of pixels, 0 in the middle, float32."""
    return tf.range(tf.cast(size, tf.float32)) - 0.5 * tf.cast(size, tf.float32)


def _places_along(size: tf.Tensor, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of the places of each block's pixels along one axis, float64."""
    counts = tf.cast(_counts_along(size, side), tf.float64)
    first = tf.cast(tf.range(blocks_along(size, side)) * side, tf.float64)
    middle = first + 0.5 * (counts - 1.0) - 0.5 * tf.cast(size, tf.float64)
    return middle, (tf.square(counts) - 1.0) / 12.0

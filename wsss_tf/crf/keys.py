"""Points of an integer grid as single int64 keys, for `tf.unique`."""

from __future__ import annotations

import tensorflow as tf

TOO_MANY = (
    "`bilateral_sigma` and `color_sigma` must be larger for a photo of this size. "
    "Received: a kernel with more grid points than 62 bits can number."
)
_LARGEST = 2.0**62


def place_values(radices: list[tf.Tensor]) -> list[tf.Tensor]:
    """What a step of 1 in each digit adds to a key: scalars int64, 1 for the first digit.

    Args:
        radices: scalars int64, how many values each digit takes.

    Raises:
        tf.errors.InvalidArgumentError: where the digits do not fit 62 bits.
    """
    product = tf.reduce_prod([tf.cast(radix, tf.float64) for radix in radices])
    with tf.control_dependencies(
        [tf.debugging.assert_less(product, tf.constant(_LARGEST, tf.float64), TOO_MANY)]
    ):
        values = [tf.ones([], tf.int64)]
    for radix in radices[:-1]:
        values.append(values[-1] * radix)
    return values

"""Pixels that are near in position and colour, taken as one point of the bilateral kernel."""

from __future__ import annotations

import tensorflow as tf

from wsss_tf.crf.keys import place_values


class ColorCells:
    """Points grouped by the cell of a regular grid that they fall into.

    Args:
        features: float32 [d, N].
        side: of a cell, in the unit of the features.
    """

    features: tf.Tensor
    """float32 [d, n], the mean of each cell's points."""
    counts: tf.Tensor
    """float32 [n], how many points each cell has."""

    def __init__(self, features: tf.Tensor, side: float) -> None:
        digits = [tf.cast(tf.round(row / side), tf.int64) for row in tf.unstack(features)]
        lows = [tf.reduce_min(digit) for digit in digits]
        radices = [tf.reduce_max(d) - low + 1 for d, low in zip(digits, lows, strict=True)]
        places = place_values(radices)
        keys = tf.add_n([(d - low) * p for d, low, p in zip(digits, lows, places, strict=True)])
        found, self._cell = tf.unique(keys)
        self._points = tf.size(keys, out_type=tf.int64)
        self._number = tf.size(found, out_type=tf.int64)
        self._members = self.members(tf.range(self._points), self._points)
        self.counts = self.sum(tf.ones([self._points, 1]))[:, 0]
        self.features = tf.transpose(self.sum(tf.transpose(features)) / self.counts[:, None])

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over each cell's points: float32 [N, C] -> float32 [n, C]."""
        return tf.sparse.sparse_dense_matmul(self._members, values, adjoint_a=True)

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """Each point takes its cell's value: float32 [n, C] -> float32 [N, C]."""
        return tf.gather(values, self._cell)

    def members(self, groups: tf.Tensor, number: tf.Tensor) -> tf.SparseTensor:
        """How many points of a group lie in a cell: float32 [number, n].

        On a CPU products with such a matrix add four times as fast as segment sums do.

        Args:
            groups: int64 [N], the group of each point, from 0 to number - 1.
            number: int64, how many groups there are.
        """
        indices = tf.stack([groups, tf.cast(self._cell, tf.int64)], axis=1)
        return tf.SparseTensor(indices, tf.ones([self._points]), tf.stack([number, self._number]))

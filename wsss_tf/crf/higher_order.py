"""The region term of the dense CRF: P^n-Potts over any number of overlapping layers of regions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_SMALLEST = 8.8e-27
"""Stands for a probability below it, exp(-60).

A product with such a factor counts as 0 anyway, and the factor divides out again in float32.
"""

_ID_RANGE = 2**31
"""Region ids are int32, so that layer and id make one int64."""


class RegionTerm:
    """Message of the regions: it favours one label for all pixels of a region.

    The cost of a region s is theta_s(l) = -log mean_{i in s} P_i(l) where all its pixels have the
    label l, and `max_cost` otherwise (Eq. 8). Under mean field that adds to the logits of pixel i,
    for each region s that holds it,

        plain:   b_s(l) prod_{j in s, j != i} Q_j(l)
        robust:  b_s(l) mean_{j in s} Q_j(l),   b_s(l) = weight max(0, max_cost - theta_s(l))

    "plain" is the paper's. Its product is 0 in a large region until nearly every pixel is certain,
    which then is settled without it. "robust" acts from the start, as a Potts term between all
    pairs of pixels of a region does, but it pays for every pixel what Eq. 8 pays once. So the first
    half of the iterations is robust and the rest is plain.

    Args:
        regions: integer [layers, H, W]; each layer parts the photo into regions by ids of any
            values from 0 to 2^31 - 1. Memory grows with the regions that are there, not with ids.
        probabilities: float [H, W, L], P of Eq. 8.
        weight: of the term, 0 or more.
        max_cost: above 0, in nats. None is log(L): a region where P says nothing (1 / L) then has
            no pull, and it is the least value at which the likeliest label of every region costs
            no more than a mixture does.
        robust_share: 0..1, the share of the iterations that is robust. 0 is the paper's form.

    Source: Saleh et al., TPAMI 2017, Eq. 8; Vineet, Warrell and Torr, IJCV 2014, for its message.
    """

    def __init__(
        self,
        regions: Any,
        probabilities: Any,
        *,
        weight: float = 1.0,
        max_cost: float | None = None,
        robust_share: float = 0.5,
    ) -> None:
        ids = tf.cast(regions, tf.int64)
        ids = tf.reshape(ids, [tf.shape(ids)[0], tf.shape(ids)[1] * tf.shape(ids)[2]])
        labels = tf.shape(probabilities)[-1]
        probabilities = tf.cast(tf.reshape(probabilities, [-1, labels]), tf.float32)
        self._robust_share = robust_share
        self._piece, count = _pieces(ids)
        pixels = tf.range(tf.size(self._piece, out_type=tf.int64))
        shape = [tf.size(pixels, out_type=tf.int64), count]
        self._pixels_of_pieces = _indicator(pixels, self._piece, shape)
        self._pieces_of_regions = _incidence(ids, self._piece, count)
        sizes = self._sum(tf.ones_like(probabilities[:, :1]))
        self._shares = 1.0 / sizes
        means = tf.maximum(self._sum(probabilities) * self._shares, _SMALLEST)
        highest = tf.math.log(tf.cast(labels, tf.float32)) if max_cost is None else max_cost
        self._benefits = weight * tf.nn.relu(highest + tf.math.log(means))

    def message(self, probabilities: tf.Tensor, progress: Any = 1.0) -> tf.Tensor:
        """What the regions add to the logits of each pixel.

        Args:
            probabilities: float32 [N, L], Q, N = H * W.
            progress: in (0, 1], the number of this iteration, from 1, over that of all.

        Returns:
            float32 [N, L], from 0 to `weight * max_cost` for each layer.
        """
        return tf.cond(
            tf.cast(progress, tf.float32) <= self._robust_share,
            lambda: self._robust(probabilities),
            lambda: self._plain(probabilities),
        )

    def _plain(self, probabilities: tf.Tensor) -> tf.Tensor:
        """All regions of a pixel share the division by its own Q, which a product leaves out."""
        probabilities = tf.maximum(probabilities, _SMALLEST)
        products = tf.exp(self._sum(tf.math.log(probabilities)))
        return self._spread(self._benefits * products) / probabilities

    def _robust(self, probabilities: tf.Tensor) -> tf.Tensor:
        return self._spread(self._benefits * self._shares * self._sum(probabilities))

    def _sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over the pixels of each region: [N, L] -> [regions of all layers, L].

        By way of the pieces: there are few, so that the pixels are read once for all layers.
        """
        pieces = tf.sparse.sparse_dense_matmul(self._pixels_of_pieces, values, adjoint_a=True)
        return tf.sparse.sparse_dense_matmul(self._pieces_of_regions, pieces, adjoint_a=True)

    def _spread(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over the regions of each pixel: [regions of all layers, L] -> [N, L]."""
        pieces = tf.sparse.sparse_dense_matmul(self._pieces_of_regions, values)
        return tf.gather(pieces, self._piece)


def _pieces(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parts the photo into pieces that no layer parts: those of [layers, N] as int32 [N], count."""

    def part(piece: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
        return tf.unique(piece * _ID_RANGE + layer, out_idx=tf.int64).idx

    piece = tf.foldl(part, ids, tf.zeros(tf.shape(ids)[1], tf.int64))
    return piece, tf.reduce_max(piece) + 1


def _incidence(ids: tf.Tensor, piece: tf.Tensor, count: tf.Tensor) -> tf.sparse.SparseTensor:
    """Which regions hold each piece: 0 and 1, [pieces, regions of all layers]."""
    pixels = tf.range(tf.size(piece, out_type=tf.int64))
    first = tf.math.unsorted_segment_min(pixels, piece, count)
    layers = tf.range(tf.shape(ids, out_type=tf.int64)[0])
    keys = layers * _ID_RANGE + tf.gather(tf.transpose(ids), first)
    named, regions = tf.unique(tf.reshape(keys, [-1]), out_idx=tf.int64)
    return _indicator(
        tf.repeat(tf.range(count), tf.size(layers)),
        regions,
        [count, tf.size(named, out_type=tf.int64)],
    )


def _indicator(rows: tf.Tensor, columns: tf.Tensor, shape: Any) -> tf.sparse.SparseTensor:
    """1 at each (row, column), float32. Its products sum faster than segment sums do."""
    return tf.sparse.SparseTensor(
        tf.stack([rows, columns], axis=1),
        tf.ones_like(rows, tf.float32),
        tf.cast(tf.stack(shape), tf.int64),
    )

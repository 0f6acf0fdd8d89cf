"""The region term of the dense CRF: P^n-Potts over any number of overlapping layers of regions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

SMALLEST = 8.8e-27
"""Stands for a probability below it, exp(-60).

A product with such a factor counts as 0 anyway, and the factor divides out again in float32.
"""

ID_RANGE = 2**31
"""Region ids are int32, so that a piece or a layer and an id make one int64."""


class RegionTerm:
    """Message of the regions: it favours one label for all pixels of a region.

    The cost of a region s is theta_s(l) = -log mean_{i in s} P_i(l) where all its pixels have the
    label l, and `max_cost` otherwise (Eq. 8). What that adds to the logits of a pixel i is, for
    each region s that holds it, b_s(l) = weight max(0, max_cost - theta_s(l)) times

        prod_{j in s, j != i} Q_j(l)                               plain, `tolerance` = 0
        max(0, 1 - max(0, D_s(l) - 1) / (tolerance N_s))           robust

    with D_s(l) = sum_{j in s} (1 - Q_j(l)), the pixels expected to dissent. "plain" is the mean
    field of Eq. 8. Its product is 0 in a large region as soon as two pixels are sure of another
    label, so it changes some 0.005 % of the pixels of photos of 500x375. "robust" falls linearly
    with the share that dissents, as the robust P^n-Potts does. The one pixel that it leaves free is
    the i that "plain" leaves out: where Q is certain, both give a lone dissenter the same.

    With a tolerance of 1 and a start of 0, the defaults, every region speaks from the first update
    on, for each label by the share of its pixels that agree. Of weights 1, 3 and 10, tolerances
    0.03 to 1 and starts 0 to 0.8 these, at weight 1, had the best mean over the masks of two runs
    on generated scenes, whose truth costs nobody a label; one of the two runs was a little better
    without regions. A tolerance of 0.03 from 0.8 on gives up the least energy for regions made
    uniform, but changes next to nothing. While choosing, masks of 30 photos were scored with
    some of these settings too. tests/benchmarks/region_masks.py has the figures.

    Args:
        regions: integer [layers, H, W]; each layer parts the photo into regions by ids of any
            values from 0 to 2^31 - 1. Memory grows with the regions that are there, not with ids.
        probabilities: float [H, W, L], P of Eq. 8.
        weight: of the term, 0 or more.
        max_cost: above 0, in nats. None is log(L): a region where P says nothing (1 / L) then has
            no pull, and it is the least value at which the likeliest label of every region costs
            no more than a mixture does.
        tolerance: 0..1, the share of dissent at which a robust message ends; 0 is the plain form.
        start: 0..1, the share of the iterations before the regions' first. 0 and a tolerance of 0
            are Eq. 8 as printed.

    Source: Saleh et al., TPAMI 2017, Eq. 8; Vineet, Warrell and Torr, IJCV 2014, for its message;
    Kohli, Ladicky and Torr, IJCV 2009, for the robust cost.
    """

    def __init__(
        self,
        regions: Any,
        probabilities: Any,
        *,
        weight: float = 1.0,
        max_cost: float | None = None,
        tolerance: float = 1.0,
        start: float = 0.0,
    ) -> None:
        ids = tf.cast(regions, tf.int64)
        ids = tf.reshape(ids, [tf.shape(ids)[0], tf.shape(ids)[1] * tf.shape(ids)[2]])
        labels = tf.shape(probabilities)[-1]
        probabilities = tf.cast(tf.reshape(probabilities, [-1, labels]), tf.float32)
        self._tolerance = tolerance
        self._start = start
        self._piece, count = _pieces(ids)
        pixels = tf.range(tf.size(self._piece, out_type=tf.int64))
        shape = [tf.size(pixels, out_type=tf.int64), count]
        self._pixels_of_pieces = _indicator(pixels, self._piece, shape)
        self._pieces_of_regions = _incidence(ids, self._piece, count)
        self._sizes = self._sum(tf.ones_like(probabilities[:, :1]))
        means = self._sum(probabilities) / self._sizes
        self._benefits = region_benefits(means, weight=weight, max_cost=max_cost)

    def message(self, probabilities: tf.Tensor, progress: Any = 1.0) -> tf.Tensor:
        """What the regions add to the logits of each pixel.

        Args:
            probabilities: float32 [N, L], Q, N = H * W.
            progress: in (0, 1], the number of this iteration, from 1, over that of all.

        Returns:
            float32 [N, L], from 0 to `weight * max_cost` for each layer; 0 up to `start`.
        """
        speak = self._robust if self._tolerance else self._plain
        return tf.cond(
            tf.cast(progress, tf.float32) > self._start,
            lambda: speak(probabilities),
            lambda: tf.zeros_like(probabilities),
        )

    def _plain(self, probabilities: tf.Tensor) -> tf.Tensor:
        """All regions of a pixel share the division by its own Q, which a product leaves out."""
        probabilities = tf.maximum(probabilities, SMALLEST)
        products = tf.exp(self._sum(tf.math.log(probabilities)))
        return self._spread(self._benefits * products) / probabilities

    def _robust(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Dissent is summed, not agreement: float32 keeps a small sum exact in a large region."""
        dissent = tf.nn.relu(self._sum(1.0 - probabilities) - 1.0)
        agreement = tf.nn.relu(1.0 - dissent / (self._tolerance * self._sizes))
        return self._spread(self._benefits * agreement)

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


def region_benefits(means: tf.Tensor, *, weight: float, max_cost: float | None) -> tf.Tensor:
    """b_s(l) of `RegionTerm` from the means of P over regions: float32 [R, L] -> float32 [R, L]."""
    labels = tf.cast(tf.shape(means)[1], tf.float32)
    highest = tf.math.log(labels) if max_cost is None else max_cost
    return weight * tf.nn.relu(highest + tf.math.log(tf.maximum(means, SMALLEST)))


def _pieces(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parts the photo into pieces that no layer parts: those of [layers, N] as int64 [N], count."""

    def part(piece: tf.Tensor, layer: tf.Tensor) -> tf.Tensor:
        return tf.unique(piece * ID_RANGE + layer, out_idx=tf.int64).idx

    piece = tf.foldl(part, ids, tf.zeros(tf.shape(ids)[1], tf.int64))
    return piece, tf.reduce_max(piece) + 1


def _incidence(ids: tf.Tensor, piece: tf.Tensor, count: tf.Tensor) -> tf.sparse.SparseTensor:
    """Which regions hold each piece: 0 and 1, [pieces, regions of all layers]."""
    pixels = tf.range(tf.size(piece, out_type=tf.int64))
    first = tf.math.unsorted_segment_min(pixels, piece, count)
    layers = tf.range(tf.shape(ids, out_type=tf.int64)[0])
    keys = layers * ID_RANGE + tf.gather(tf.transpose(ids), first)
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

"""The region term of mode `dense`: P^n-Potts over blocks, by dense products only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from wsss_tf.crf.higher_order import ID_RANGE, SMALLEST, region_benefits
from wsss_tf.crf.pooling import blocks_along, mean_blocks
from wsss_tf.crf.settings import CrfSettings


class BlockRegions:
    """The messages of `higher_order.RegionTerm`, from blocks to blocks and from blocks to pixels.

    A block lies in a region with the share of its pixels that do. Where blocks are single pixels,
    in photos of less than 27,000, both give the same. Memory is blocks times the regions of all
    layers in float32: 50 MB for 1,000 regions at 500 x 375.

    Args:
        regions: int [layers, H, W], ids of at least 0.
        probabilities: float [H, W, L], P of Eq. 8.
        side: int32, of the blocks.
        settings: weight, highest cost, tolerance and start of the term.

    Source: Saleh et al., TPAMI 2017, Eq. 8; Vineet, Warrell and Torr, IJCV 2014, for its message.
    """

    def __init__(
        self,
        regions: Any,
        probabilities: Any,
        side: tf.Tensor,
        settings: CrfSettings,
    ) -> None:
        self._tolerance = settings.region_tolerance
        self._start = settings.region_start
        self._ids, count = _numbered(regions)
        self._pixels = _pixels_of(self._ids, side, count)
        self._block_of_pixel = _block_of_pixel(tf.shape(self._ids), side)
        block_sizes = tf.reduce_sum(self._pixels, axis=1, keepdims=True)
        layers = tf.cast(tf.shape(self._ids)[0], tf.float32)
        self._inside = self._pixels / (block_sizes / layers)
        self._sizes = tf.reduce_sum(self._pixels, axis=0)[:, None]
        labels = tf.shape(probabilities)[2]
        blocks = mean_blocks(tf.cast(probabilities, tf.float32), side)
        means = self._sum(tf.reshape(blocks, [-1, labels])) / self._sizes
        self._benefits = region_benefits(
            means, weight=settings.region_weight, max_cost=settings.region_max_cost
        )

    def to_blocks(self, q: tf.Tensor, progress: tf.Tensor) -> tf.Tensor:
        """What the regions add to the logits of each block.

        Args:
            q: float32 [blocks, L].
            progress: in (0, 1], the number of this iteration, from 1, over that of all.

        Returns:
            float32 [blocks, L].
        """
        q = tf.maximum(q, SMALLEST)
        spoken = tf.matmul(self._inside, self._of_regions(q))
        if not self._tolerance:
            spoken /= q
        return tf.where(progress > self._start, spoken, 0.0)

    def to_pixels(self, q: tf.Tensor) -> tf.Tensor:
        """The same for each pixel in the last iteration, float32 [H * W, L]."""
        q = tf.maximum(q, SMALLEST)
        spoken = self._spread(self._of_regions(q))
        if not self._tolerance:
            spoken /= tf.gather(q, self._block_of_pixel)
        return spoken if self._start < 1 else tf.zeros_like(spoken)

    def _of_regions(self, q: tf.Tensor) -> tf.Tensor:
        """What each region says, [regions, L]; the plain form still has the pixel's own factor."""
        if not self._tolerance:
            return self._benefits * tf.exp(self._sum(tf.math.log(q)))
        dissent = tf.nn.relu(self._sum(1.0 - q) - 1.0)
        return self._benefits * tf.nn.relu(1.0 - dissent / (self._tolerance * self._sizes))

    def _sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over the pixels of each region: [blocks, L] -> [regions, L]."""
        return tf.matmul(self._pixels, values, transpose_a=True)

    def _spread(self, values: tf.Tensor) -> tf.Tensor:
        """Sums over the regions of each pixel: [regions, L] -> [H * W, L]."""
        flat = tf.reshape(self._ids, [tf.shape(self._ids)[0], -1])
        return tf.reduce_sum(tf.gather(values, flat), axis=0)


def _numbered(regions: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Numbers from 0 without gaps in place of ids, over all layers: int32, and how many."""
    ids = tf.cast(regions, tf.int64)
    layers = tf.range(tf.shape(ids, out_type=tf.int64)[0])
    keys = tf.reshape(ids + ID_RANGE * layers[:, None, None], [-1])
    named, numbers = tf.unique(keys)
    return tf.reshape(numbers, tf.shape(ids)), tf.size(named)


def _pixels_of(ids: tf.Tensor, side: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """How many pixels of each block each region holds, float32 [blocks, regions]."""
    layers, height, width = tf.unstack(tf.shape(ids))
    down, across = blocks_along(height, side), blocks_along(width, side)
    missing = [[0, 0], [0, down * side - height], [0, across * side - width]]
    padded = tf.pad(ids, missing, constant_values=-1)  # -1 is in no column of a one-hot matrix.
    split = tf.reshape(padded, [layers, down, side, across, side])
    places = tf.reshape(tf.transpose(split, [0, 2, 4, 1, 3]), [-1, down * across])
    return tf.foldl(
        lambda total, place: total + tf.one_hot(place, count),
        places,
        tf.zeros(tf.stack([down * across, count])),
        parallel_iterations=1,
    )


def _block_of_pixel(shape: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """int32 [H * W]."""
    across = blocks_along(shape[2], side)
    rows, columns = tf.range(shape[1]) // side, tf.range(shape[2]) // side
    return tf.reshape(rows[:, None] * across + columns, [-1])

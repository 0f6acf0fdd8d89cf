"""Square blocks of pixels, on which the first iterations of mode `fast` run."""

from __future__ import annotations

import tensorflow as tf


class Blocks:
    """The grid of blocks of side 2^level over a photo; those at its far edges may be cut off.

    Args:
        size: int32 [2], height and width of the photo in pixels.
        level: how often the side is doubled, from 0.
    """

    side: int
    """Of a block, in pixels."""
    size: tf.Tensor
    """int32 [2], rows and columns of blocks."""
    number: tf.Tensor
    """int64, how many there are."""

    def __init__(self, size: tf.Tensor, level: int) -> None:
        self._pixels = size
        self._level = level
        self.side = 2**level
        self.size = -(-size // self.side)
        self.number = tf.cast(tf.reduce_prod(self.size), tf.int64)

    @property
    def of_pixels(self) -> tf.Tensor:
        """int64 [H * W], the number of each pixel's block."""
        rows, columns = (tf.range(self._pixels[axis]) // self.side for axis in (0, 1))
        return tf.cast(tf.reshape(rows[:, None] * self.size[1] + columns, [-1]), tf.int64)

    @property
    def counts(self) -> tf.Tensor:
        """float32 [number], how many pixels each block has."""
        heights, widths = (
            tf.minimum(self.side, self._pixels[axis] - self.side * tf.range(self.size[axis]))
            for axis in (0, 1)
        )
        return tf.cast(tf.reshape(heights[:, None] * widths, [-1]), tf.float32)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Over the pixels of each block: float32 [H, W, C] -> float32 [number, C].

        A block that the edge cuts off repeats its last row or column.
        """
        for _ in range(self._level):
            values = _halve(values)
        return tf.reshape(values, [-1, tf.shape(values)[-1]])

    def spread(self, values: tf.Tensor, finer: Blocks) -> tf.Tensor:
        """Finer blocks take the value of theirs: [number, C] -> [finer.number, C]."""
        channels = tf.shape(values)[-1]
        times = self.side // finer.side
        grid = tf.reshape(values, [self.size[0], self.size[1], channels])
        grid = tf.repeat(tf.repeat(grid, times, axis=1), times, axis=0)
        return tf.reshape(grid[: finer.size[0], : finer.size[1]], [-1, channels])


def _halve(grid: tf.Tensor) -> tf.Tensor:
    """Means of 2 x 2 values; an odd edge counts twice. Four slices beat `avg_pool2d` on a CPU."""
    odd = tf.shape(grid)[:2] % 2
    grid = tf.pad(grid, [[0, odd[0]], [0, odd[1]], [0, 0]], "SYMMETRIC")
    return 0.25 * tf.add_n([grid[a::2, b::2] for a in (0, 1) for b in (0, 1)])

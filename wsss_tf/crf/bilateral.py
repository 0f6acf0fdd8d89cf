"""The bilateral kernel of the dense CRF, filtered on a permutohedral lattice over colour cells."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wsss_tf.crf.blocks import Blocks
from wsss_tf.crf.color_cells import ColorCells
from wsss_tf.crf.lattice import PermutohedralLattice
from wsss_tf.crf.mean_field import Message

_SMALLEST = 1e-20
"""Keeps the degree of a point positive should its vertices round to weight 0."""

_STRETCH = ((5.0, 13.0), (1.02, 1.04))
"""Stretch of the features by color_sigma. The lattice's kernel has the right variance over the
whole space, but pixels lie near a surface in it, along which its kernel is wider than the Gaussian.
A narrow kernel also loses some width, to neighbours that a sparse lattice lacks. Found by the error
against exact messages on eight photos, and against exact mean field on five."""


class BilateralTerm:
    """Message of a Gaussian kernel over positions and colours, symmetrically normalised.

        m_i = weight * sum_j K_ij Q_j / sqrt(D_i D_j),  D_i = sum_j K_ij
        K_ij = exp(-|p_i - p_j|^2 / (2 sigma^2) - |c_i - c_j|^2 / (2 color_sigma^2))

    Pixels that are near in position and colour form a cell, which enters the lattice as one point
    that counts for all of them: a third to a tenth of the points, for a change of the result
    smaller than the lattice's own error.

    Args:
        photo: uint8 [H, W, 3].
        sigma: of positions, in pixels.
        color_sigma: in grey levels of 0..255.
        weight: of the message.
        cell: side of a cell, in standard deviations.

    Source: Krähenbühl and Koltun, NIPS 2011, Eq. 3; the normalisation is that of their code.
    """

    def __init__(
        self, photo: tf.Tensor, *, sigma: float, color_sigma: float, weight: float, cell: float
    ) -> None:
        self._size = tf.shape(photo)[:2]
        self._cells = ColorCells(bilateral_features(photo, sigma, color_sigma), cell)
        stretch = float(np.interp(color_sigma, *_STRETCH))
        lattice = PermutohedralLattice(self._cells.features, stretch=stretch)
        degrees = lattice.filter()(self._cells.counts[:, None])[:, 0]
        self._filter = lattice.filter(tf.sqrt(weight / tf.maximum(degrees, _SMALLEST)))

    def __call__(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The message to each pixel: float32 [N, L] -> float32 [N, L], N = H * W."""
        return self._cells.spread(self._filter(self._cells.sum(probabilities)))

    def between(self, blocks: Blocks) -> BlockMessages:
        """The messages of blocks of pixels, all of which have their block's Q."""
        pixels = Blocks(self._size, 0)
        members = self._cells.members(blocks.of(pixels), blocks.number)
        return BlockMessages(self._cells, self._filter, members, 1.0 / blocks.counts)


class BlockMessages:
    """A `BilateralTerm` between blocks, exact but that a block's pixels share one Q.

    Args:
        cells: of the pixels.
        between_cells: from float32 [n, L], sums over cells, to the message that each cell gets.
        members: float32 [blocks, n], how many pixels of a block lie in a cell.
        shares: float32 [blocks], 1 over the number of pixels.
    """

    def __init__(
        self,
        cells: ColorCells,
        between_cells: Message,
        members: tf.SparseTensor,
        shares: tf.Tensor,
    ) -> None:
        self._cells = cells
        self._between_cells = between_cells
        self._members = members
        self._shares = shares

    def __call__(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The mean message to a block's pixels: float32 [blocks, L] -> float32 [blocks, L]."""
        sums = tf.sparse.sparse_dense_matmul(self._members, self._to_cells(probabilities))
        return sums * self._shares[:, None]

    def to_pixels(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The message to each pixel: float32 [blocks, L] -> float32 [H * W, L]."""
        return self._cells.spread(self._to_cells(probabilities))

    def _to_cells(self, probabilities: tf.Tensor) -> tf.Tensor:
        sums = tf.sparse.sparse_dense_matmul(self._members, probabilities, adjoint_a=True)
        return self._between_cells(sums)


def bilateral_features(photo: tf.Tensor, sigma: float, color_sigma: float) -> tf.Tensor:
    """Rows, columns and colours in standard deviations: [H, W, 3] -> float32 [5, H * W]."""
    height, width = tf.shape(photo)[0], tf.shape(photo)[1]
    rows = tf.range(height, dtype=tf.float32) / sigma
    columns = tf.range(width, dtype=tf.float32) / sigma
    colors = tf.reshape(tf.cast(photo, tf.float32) / color_sigma, [-1, 3])
    return tf.stack(
        [tf.repeat(rows, width), tf.tile(columns, [height]), *tf.unstack(colors, axis=1)]
    )

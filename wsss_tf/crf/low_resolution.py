"""Mode `dense`: mean field without hashing or scatter, which ONNX can express and repeat exactly.

The exact method costs pixels times pixels, and both factors are cut. The iterations run on square
blocks of a few pixels, and messages come from a bounded number of groups of blocks (see `groups`).
The last update is evaluated at every pixel with its own colour, so that edges are as sharp as the
photo's. The spatial kernel, which is narrow, is exact between blocks and from blocks to pixels.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from wsss_tf.crf import pooling
from wsss_tf.crf.block_regions import BlockRegions
from wsss_tf.crf.groups import cut, group_sums, grow_tree, kernel_rows
from wsss_tf.crf.settings import CrfSettings

_GROUPS_WHILE_ITERATING = 3072
_GROUPS_OF_LAST_UPDATE = 1024
"""What groups that are too wide do wrong adds up over iterations; the last one needs fewer."""

_SIGMAS_PER_BLOCK = 0.7

_PIXELS_AT_ONCE = 4096
"""In the last update: 16 MiB of kernel values."""


def dense_mean_field(
    photo: Any,
    unary: Any,
    settings: CrfSettings,
    regions: Any = None,
    region_probabilities: Any = None,
) -> tf.Tensor:
    """Marginals of the dense CRF for one photo.

    Memory is bounded: at most 80,000 blocks times 3,072 groups in float32 and some copies of the
    unary. Time grows with the pixels. Gradients reach the unary and the region probabilities, not
    the photo. A kernel narrower than half a pixel or half a level acts as if it were that wide.

    Args:
        photo: uint8 [H, W, 3].
        unary: float32 [H, W, L], energies; lower is likelier. H, W and L may be unknown.
        settings: the parameters.
        regions: int [layers, H, W], ids of at least 0; None has no region term.
        region_probabilities: float [H, W, L], P of Eq. 8; None is softmax(-unary).

    Returns:
        float32 [H, W, L], sums to 1 over the labels.

    Source: Krähenbühl and Koltun, NIPS 2011, for the model; the approximation is ours.
    """
    unary = tf.cast(unary, tf.float32)
    if settings.iterations == 0:
        return tf.nn.softmax(-unary)
    side = pooling.side_of_blocks(tf.shape(unary), _widest_block(settings))
    pairwise: list[_Spatial | _Bilateral] = []
    if settings.spatial_weight:
        pairwise.append(_Spatial(tf.shape(unary), side, settings))
    if settings.bilateral_weight:
        pairwise.append(_Bilateral(photo, side, settings))
    term = None
    if regions is not None and settings.region_weight:
        given = tf.nn.softmax(-unary) if region_probabilities is None else region_probabilities
        term = BlockRegions(regions, given, side, settings)
    q = _iterate(unary, side, pairwise, term, settings.iterations)
    logits = -tf.reshape(unary, [-1, tf.shape(q)[1]])
    for kernel in pairwise:
        logits += kernel.to_pixels(q)
    if term is not None:
        logits += term.to_pixels(q)
    return tf.reshape(tf.nn.softmax(logits), tf.shape(unary))


def _widest_block(settings: CrfSettings) -> float:
    """In pixels: each kernel that is used must reach the next block."""
    spatial = settings.spatial_sigma if settings.spatial_weight else math.inf
    bilateral = settings.bilateral_sigma if settings.bilateral_weight else math.inf
    return min(spatial, bilateral) / _SIGMAS_PER_BLOCK


def _iterate(
    unary: tf.Tensor,
    side: tf.Tensor,
    pairwise: list[_Spatial | _Bilateral],
    term: BlockRegions | None,
    iterations: int,
) -> tf.Tensor:
    """Marginals of the blocks after all iterations but the last, float32 [blocks, L]."""
    energies = tf.reshape(pooling.mean_blocks(unary, side), [-1, tf.shape(unary)[2]])

    def update(step: tf.Tensor, q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = -energies
        for kernel in pairwise:
            logits += kernel.to_blocks(q)
        if term is not None:
            logits += term.to_blocks(q, step / iterations)
        return step + 1.0, tf.nn.softmax(logits)

    return tf.while_loop(
        lambda step, q: step < iterations,
        update,
        (tf.constant(1.0), tf.nn.softmax(-energies)),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, unary.shape[-1]])),
    )[1]


class _Spatial:
    """Messages of the spatial kernel, weighted; exact for pixels that have their block's Q."""

    def __init__(self, shape: tf.Tensor, side: tf.Tensor, settings: CrfSettings) -> None:
        self._weight = settings.spatial_weight
        self._rows = pooling.spatial_kernel(shape[0], side, settings.spatial_sigma)
        self._columns = pooling.spatial_kernel(shape[1], side, settings.spatial_sigma)
        self._block_rows = pooling.mean_rows(self._rows, side)
        self._block_columns = pooling.mean_rows(self._columns, side)

    def to_blocks(self, q: tf.Tensor) -> tf.Tensor:
        return self._message(q, self._block_rows, self._block_columns)

    def to_pixels(self, q: tf.Tensor) -> tf.Tensor:
        return self._message(q, self._rows, self._columns)

    def _message(self, q: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        down, across, labels = tf.shape(rows)[1], tf.shape(columns)[1], tf.shape(q)[1]
        lines = tf.matmul(self._weight * rows, tf.reshape(q, [down, across * labels]))
        lines = tf.reshape(lines, [tf.shape(rows)[0], across, labels])
        return tf.reshape(tf.matmul(columns, lines), [-1, labels])


class _Bilateral:
    """Messages of the bilateral kernel, weighted, from groups of blocks."""

    def __init__(self, photo: Any, side: tf.Tensor, settings: CrfSettings) -> None:
        sigmas = settings.bilateral_sigma, settings.color_sigma
        self._weight = settings.bilateral_weight
        self._pixels = pooling.pixel_features(photo, *sigmas)
        blocks = pooling.pooled_blocks(photo, side, *sigmas)
        self._tree = grow_tree(blocks)
        self._groups = cut(self._tree, _GROUPS_WHILE_ITERATING)
        self._last_groups = cut(self._tree, _GROUPS_OF_LAST_UPDATE)
        self._counts = tf.cast(blocks.counts, tf.float32)[:, None]
        self._kernel = _kernel(blocks.features, self._groups.columns)
        self._scale = _scale(tf.matmul(self._kernel, self._groups.counts[:, None]))

    def to_blocks(self, q: tf.Tensor) -> tf.Tensor:
        sent = group_sums(q * self._scale * self._counts, self._tree, self._groups)
        return self._weight * self._scale * tf.matmul(self._kernel, sent)

    def to_pixels(self, q: tf.Tensor) -> tf.Tensor:
        sent = group_sums(q * self._scale * self._counts, self._tree, self._last_groups)
        sent = tf.concat([sent, self._last_groups.counts[:, None]], axis=1)
        sums = _in_tiles(self._pixels, self._last_groups.columns, sent)
        return self._weight * _scale(sums[:, -1:]) * sums[:, :-1]


def _kernel(features: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.exp(tf.matmul(kernel_rows(features), columns))


def _scale(sums: tf.Tensor) -> tf.Tensor:
    """D^-1/2. The kernel of a pixel with itself is 1, so a sum below 1 is the groups' error."""
    return tf.math.rsqrt(tf.maximum(sums, 1.0))


def _in_tiles(features: tf.Tensor, columns: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """kernel(features, columns) @ values, a tile of pixels at a time; differentiable in values."""
    number = tf.shape(features)[0]
    tiles = (number + _PIXELS_AT_ONCE - 1) // _PIXELS_AT_ONCE
    filling = [[0, tiles * _PIXELS_AT_ONCE - number], [0, 0]]
    tiled = tf.reshape(tf.pad(features, filling), [tiles, _PIXELS_AT_ONCE, 5])

    # The automatic gradient would keep the kernel of all tiles: 800 MB at 500 x 375.
    @tf.custom_gradient
    def product(values: tf.Tensor) -> tuple[tf.Tensor, Any]:
        sums = tf.map_fn(
            lambda tile: tf.matmul(_kernel(tile, columns), values),
            tiled,
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([_PIXELS_AT_ONCE, values.shape[1]]),
        )

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            parts = tf.reshape(tf.pad(upstream, filling), [tiles, _PIXELS_AT_ONCE, -1])
            return tf.foldl(
                lambda total, part: (
                    total + tf.matmul(_kernel(part[0], columns), part[1], transpose_a=True)
                ),
                (tiled, parts),
                tf.zeros_like(values),
                parallel_iterations=1,
            )

        return tf.reshape(sums, [-1, tf.shape(values)[1]])[:number], gradient

    return product(values)

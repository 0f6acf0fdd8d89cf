"""Groups of blocks that stand for all of them in the bilateral kernel: no hashing, no scatter.

A tree halves the blocks again and again, each time at the median of the feature that spreads most.
The groups are the nodes left after splitting the worst ones, so that they are small where colours
are rare or mixed. A group acts as a Gaussian with the mean and the variances of its pixels: summed
over such a Gaussian, the kernel is a wider Gaussian, in closed form. With point-like groups the
error of one message is up to three times as high.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from wsss_tf.crf.pooling import Blocks

_LEVELS = 13
"""8,192 leaves: two blocks each at 500 x 375."""

_PREFERENCES = (1.0, 0.99, 0.98, 0.97, 0.96)
"""Of two features that spread alike, as in a flat photo, rounding must not choose."""

_LAST = 1e30
"""Sorts the blocks that only fill up the last leaf behind all others."""


class Tree(NamedTuple):
    """A balanced tree over blocks, its nodes numbered level by level from the root.

    Attributes:
        order: int32 [leaves * n], the blocks leaf by leaf; numbers beyond the last block are empty.
        moments: float64 [nodes, 11]: pixels, sums of the features and of their squares.
        gains: float64 [nodes above the leaves], what splitting one is worth; not above its parent.
    """

    order: tf.Tensor
    moments: tf.Tensor
    gains: tf.Tensor


class Groups(NamedTuple):
    """Some nodes of a tree that hold each block once.

    Attributes:
        nodes: int32 [m].
        counts: float32 [m], pixels.
        columns: float32 [11, m], see `kernel_rows`.
    """

    nodes: tf.Tensor
    counts: tf.Tensor
    columns: tf.Tensor


def grow_tree(blocks: Blocks) -> Tree:
    """Sorts the blocks into a tree."""
    number = tf.shape(blocks.counts)[0]
    leaf = (number + 2**_LEVELS - 1) // 2**_LEVELS
    filling = leaf * 2**_LEVELS - number
    features = tf.pad(blocks.features, [[0, filling], [0, 0]])
    counts = tf.pad(blocks.counts, [[0, filling]])
    order = tf.range(leaf * 2**_LEVELS)

    def sort_parts(parts: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        turn = _sorting_turn(tf.gather(features, order), tf.gather(counts, order), parts)
        return 2 * parts, tf.gather(order, turn)

    # In the graph, not in Python: 13 copies of the body take seconds to trace and to convert.
    _, order = tf.while_loop(
        lambda parts, _: parts < 2**_LEVELS,
        sort_parts,
        (tf.constant(1), order),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    squares = tf.square(features) + tf.pad(blocks.spreads, [[0, filling], [0, 0]])
    moments = counts[:, None] * tf.concat([tf.ones_like(counts)[:, None], features, squares], 1)
    moments = tf.concat(_pyramid(tf.gather(moments, order)), axis=0)
    return Tree(order, moments, _gains(moments))


def cut(tree: Tree, number: int) -> Groups:
    """The `number` nodes, at most 8,192, that remain after the splits of highest gain."""
    ranks = _descending(tf.cast(-_descending(tree.gains), tf.float64))
    split = tf.cast(ranks < number - 1, tf.float64)
    below = tf.concat([tf.ones([1], tf.float64), _twice(split)], axis=0)
    kept = below * (1.0 - tf.pad(split, [[0, 2**_LEVELS]]))
    nodes = tf.math.top_k(kept, number).indices
    counts, mean, variance = _statistics(tf.gather(tree.moments, nodes))
    width = 1.0 + variance
    constant = -0.5 * tf.reduce_sum(tf.square(mean) / width + tf.math.log(width), 1, keepdims=True)
    columns = tf.transpose(tf.concat([-0.5 / width, mean / width, constant], axis=1))
    return Groups(nodes, tf.cast(counts[:, 0], tf.float32), tf.cast(columns, tf.float32))


def kernel_rows(features: tf.Tensor) -> tf.Tensor:
    """float32 [n, 11], so that exp(rows @ columns) is the kernel of features and groups, [n, m]."""
    features = tf.cast(features, tf.float32)
    return tf.concat([tf.square(features), features, tf.ones_like(features[:, :1])], axis=1)


def group_sums(values: tf.Tensor, tree: Tree, groups: Groups) -> tf.Tensor:
    """Sums over the blocks of each group: float32 [blocks, L] -> [m, L]."""
    filling = tf.shape(tree.order)[0] - tf.shape(values)[0]
    levels = _pyramid(tf.gather(tf.pad(values, [[0, filling], [0, 0]]), tree.order))
    return tf.gather(tf.concat(levels, axis=0), groups.nodes)


def _sorting_turn(features: tf.Tensor, counts: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
    """The order, int32 [n], that sorts each of equal parts by the feature that spreads most."""
    number = tf.shape(counts)[0]
    features = tf.reshape(features, [parts, number // parts, 5])
    counts = tf.reshape(counts, [parts, number // parts])
    weights = counts[..., None]
    total = tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1.0)
    mean = tf.reduce_sum(weights * features, axis=1, keepdims=True) / total
    spread = tf.reduce_sum(weights * tf.square(features - mean), axis=1)
    widest = tf.argmax(spread * tf.constant(_PREFERENCES, tf.float64), axis=1)
    chosen = tf.cast(tf.one_hot(widest, 5), tf.float64)
    keys = tf.reduce_sum(features * chosen[:, None], axis=2)
    keys = tf.where(counts > 0, keys, tf.constant(_LAST, tf.float64))
    turn = tf.math.top_k(-keys, number // parts).indices
    return tf.reshape(turn + (number // parts) * tf.range(parts)[:, None], [number])


def _pyramid(values: tf.Tensor) -> list[tf.Tensor]:
    """Sums of the nodes of each level, root first, of [leaves * n, C]."""
    channels = tf.shape(values)[1]
    levels = [tf.reduce_sum(tf.reshape(values, [2**_LEVELS, -1, channels]), axis=1)]
    for level in range(_LEVELS - 1, -1, -1):
        halves = tf.reshape(levels[-1], [2**level, 2, channels])
        levels.append(tf.reduce_sum(halves, axis=1))
    return levels[::-1]


def _gains(moments: tf.Tensor) -> tf.Tensor:
    """The summed squared distance to a node's mean; a parent is split before its children."""
    counts, _, variance = _statistics(moments[: 2**_LEVELS - 1])
    own = tf.reduce_sum(variance, axis=1) * counts[:, 0]
    gains = [own[:1]]
    for level in range(1, _LEVELS):
        gains.append(tf.minimum(own[2**level - 1 : 2 ** (level + 1) - 1], _twice(gains[-1])))
    return tf.concat(gains, axis=0)


def _statistics(moments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Counts [n, 1], means and variances [n, 5]; 0 in an empty node."""
    counts = moments[:, :1]
    means = moments[:, 1:] / tf.maximum(counts, 1.0)
    return counts, means[:, :5], tf.nn.relu(means[:, 5:] - tf.square(means[:, :5]))


def _descending(values: tf.Tensor) -> tf.Tensor:
    """The order that sorts from the highest; the first of equals first, in every runtime."""
    return tf.math.top_k(values, tf.shape(values)[0]).indices


def _twice(values: tf.Tensor) -> tf.Tensor:
    """Each of [n] twice in a row: from nodes to their children."""
    return tf.reshape(tf.stack([values, values], axis=1), [-1])

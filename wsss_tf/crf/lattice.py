"""The permutohedral lattice: Gaussian filtering in several dimensions, as TensorFlow graph code.

Every point is spread over the vertices of the simplex that encloses it (splat), the vertices are
blurred along the lattice's axes, and every point reads its simplex back (slice). A vertex is known
by one int64 key, in which its neighbours are constant offsets, so that hashing is `tf.unique` and
finding neighbours a search among sorted keys.

Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Eurographics 2010.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from wsss_tf.crf.keys import place_values


class PermutohedralLattice:
    """The lattice of a set of points, ready to filter values on them.

    Approximates y_i = sum_j exp(-|f_i - f_j|^2 / 2) x_j up to a constant factor, which a
    normalised filter does not see.

    Args:
        features: float32 [d, n], coordinates in standard deviations; n >= 1.
        stretch: of the features. Above 1 it narrows the kernel.
    """

    def __init__(self, features: tf.Tensor, *, stretch: float = 1.0) -> None:
        self._dimensions = int(features.shape[0])
        coordinates, ranks, weights = _enclosing_simplices(stretch * features)
        keys, offsets = _pack(coordinates, ranks)
        vertices, sorted_keys = _number_vertices(keys)
        self._blurs = [_blur_along(sorted_keys, offset) for offset in offsets]
        points = tf.repeat(tf.range(tf.shape(features)[1]), self._dimensions + 1)
        self._points = points
        self._indices = tf.cast(tf.stack([points, vertices], axis=1), tf.int64)
        self._weights = tf.reshape(tf.stack(weights, axis=1), [-1])
        sizes = tf.stack([tf.shape(features)[1], tf.size(sorted_keys)])
        self._shape = tf.cast(sizes, tf.int64)

    def filter(self, scale: tf.Tensor | None = None) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function diag(scale) S B S^T diag(scale): splat S^T, blur B, slice S.

        Args:
            scale: float32 [n]; None is 1.

        Returns:
            A function from float32 [n, C] to float32 [n, C].
        """
        weights = self._weights if scale is None else self._weights * tf.gather(scale, self._points)
        splat = tf.SparseTensor(self._indices, weights, self._shape)

        def apply(values: tf.Tensor) -> tf.Tensor:
            on_vertices = tf.sparse.sparse_dense_matmul(splat, values, adjoint_a=True)
            for blur in self._blurs:
                on_vertices = tf.sparse.sparse_dense_matmul(blur, on_vertices)
            return tf.sparse.sparse_dense_matmul(splat, on_vertices)

        return apply


def _enclosing_simplices(
    features: tf.Tensor,
) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
    """Where points lie in the lattice.

    Returns:
        Three lists of d + 1 rows float32 [n]: the coordinates of the enclosing simplex's vertex
        of remainder 0; the rank of each coordinate's distance from it, 0 for the largest; the
        barycentric weight of the vertices of remainder 0 to d.
    """
    d = int(features.shape[0])
    elevated = _elevate(features)
    coordinates = [tf.round(e / (d + 1)) * (d + 1) for e in elevated]
    above = [e - c for e, c in zip(elevated, coordinates, strict=True)]
    ranks = [tf.zeros_like(above[0]) for _ in above]
    for i in range(d):
        for j in range(i + 1, d + 1):
            smaller = tf.cast(above[i] < above[j], tf.float32)
            ranks[i] += smaller
            ranks[j] += 1.0 - smaller
    # Rounding may leave the plane of sum 0; the coordinates that rounded worst move back to it.
    excess = tf.add_n(coordinates) / (d + 1)
    for i in range(d + 1):
        rank = ranks[i] + excess
        step = tf.where(rank < 0.0, d + 1.0, tf.where(rank > d, -(d + 1.0), 0.0))
        ranks[i] = rank + step
        coordinates[i] += step
    above = [(e - c) / (d + 1) for e, c in zip(elevated, coordinates, strict=True)]
    ordered = [
        tf.add_n(
            [tf.where(tf.equal(r, float(k)), a, 0.0) for r, a in zip(ranks, above, strict=True)]
        )
        for k in range(d + 1)
    ]
    weights = [1.0 + ordered[d] - ordered[0]]
    weights += [ordered[d - k] - ordered[d - k + 1] for k in range(1, d + 1)]
    return coordinates, ranks, weights


def _elevate(features: tf.Tensor) -> list[tf.Tensor]:
    """Points [d, n] on the plane of d + 1 coordinates whose sum is 0, at the blur's scale."""
    d = int(features.shape[0])
    spread = math.sqrt(2.0 / 3.0) * (d + 1)
    scaled = [features[i] * (spread / math.sqrt((i + 1) * (i + 2))) for i in range(d)]
    elevated, total = [], tf.zeros_like(scaled[0])
    for j in range(d, 0, -1):
        elevated.append(total - j * scaled[j - 1])
        total += scaled[j - 1]
    return [total, *reversed(elevated)]


def _pack(
    coordinates: list[tf.Tensor], ranks: list[tf.Tensor]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """One int64 key per vertex, and the offset of a neighbour's key along each axis.

    The first d coordinates are the digits of a number, each with a radix that just holds its
    range; the last follows from them. Returns keys [n, d + 1] and d + 1 scalars.
    """
    d = len(coordinates) - 1
    margin = 2 * (d + 1)  # A vertex's own offset, and one more step to a neighbour.
    whole = [tf.cast(c, tf.int64) for c in coordinates[:d]]
    lows = [tf.reduce_min(c) - margin for c in whole]
    radices = [tf.reduce_max(c) - low + margin + 1 for c, low in zip(whole, lows, strict=True)]
    places = place_values(radices)
    first = tf.add_n([(c - low) * p for c, low, p in zip(whole, lows, places, strict=True)])
    unit = tf.add_n(places)
    keys = [first]
    for remainder in range(1, d + 1):
        wrapped = tf.add_n(
            [
                tf.where(rank > float(d - remainder), (d + 1) * place, 0)
                for rank, place in zip(ranks[:d], places, strict=True)
            ]
        )
        keys.append(first + remainder * unit - wrapped)
    offsets = [(d + 1) * place - unit for place in places] + [-unit]
    return tf.stack(keys, axis=1), offsets


def _number_vertices(keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Vertices numbered in the order of their keys: int32 [n * (d + 1)], sorted int64 [M]."""
    found, numbers = tf.unique(tf.reshape(keys, [-1]))
    order = tf.argsort(found)
    position = tf.scatter_nd(order[:, None], tf.range(tf.size(order)), tf.shape(order))
    return tf.gather(position, numbers), tf.gather(found, order)


def _blur_along(keys: tf.Tensor, offset: tf.Tensor) -> tf.SparseTensor:
    """Weight 1 for each vertex and 1/2 for its neighbours at +-offset, where there are any.

    A sparse product is one pass over the vertices, where gathers and sums are five, and it skips
    the neighbours that a sparse lattice lacks. Float32 [M, M], from sorted keys int64 [M].
    """
    count = tf.size(keys, out_type=tf.int64)
    after = tf.minimum(tf.searchsorted(keys, keys + offset, out_type=tf.int64), count - 1)
    here = tf.where(tf.equal(tf.gather(keys, after), keys + offset))[:, 0]
    there, itself = tf.gather(after, here), tf.range(count)
    rows = tf.concat([itself, here, there], axis=0)
    columns = tf.concat([itself, there, here], axis=0)
    halves = tf.fill([2 * tf.size(here)], 0.5)
    weights = tf.concat([tf.ones([count]), halves], axis=0)
    return tf.SparseTensor(tf.stack([rows, columns], axis=1), weights, tf.stack([count, count]))

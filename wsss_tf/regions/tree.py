"""A photo's regions at every fineness: the finest ones and the order in which they merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wsss_tf.regions.grids import nearest

# The arrays of a file and the kinds of numpy type that they may have.
_KINDS = {"finest": "iu", "merges": "iu", "heights": "f", "shape": "iu"}


class RegionTree:
    """Nested regions of a photo; made by `region_tree`.

    Args:
        finest: int [h, w], ids 0..N-1 of the finest regions, each present.
        merges: int [N - 1, 2]; each step's region kept, which keeps its id, and the one taken in.
        heights: float [N - 1] in 0..1, not falling: how strongly the two were parted.
        shape: (H, W) of the photo, where its tree was made at a smaller size.

    Raises:
        ValueError: they do not describe a tree.
    """

    def __init__(
        self,
        finest: NDArray[np.integer],
        merges: NDArray[np.integer],
        heights: NDArray[np.floating],
        shape: tuple[int, int] | None = None,
    ) -> None:
        self.shape = tuple(finest.shape if shape is None else shape)
        self._finest = np.asarray(finest).astype(np.int32)
        self._merges = np.asarray(merges).astype(np.int64)
        self._heights = np.asarray(heights).astype(np.float32)
        _check(self._finest, self._merges, self._heights, self.shape)

    @property
    def count(self) -> int:
        """The number of finest regions."""
        return len(self._merges) + 1

    def labels(self, *, n: int | None = None, threshold: float | None = None) -> NDArray[np.int32]:
        """Region ids: either `n` regions, or those whose boundaries are higher than `threshold`.

        Strengths of two photos share no scale: cut by number to treat photos alike.

        Args:
            n: 1 or more; where the photo has fewer finest regions, these.
            threshold: in 0..1.

        Returns:
            int32 [H, W], ids 0..m-1, m <= n.

        Raises:
            ValueError: both or none is given, or one is out of range.
        """
        if n is not None and threshold is None:
            steps = self._steps(n)
        elif threshold is not None and n is None:
            if not 0.0 <= threshold <= 1.0:
                raise ValueError(f"`threshold` must be in 0..1. Received: threshold={threshold}.")
            steps = int(np.searchsorted(self._heights, threshold, side="right"))
        else:
            raise ValueError(f"Give `n` or `threshold`. Received: n={n}, threshold={threshold}.")
        return self._full_size(self._ids(steps)[self._finest])

    def layers(self, n: Sequence[int]) -> NDArray[np.int32]:
        """Region ids for several numbers of regions; the coarser are unions of the finer.

        Args:
            n: one or more, each as in `labels`.

        Returns:
            int32 [layers, H, W], in the order of `n`.

        Raises:
            ValueError: there is none, or one is out of range.
        """
        if not isinstance(n, Sequence | np.ndarray) or not len(n):
            raise ValueError(f"`n` must be one number of regions or more, (100,). Received: n={n}.")
        steps = [self._steps(count) for count in n]
        return np.stack([self._full_size(self._ids(step)[self._finest]) for step in steps])

    def ultrametric(self) -> NDArray[np.float32]:
        """The contour map: what threshold parts a pixel from its right or lower neighbour.

        Returns:
            float32 [H, W] in 0..1, the greater of the two heights; 0 inside the finest regions.

        Source: Arbelaez, CVPR Workshops 2006 (ultrametric contour maps).
        """
        labels = self._full_size(self._finest)
        contour = np.zeros(self.shape, np.float32)
        right = self._parting(labels[:, :-1], labels[:, 1:])
        below = self._parting(labels[:-1], labels[1:])
        contour[:, :-1] = right
        contour[:-1] = np.maximum(contour[:-1], below)
        return contour

    def arrays(self) -> dict[str, NDArray]:
        """What `from_arrays` makes the same tree of: for a file of numpy arrays."""
        compact = np.uint16 if self.count < 2**16 else np.int32
        return {
            "finest": self._finest.astype(compact),
            "merges": self._merges.astype(compact),
            "heights": self._heights,
            "shape": np.array(self.shape, np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> RegionTree:
        """The tree that `arrays` came from.

        Raises:
            ValueError: one is missing, or they do not describe a tree.
        """
        missing = set(_KINDS) - set(arrays)
        if missing:
            raise ValueError(f"A region tree needs the arrays {', '.join(sorted(missing))}.")
        found = {name: np.asarray(arrays[name]) for name in _KINDS}
        for name, array in found.items():
            # A cast would make whole numbers of broken ones: a tree, but not this photo's.
            if array.dtype.kind not in _KINDS[name]:
                raise ValueError(f"`{name}` is of the wrong type. Received: {array.dtype}.")
        finest, merges, heights, shape = found.values()
        if shape.shape != (2,):
            raise ValueError(f"`shape` must be two whole numbers. Received: {shape!r}.")
        return cls(finest, merges, heights, (int(shape[0]), int(shape[1])))

    def _steps(self, n: int) -> int:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"`n` must be a whole number of 1 or more. Received: n={n!r}.")
        return max(self.count - int(n), 0)

    def _ids(self, steps: int) -> NDArray[np.int32]:
        """int32 [N]: what region each finest one belongs to after so many merges."""
        into = np.arange(self.count)
        into[self._merges[:steps, 1]] = self._merges[:steps, 0]
        while True:
            further = into[into]
            if np.array_equal(further, into):
                return np.unique(into, return_inverse=True)[1].astype(np.int32)
            into = further

    def _parting(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.float32]:
        """The height at which two finest regions become one, 0 where they are the same."""
        heights = np.zeros(one.shape, np.float32)
        parted = one != other
        keys = one[parted].astype(np.int64) * self.count + other[parted]
        pairs, place = np.unique(keys, return_inverse=True)
        heights[parted] = self._joined(pairs // self.count, pairs % self.count)[place]
        return heights

    def _joined(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
        """Heights at which pairs of different finest regions become one."""
        parents = self._parents()
        while True:
            # A merge has a larger number than what it joins: the smaller of two climbs.
            apart = one != other
            if not apart.any():
                return self._heights[one - self.count]
            lower, higher = np.minimum(one, other), np.maximum(one, other)
            one, other = np.where(apart, parents[lower], lower), higher

    def _parents(self) -> NDArray[np.int64]:
        """The merge N + t of step t that each finest region and each merge goes into."""
        parents = np.zeros(2 * self.count - 1, np.int64)
        now = list(range(self.count))
        for step, (kept, gone) in enumerate(self._merges.tolist()):
            node = self.count + step
            parents[now[kept]] = parents[now[gone]] = node
            now[kept] = node
        return parents

    def _full_size(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        return labels if labels.shape == self.shape else nearest(labels, self.shape)


def _check(
    finest: NDArray[np.int32],
    merges: NDArray[np.int64],
    heights: NDArray[np.float32],
    shape: tuple[int, ...],
) -> None:
    flat = finest.ndim == len(shape) == 2
    if not (flat and finest.size and all(np.less_equal(finest.shape, shape))):
        raise ValueError(
            "`finest` must be integers [height, width] and `shape` no smaller. "
            f"Received: finest.shape={finest.shape}, shape={shape}."
        )
    count = int(finest.max()) + 1
    if finest.min() < 0 or len(np.unique(finest)) != count:
        raise ValueError("`finest` must have the ids 0..N-1, each of them.")
    if merges.shape != (count - 1, 2) or heights.shape != (count - 1,):
        raise ValueError(
            f"{count} regions take {count - 1} merges, [{count - 1}, 2], and as many heights. "
            f"Received: merges.shape={merges.shape}, heights.shape={heights.shape}."
        )
    if count > 1:
        _check_merges(merges, heights, count)


def _check_merges(merges: NDArray[np.int64], heights: NDArray[np.float32], count: int) -> None:
    if merges.min() < 0 or merges.max() >= count:
        raise ValueError(f"`merges` must be of ids in 0..{count - 1}.")
    taken = np.full(count, count)
    taken[merges[:, 1]] = np.arange(count - 1)
    if (
        len(np.unique(merges[:, 1])) != count - 1
        or (taken[merges[:, 0]] <= np.arange(count - 1)).any()
    ):
        raise ValueError("`merges` must take in each region once, into one that is still there.")
    if not (heights[0] >= 0.0 and heights[-1] <= 1.0 and (np.diff(heights) >= 0.0).all()):
        raise ValueError("`heights` must be in 0..1 and not fall.")

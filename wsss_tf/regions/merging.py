"""From the finest regions to one: the two that differ least become one, again and again."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from wsss_tf.regions.watershed import Basins

# Small regions go first, weakly: worth more for the regions than any other choice of priority.
_AREA_POWER = 0.15
# Of the squared difference of mean colours, in L*a*b*; about 2 is the least that is noticed.
_COLOUR_POWER = 0.2
_LEAST_NOTICED = 4.0
# A hundredth of the photo and a difference of colours of 20 leave the boundary's strength alone.
_USUAL_AREA = 0.01
_USUAL_COLOUR = 400.0


class _Merger:
    """Regions, their neighbours and the queue of pairs, cheapest first.

    Args:
        basins: where merging starts.
    """

    def __init__(self, basins: Basins) -> None:
        self.areas = (basins.areas / (basins.areas.sum() * _USUAL_AREA)).tolist()
        self.colours = basins.colours.tolist()
        # Of each region: neighbour -> (summed strength, length, priority).
        self.near: list[dict[int, tuple[float, int, float]]] = [{} for _ in self.areas]
        self.queue: list[tuple[float, int, int]] = []
        columns = (*basins.pairs.T, basins.strengths, basins.lengths)
        for one, other, strength, length in zip(*(c.tolist() for c in columns), strict=True):
            self.near[one][other] = self.near[other][one] = (strength, length, -1.0)
            self._rank(one, other)

    def merge_cheapest(self) -> tuple[int, int, float] | None:
        """(region kept, region that it takes in, priority), or None where one is left."""
        while self.queue:
            priority, one, other = heapq.heappop(self.queue)
            # Entries of regions that are gone, or ranked anew since, stay in the queue.
            if self.near[one].get(other, (0.0, 0, -1.0))[2] != priority:
                continue
            if len(self.near[one]) < len(self.near[other]):
                one, other = other, one
            self._merge(one, other)
            return one, other, priority
        return None

    def _merge(self, kept: int, gone: int) -> None:
        area = self.areas[kept] + self.areas[gone]
        share = self.areas[gone] / area
        self.colours[kept] = [
            (1.0 - share) * a + share * b
            for a, b in zip(self.colours[kept], self.colours[gone], strict=True)
        ]
        self.areas[kept] = area
        near = self.near[kept]
        del near[gone]
        for other, (strength, length, priority) in self.near[gone].items():
            if other == kept:
                continue
            del self.near[other][gone]
            if other in near:
                strength, length = strength + near[other][0], length + near[other][1]
                priority = near[other][2]
            else:
                priority = -1.0
            near[other] = self.near[other][kept] = (strength, length, priority)
        self.near[gone] = {}
        for other in near:
            self._rank(kept, other)

    def _rank(self, one: int, other: int) -> None:
        """Queues a pair by its priority, unless it stands there already."""
        strength, length, before = self.near[one][other]
        (l1, a1, b1), (l2, a2, b2) = self.colours[one], self.colours[other]
        apart = (l1 - l2) ** 2 + (a1 - a2) ** 2 + (b1 - b2) ** 2
        area = min(self.areas[one], self.areas[other])
        priority = (
            strength / length
            * area**_AREA_POWER
            * ((apart + _LEAST_NOTICED) / _USUAL_COLOUR) ** _COLOUR_POWER
        )  # fmt: skip
        if priority != before:
            self.near[one][other] = self.near[other][one] = (strength, length, priority)
            entry = (priority, one, other) if one < other else (priority, other, one)
            heapq.heappush(self.queue, entry)


def merge(basins: Basins) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Merges neighbours until one region is left, always the pair of the least priority:

        mean strength x min(area)^0.15 x (colour difference^2 + 2^2)^0.2

    with area as a share of the photo; updated as regions grow. Ties go to the smaller ids.

    Returns:
        int32 [n - 1, 2]: region kept (it keeps its id) and region taken in, in order; and float32
        [n - 1] in 0..1, rising: the height of each merge, p / (1 + p) of the largest priority p
        so far.

    Source: after Arbelaez et al., PAMI 2011, Sec. 4.2, where the priority is the mean strength.
    """
    merger, steps, height = _Merger(basins), [], 0.0
    heights = []
    while step := merger.merge_cheapest():
        kept, gone, priority = step
        height = max(height, priority)
        steps.append((kept, gone))
        heights.append(height / (1.0 + height))
    return np.array(steps, np.int32).reshape(-1, 2), np.array(heights, np.float32)

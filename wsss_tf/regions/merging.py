"""From the finest regions to one: the two that differ least become one, again and again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from math import inf

import numpy as np
from numpy.typing import NDArray

from wsss_tf.regions.watershed import Basins

# Small regions go first, weakly: more of it parts objects better, and draws outlines worse.
_AREA_POWER = 0.15
# Of the squared difference of mean colours, in L*a*b*; about 2 is the least that is noticed.
_COLOUR_POWER = 0.2
_LEAST_NOTICED = 4.0
# A hundredth of the photo and a difference of colours of 20 leave the boundary's strength alone.
_USUAL_AREA = 0.01
_USUAL_COLOUR = 400.0
_GONE = (0.0, 0, 0.0, inf)


class _Merger:
    """Regions, their neighbours and the queue of pairs, cheapest first.

    A pair whose priority has risen keeps its place until it is reached and queued again: merging
    only raises most priorities, several times before a pair's turn comes.

    Args:
        basins: where merging starts.
    """

    def __init__(self, basins: Basins) -> None:
        self.areas = (basins.areas / (basins.areas.sum() * _USUAL_AREA)).tolist()
        self.colours = basins.colours.tolist()
        # Of each region: neighbour -> (summed strength, length, priority, priority when queued).
        self.near: list[dict[int, tuple[float, int, float, float]]] = [{} for _ in self.areas]
        self.queue: list[tuple[float, int, int]] = []
        columns = (*basins.pairs.T, basins.strengths, basins.lengths)
        for one, other, strength, length in zip(*(c.tolist() for c in columns), strict=True):
            self.near[one][other] = self.near[other][one] = (strength, length, inf, inf)
        for one, near in enumerate(self.near):
            self._rank(one, [other for other in near if one < other])

    def merge_cheapest(self) -> tuple[int, int, float] | None:
        """(region kept, region that it takes in, priority), or None where one is left."""
        while self.queue:
            place, one, other = heapq.heappop(self.queue)
            strength, length, priority, queued = self.near[one].get(other, _GONE)
            if queued != place:  # The pair is gone, or stands at another place.
                continue
            if priority > place:
                self._queue(one, other, strength, length, priority)
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
        for other, (strength, length, _, _) in self.near[gone].items():
            if other == kept:
                continue
            del self.near[other][gone]
            queued = inf
            if other in near:
                common, pixels, _, queued = near[other]
                strength, length = strength + common, length + pixels
            near[other] = (strength, length, inf, queued)
        self.near[gone] = {}
        self._rank(kept, near)

    def _rank(self, one: int, others: Iterable[int]) -> None:
        """Gives pairs of a region their priority. Most of the time goes here."""
        near, area = self.near[one], self.areas[one]
        l1, a1, b1 = self.colours[one]
        for other in others:
            strength, length, _, queued = near[other]
            l2, a2, b2 = self.colours[other]
            apart = (l1 - l2) ** 2 + (a1 - a2) ** 2 + (b1 - b2) ** 2
            colour = ((apart + _LEAST_NOTICED) / _USUAL_COLOUR) ** _COLOUR_POWER
            smaller = min(area, self.areas[other])
            priority = strength / length * smaller**_AREA_POWER * colour
            if priority < queued:
                self._queue(one, other, strength, length, priority)
            else:
                near[other] = self.near[other][one] = (strength, length, priority, queued)

    def _queue(self, one: int, other: int, strength: float, length: int, priority: float) -> None:
        state = (strength, length, priority, priority)
        self.near[one][other] = self.near[other][one] = state
        pair = (one, other) if one < other else (other, one)
        heapq.heappush(self.queue, (priority, *pair))


def merge(basins: Basins) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Merges neighbours until one region is left, always the pair of the least priority:

        mean strength x (min(area) / 0.01)^0.15 x ((colour difference^2 + 2^2) / 20^2)^0.2

    with area as a share of the photo; updated as regions grow. Of two pairs of one priority, that
    of the smaller ids goes first; of two regions, the one of more neighbours keeps its id.

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

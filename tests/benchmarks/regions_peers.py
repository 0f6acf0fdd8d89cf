"""The methods that the regions' benchmark compares, each a function from a photo to its sweep."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from regions_scores import Cut, Sweep
from skimage.segmentation import felzenszwalb, slic

from wsss_tf.regions import RegionTree, boundary_map, region_tree

Result = TypeVar("Result")
Run = Callable[[], np.ndarray]
# Numbers of regions: people draw 3 to 60, superpixels go to a few hundred.
COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 65, 80, 100, 140, 200, 300)
# On six photos of the first half, of least sizes 20 to 800, 100 was best for F and 400 about best
# for all else; 50 is a usual one. With large ones, only small scales give many regions.
FELZENSZWALB_SIZES = (50, 100, 400)
FELZENSZWALB_SCALES = (10, 50, 150, 300, 500, 800, 1400, 4000)
SLIC_COMPACTNESS = (10.0, 20.0)
SLIC_SEGMENTS = (4, 8, 15, 30, 60, 120, 200, 350)


class Method(Protocol):
    """What is compared. `prepare` comes first: it warms up, and no photo's time includes it."""

    name: str

    def prepare(self, photos: Sequence[np.ndarray]) -> None: ...

    def sweep(self, photo: np.ndarray) -> Sweep: ...


class Trees:
    """A preset of `region_tree`, cut by number of regions and by threshold, and `boundary_map`.

    Its time is that of the tree and one cut, as the peers' times are; the map's is told apart.
    """

    def __init__(self, preset: str) -> None:
        self.name = preset
        self._thresholds: tuple[float, ...] = ()

    def prepare(self, photos: Sequence[np.ndarray]) -> None:
        """Spreads as many thresholds as there are counts: each the median height of a count.

        No truth is looked at: heights have no scale of their own, so the grid follows them.
        """
        heights = []
        for photo in photos:
            lines = region_tree(photo, preset=self.name).ultrametric()
            levels = np.unique(lines[lines > 0])[::-1]
            if len(levels):
                heights.append(levels[np.minimum(np.array(COUNTS) - 1, len(levels) - 1)])
        self._thresholds = tuple(np.unique(np.median(heights, axis=0)).tolist()) if heights else ()

    def sweep(self, photo: np.ndarray) -> Sweep:
        seconds, tree = _timed(lambda: _cut_once(photo, self.name))
        labels = {Cut("", "n", count): tree.labels(n=count) for count in COUNTS}
        for threshold in self._thresholds:
            labels[Cut("", "threshold", threshold)] = tree.labels(threshold=threshold)
        edge_seconds, edges = _timed(lambda: boundary_map(photo, preset=self.name))
        return Sweep(seconds, labels, edge_seconds, edges)


class Felzenszwalb:
    """scikit-image's, over scales; a family for each least size."""

    name = "felzenszwalb"

    def prepare(self, photos: Sequence[np.ndarray]) -> None:
        felzenszwalb(photos[0])

    def sweep(self, photo: np.ndarray) -> Sweep:
        return _sweep_runs(self._runs(photo))

    @staticmethod
    def _runs(photo: np.ndarray) -> Iterator[tuple[Cut, Run]]:
        for size in FELZENSZWALB_SIZES:
            for scale in FELZENSZWALB_SCALES:
                run = partial(felzenszwalb, photo, scale=scale, sigma=0.8, min_size=size)
                yield Cut(f"min_size {size}", "scale", scale), run


class Slic:
    """scikit-image's, over numbers of segments asked for; a family for each compactness."""

    name = "slic"

    def prepare(self, photos: Sequence[np.ndarray]) -> None:
        slic(photos[0])

    def sweep(self, photo: np.ndarray) -> Sweep:
        return _sweep_runs(self._runs(photo))

    @staticmethod
    def _runs(photo: np.ndarray) -> Iterator[tuple[Cut, Run]]:
        for compactness in SLIC_COMPACTNESS:
            for segments in SLIC_SEGMENTS:
                cut = Cut(f"compactness {compactness:g}", "n_segments", segments)
                yield cut, partial(slic, photo, n_segments=segments, compactness=compactness)


PEERS: dict[str, Callable[[], Method]] = {"felzenszwalb": Felzenszwalb, "slic": Slic}


def _cut_once(photo: np.ndarray, preset: str) -> RegionTree:
    tree = region_tree(photo, preset=preset)
    tree.labels(n=100)
    return tree


def _sweep_runs(runs: Iterator[tuple[Cut, Run]]) -> Sweep:
    labels, seconds = {}, []
    for cut, run in runs:
        spent, labels[cut] = _timed(run)
        seconds.append(spent)
    return Sweep(statistics.mean(seconds), labels)


def _timed(run: Callable[[], Result]) -> tuple[float, Result]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result

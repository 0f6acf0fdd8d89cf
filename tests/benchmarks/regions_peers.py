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

from wsss_tf.regions import RegionTree, region_tree

Result = TypeVar("Result")
Run = Callable[[], np.ndarray]
# Numbers of regions: people draw 3 to 60, superpixels go to a few hundred.
COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 65, 80, 100, 140, 200, 300)
FELZENSZWALB = [(sigma, size) for sigma in (0.5, 0.8) for size in (20, 50)]
FELZENSZWALB_SCALES = [float(scale) for scale in np.geomspace(100, 10000, 10).round()]
SLIC_COMPACTNESS = (10.0, 20.0)
SLIC_SEGMENTS = (4, 8, 15, 30, 60, 120, 200, 350)


class Method(Protocol):
    """What is compared. `prepare` comes first: it warms up, and no photo's time includes it."""

    name: str

    def prepare(self, photos: Sequence[np.ndarray]) -> None: ...

    def sweep(self, photo: np.ndarray) -> Sweep: ...


class Trees:
    """A preset of `region_tree`: one run, cut by number of regions and by threshold.

    Its time includes one cut, as the peers' times do.
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
        return Sweep(seconds, labels)


class Felzenszwalb:
    """scikit-image's, over scales; a family for each sigma and least size."""

    name = "felzenszwalb"

    def prepare(self, photos: Sequence[np.ndarray]) -> None:
        felzenszwalb(photos[0])

    def sweep(self, photo: np.ndarray) -> Sweep:
        return _sweep_runs(self._runs(photo))

    @staticmethod
    def _runs(photo: np.ndarray) -> Iterator[tuple[Cut, Run]]:
        for sigma, size in FELZENSZWALB:
            for scale in FELZENSZWALB_SCALES:
                cut = Cut(f"sigma {sigma}, min_size {size}", "scale", scale)
                yield cut, partial(felzenszwalb, photo, scale=scale, sigma=sigma, min_size=size)


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

"""From the sweeps of single photos to one row of the regions' benchmark."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from regions_measures import AchievableAccuracy, BoundaryF, Covering, OneToOneF, Truth, boundaries
from skimage.morphology import thin

ASA_COUNTS = (50, 100)
EDGE_THRESHOLDS = np.linspace(0.05, 0.7, 25)


class Cut(NamedTuple):
    """One setting of a method. Within a `family` only the scale differs, named by `kind`."""

    family: str
    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind} {self.value:.4g}{self.family and ', '}{self.family}"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A photo's labels [H, W] at every cut, the same cuts for every photo; seconds of one run.

    And a map of boundaries' strengths, float32 [H, W], with its own seconds, where there is one.
    """

    seconds: float
    labels: dict[Cut, np.ndarray]
    edge_seconds: float = 0.0
    edges: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class PhotoScores:
    """What is kept of a photo: a row for every cut, in the order of `cuts`."""

    seconds: float
    edge_seconds: float
    cuts: tuple[Cut, ...]
    regions: np.ndarray  # int64 [cuts]
    edges: dict[str, np.ndarray]  # By name of the F: int64 [EDGE_THRESHOLDS, 4]; {} without a map.
    outlines: dict[str, np.ndarray]  # By name of the F: int64 [cuts, 4]
    covering: np.ndarray  # float64 [cuts, 2]
    accuracy: np.ndarray  # float64 [cuts]


def scored(sweep: Sweep, truth: Truth, one_to_one: bool) -> PhotoScores:
    """Measures every cut of one photo, and its map of boundaries at every threshold."""
    matchers = {"F": BoundaryF(truth)}
    if one_to_one:
        matchers["F 1:1"] = OneToOneF(truth)
    found = [] if sweep.edges is None else [thin(sweep.edges > t) for t in EDGE_THRESHOLDS]
    lines = [boundaries(labels) for labels in sweep.labels.values()]
    overlaps = [truth.overlaps(labels) for labels in sweep.labels.values()]
    return PhotoScores(
        sweep.seconds,
        sweep.edge_seconds,
        tuple(sweep.labels),
        np.array([tables[0].shape[1] for tables in overlaps]),
        {name: _counts(of, found) for name, of in matchers.items() if found},
        {name: _counts(of, lines) for name, of in matchers.items()},
        np.array([Covering.counts(tables) for tables in overlaps]),
        np.array([AchievableAccuracy.value(tables) for tables in overlaps]),
    )


def summary(photos: Sequence[PhotoScores]) -> dict[str, Any]:
    """One method over some photos. A scale is the one that is best on these very photos (ODS)."""
    first = photos[0]
    seconds = [photo.seconds for photo in photos]
    row: dict[str, Any] = {
        "CPU s, mean": statistics.mean(seconds),
        "CPU s, median": statistics.median(seconds),
    }
    if first.edges:
        row["CPU s, map alone"] = statistics.mean(photo.edge_seconds for photo in photos)
    for name in first.edges:
        counts = np.stack([photo.edges[name] for photo in photos], axis=1)
        values = [BoundaryF.score(at) for at in counts]
        row[name] = max(values)
        row[f"{name} at"] = f"map > {EDGE_THRESHOLDS[np.argmax(values)]:.3g}"
    for name in first.outlines:
        counts = np.stack([photo.outlines[name] for photo in photos], axis=1)
        values = [BoundaryF.score(at) for at in counts]
        row |= _best(f"{name} of outlines", values, first.cuts)
    counts = np.stack([photo.covering for photo in photos], axis=1)
    row |= _best("covering", [Covering.score(at) for at in counts], first.cuts)
    families = _families(first.cuts)
    row["covering OIS"] = max(_ois(photos, members) for members in families.values())
    for count in ASA_COUNTS:
        values = [_accuracy(photos, members, count) for members in families.values()]
        row[f"ASA {count}"] = max(values)
        row[f"ASA {count} at"] = list(families)[np.argmax(values)] or None
    return row


def _counts(matcher: BoundaryF, found: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([matcher.counts(lines) for lines in found])


def _best(name: str, values: Sequence[float], cuts: Sequence[Cut]) -> dict[str, Any]:
    """The best scale for all photos; beside it the best number of regions, where one can ask."""
    best = int(np.argmax(values))
    row = {name: values[best], f"{name} at": str(cuts[best])}
    counted = [number for number, cut in enumerate(cuts) if cut.kind == "n"]
    if counted:
        best = max(counted, key=values.__getitem__)
        row |= {f"{name}, by n": values[best], f"{name}, by n at": str(cuts[best])}
    return row


def _families(cuts: Sequence[Cut]) -> dict[str, np.ndarray]:
    """Numbers of the cuts of each family: among them a photo may choose its own scale."""
    names = [cut.family for cut in cuts]
    return {name: np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)}


def _ois(photos: Sequence[PhotoScores], members: np.ndarray) -> float:
    """Covering where each photo has the best of its scales."""
    best = []
    for photo in photos:
        counts = photo.covering[members]
        best.append(counts[(counts[:, 0] / counts[:, 1]).argmax()])
    return Covering.score(np.array(best))


def _accuracy(photos: Sequence[PhotoScores], members: np.ndarray, count: int) -> float:
    """Achievable accuracy at `count` regions, by each photo's own numbers of regions.

    Between the two nearest numbers it is interpolated linearly in their logarithm, as felzenszwalb
    and SLIC meet no number exactly; a tree does. A photo that never has so many counts with its
    largest number.
    """
    values = []
    for photo in photos:
        numbers, first = np.unique(photo.regions[members], return_index=True)
        values.append(np.interp(np.log(count), np.log(numbers), photo.accuracy[members][first]))
    return float(np.mean(values))

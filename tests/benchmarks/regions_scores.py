"""From the sweeps of single photos to one row of the regions' benchmark."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from regions_measures import AchievableAccuracy, BoundaryF, Covering, OneToOneF, Truth, boundaries

ASA_COUNTS = (50, 100)


class Cut(NamedTuple):
    """One setting of a method. Within a `family` only the scale differs, named by `kind`."""

    family: str
    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind} {self.value:.4g}{self.family and ', '}{self.family}"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A photo's labels [H, W] at every cut, the same cuts for every photo; seconds of one run."""

    seconds: float
    labels: dict[Cut, np.ndarray]


@dataclasses.dataclass(frozen=True)
class PhotoScores:
    """What is kept of a photo: a row for every cut, in the order of `cuts`."""

    seconds: float
    cuts: tuple[Cut, ...]
    regions: np.ndarray  # int64 [cuts]
    boundary: np.ndarray  # int64 [cuts, 4], of BoundaryF
    one_to_one: np.ndarray  # int64 [cuts, 4], of OneToOneF, or [0, 4] where it was not asked for.
    covering: np.ndarray  # float64 [cuts, 2]
    accuracy: np.ndarray  # float64 [cuts]


def scored(sweep: Sweep, truth: Truth, one_to_one: bool) -> PhotoScores:
    """Measures every cut of one photo."""
    near, matched = BoundaryF(truth), OneToOneF(truth)
    regions, boundary, strict, covering, accuracy = [], [], [], [], []
    for labels in sweep.labels.values():
        lines = boundaries(labels)
        boundary.append(near.counts(lines))
        if one_to_one:
            strict.append(matched.counts(lines))
        overlaps = truth.overlaps(labels)
        regions.append(overlaps[0].shape[1])
        covering.append(Covering.counts(overlaps))
        accuracy.append(AchievableAccuracy.value(overlaps))
    return PhotoScores(
        sweep.seconds,
        tuple(sweep.labels),
        np.array(regions),
        np.array(boundary),
        np.array(strict, np.int64).reshape(-1, 4),
        np.array(covering),
        np.array(accuracy),
    )


def summary(photos: Sequence[PhotoScores]) -> dict[str, Any]:
    """One method over some photos. A scale is the one that is best on these very photos (ODS)."""
    cuts = photos[0].cuts
    seconds = [photo.seconds for photo in photos]
    row: dict[str, Any] = {
        "CPU s, mean": statistics.mean(seconds),
        "CPU s, median": statistics.median(seconds),
    }
    counted = [number for number, cut in enumerate(cuts) if cut.kind == "n"]
    measures = [("F", BoundaryF.score, np.stack([photo.boundary for photo in photos]))]
    if len(photos[0].one_to_one):
        measures.append(("F 1:1", OneToOneF.score, np.stack([one.one_to_one for one in photos])))
    measures.append(("covering", Covering.score, np.stack([photo.covering for photo in photos])))
    for name, score, counts in measures:
        values = np.array([score(counts[:, number]) for number in range(len(cuts))])
        row[name] = float(values.max())
        row[f"{name} at"] = str(cuts[int(values.argmax())])
        if counted:
            best = counted[int(values[counted].argmax())]
            row[f"{name} by n alone"], row[f"{name} by n at"] = float(values[best]), str(cuts[best])
    row["covering OIS"] = max(_ois(photos, members) for members in _families(cuts))
    for count in ASA_COUNTS:
        row[f"ASA {count}"] = max(_accuracy(photos, one, count) for one in _families(cuts))
    return row


def _families(cuts: Sequence[Cut]) -> list[np.ndarray]:
    """Numbers of the cuts of each family: among them a photo may choose its own scale."""
    names = [cut.family for cut in cuts]
    return [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]


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

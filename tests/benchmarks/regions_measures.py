"""The measures of the regions' benchmark: boundary F, covering, achievable accuracy.

Each class counts one photo, and adds up or averages the counts of many. BSDS has several people's
segmentations of a photo; every measure treats them as the benchmark of Arbelaez et al. does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
import scipy.ndimage
import scipy.sparse.csgraph
from skimage.morphology import thin

TOLERANCE = 0.0075  # Of the photo's diagonal: Martin et al. 2004 and every BSDS table since.


@dataclasses.dataclass(frozen=True)
class Truth:
    """What people drew: int64 [H, W] from 0 each, and their boundaries, bool [H, W] each."""

    segmentations: tuple[np.ndarray, ...]
    boundaries: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, segmentations: Sequence[np.ndarray]) -> Truth:
        """With the boundaries that follow from the segmentations, as those of BSDS do."""
        maps = tuple(np.unique(one, return_inverse=True)[1] for one in segmentations)
        return cls(maps, tuple(boundaries(one) for one in maps))

    @classmethod
    def read(cls, path: Path) -> Truth:
        """From one of BSDS500's groundTruth/*.mat."""
        people = [one[0, 0] for one in scipy.io.loadmat(path)["groundTruth"][0]]
        maps = [np.unique(one["Segmentation"], return_inverse=True)[1] for one in people]
        return cls(tuple(maps), tuple(one["Boundaries"] > 0 for one in people))

    def overlaps(self, labels: np.ndarray) -> list[np.ndarray]:
        """Pixels shared by each person's region (row) and each of `labels` (column), int64."""
        present = np.bincount(labels.ravel()) > 0
        found, columns = (np.cumsum(present) - 1)[labels], int(present.sum())
        tables = []
        for drawn in self.segmentations:
            rows = int(drawn.max()) + 1
            both = drawn.ravel() * columns + found.ravel()
            tables.append(np.bincount(both, minlength=rows * columns).reshape(rows, columns))
        return tables


def boundaries(labels: np.ndarray) -> np.ndarray:
    """The lines between regions, one pixel wide: int [H, W] -> bool [H, W].

    A pixel that differs from its right, lower or lower right neighbour, thinned: what BSDS's
    `seg2bdry` and `bwmorph(..., 'thin')` give, pixel for pixel.
    """
    line = np.zeros(labels.shape, bool)
    line[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    line[:-1] |= labels[:-1] != labels[1:]
    line[:-1, :-1] |= labels[:-1, :-1] != labels[1:, 1:]
    return thin(line)


class BoundaryF:
    """F of a segmentation's boundaries, 2PR / (P + R), matched by distance.

    P is the share of the boundary pixels found that lie within `TOLERANCE` of a pixel that anyone
    drew; R the share of the pixels drawn, summed over people, that lie so near to one found. Both
    are ratios of sums over all photos. Source: Martin, Fowlkes and Malik, TPAMI 2004, and
    `evaluation_bdry_image.m` of Arbelaez et al., TPAMI 2011.

    The benchmark matches pixels one to one and interpolates between scales; here a distance
    transform lets one drawn pixel answer for several found ones, and no scale is interpolated.
    Two lines along one edge both count as right, so this F is above published ones, and farthest
    for methods that draw such lines. `OneToOneF` is the published one.
    """

    def __init__(self, truth: Truth) -> None:
        self._drawn = truth.boundaries
        self._reach = TOLERANCE * float(np.hypot(*truth.boundaries[0].shape))
        self._near_drawn = _within(np.any(truth.boundaries, axis=0), self._reach)

    def counts(self, found: np.ndarray) -> np.ndarray:
        """Pixels right, found, recalled and drawn, int64 [4]; `found` as `boundaries` gives it."""
        right, recalled = self._matched(found) if found.any() else (0, 0)
        return np.array([right, found.sum(), recalled, np.sum(self._drawn)], np.int64)

    def _matched(self, found: np.ndarray) -> tuple[int, int]:
        near_found = _within(found, self._reach)
        recalled = sum(int((drawn & near_found).sum()) for drawn in self._drawn)
        return int((found & self._near_drawn).sum()), recalled

    @staticmethod
    def score(counts: np.ndarray) -> float:
        """F of all photos at one scale: counts [photos, 4] -> 0..1."""
        right, found, recalled, drawn = np.asarray(counts, np.float64).sum(axis=0)
        precision, recall = right / max(found, 1), recalled / max(drawn, 1)
        return float(2 * precision * recall / max(precision + recall, 1e-12))


class OneToOneF(BoundaryF):
    """`BoundaryF` where a pixel found matches at most one pixel of each person's, and conversely.

    The benchmark's own rule (`correspondPixels`): the matching of least total distance, a pixel
    found that has no partner costing 100 times the reach. As slow as all the rest together.
    """

    def _matched(self, found: np.ndarray) -> tuple[int, int]:
        right, recalled = np.zeros(int(found.sum()), bool), 0
        for drawn in self._drawn:
            partnered = _partnered(found, drawn, self._reach)
            right[partnered] = True
            recalled += len(partnered)
        return int(right.sum()), recalled


class Covering:
    """Covering of people's regions by a segmentation's: mean of the best IoU, weighted by area.

        C = sum_R |R| max_R' |R and R'| / |R or R'|  /  sum_R |R|

    over the regions R of all people and all photos: a photo that more people drew weighs more.
    ODS has one scale for all photos, OIS each photo's best. Source: Arbelaez et al., TPAMI 2011,
    "segmentation covering", summed as `evaluation_reg_image.m` and `collect_eval_reg.m` do.
    """

    @staticmethod
    def counts(overlaps: Sequence[np.ndarray]) -> np.ndarray:
        """Area times best IoU, and area: float64 [2] of `Truth.overlaps`."""
        covered = area = 0.0
        for table in overlaps:
            drawn, found = table.sum(axis=1), table.sum(axis=0)
            iou = table / (drawn[:, None] + found[None] - table)
            covered += float((drawn * iou.max(axis=1)).sum())
            area += float(drawn.sum())
        return np.array([covered, area])

    @staticmethod
    def score(counts: np.ndarray) -> float:
        """Of all photos at the scale, or scales, chosen: counts [photos, 2] -> 0..1."""
        covered, area = np.sum(counts, axis=0)
        return float(covered / area)


class AchievableAccuracy:
    """Share of pixels right when every region takes the best label there is for it.

        ASA = sum_R' max_R |R and R'| / pixels

    for one person's regions R, then the mean over people, then over photos. It never falls when a
    region is split, so methods are compared at one number of regions.
    Source: Liu, Tuzel, Ramalingam and Chellappa, Entropy Rate Superpixel Segmentation, CVPR 2011.
    """

    @staticmethod
    def value(overlaps: Sequence[np.ndarray]) -> float:
        """Of one photo, 0..1, from `Truth.overlaps`."""
        return float(np.mean([table.max(axis=0).sum() / table.sum() for table in overlaps]))


def _within(lines: np.ndarray, reach: float) -> np.ndarray:
    if not lines.any():
        return np.zeros(lines.shape, bool)
    return scipy.ndimage.distance_transform_edt(~lines) <= reach


def _partnered(found: np.ndarray, drawn: np.ndarray, reach: float) -> np.ndarray:
    """Numbers, in row-major order, of the pixels found that have a partner among those drawn."""
    near, partners, costs = _pairs(found, drawn, reach)
    rows, row_of = np.unique(near, return_inverse=True)
    columns = int(drawn.sum())
    # A column for each row's having no partner, so that every row always has one. A cost of 0
    # would read as no pair at all: 1 more for everyone changes nothing.
    alone = np.arange(len(rows))
    index = np.concatenate([row_of, alone]), np.concatenate([partners, columns + alone])
    weights = 1 + np.concatenate([costs, np.full(len(rows), 100 * reach)])
    table = scipy.sparse.csr_array((weights, index), shape=(len(rows), columns + len(rows)))
    matched, column = scipy.sparse.csgraph.min_weight_full_bipartite_matching(table)
    return rows[matched[column < columns]]


def _pairs(found: np.ndarray, drawn: np.ndarray, reach: float) -> tuple[np.ndarray, ...]:
    """Pairs within `reach`: numbers of the pixel found and of the one drawn, and their distance."""
    margin = int(reach)
    number = np.full(np.add(drawn.shape, 2 * margin), -1)
    y, x = np.nonzero(drawn)
    number[y + margin, x + margin] = np.arange(len(y))
    y, x = np.nonzero(found)
    near, partners, distances = [], [], []
    span = range(-margin, margin + 1)
    for dy, dx in ((dy, dx) for dy in span for dx in span if np.hypot(dy, dx) <= reach):
        partner = number[y + dy + margin, x + dx + margin]
        near.append(np.flatnonzero(partner >= 0))
        partners.append(partner[near[-1]])
        distances.append(np.full(len(near[-1]), np.hypot(dy, dx)))
    return np.concatenate(near), np.concatenate(partners), np.concatenate(distances)

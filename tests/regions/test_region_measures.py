"""The measures of tests/benchmarks/regions.py, on cases a reader can work out by hand."""

from __future__ import annotations

import importlib
from itertools import permutations
from types import ModuleType

import numpy as np
import pytest
import scipy.io

HALVES = np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0)
ONE = np.zeros((4, 6), int)


@pytest.fixture(scope="module")
def scripts(repository):
    """tests/benchmarks is a folder of scripts, no package: each imports its neighbours by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository / "tests" / "benchmarks")
        yield importlib.import_module


@pytest.fixture(scope="module")
def measures(scripts) -> ModuleType:
    return scripts("regions_measures")


@pytest.fixture(scope="module")
def scores(scripts) -> ModuleType:
    return scripts("regions_scores")


def line(column: int, height: int = 200, width: int = 200) -> np.ndarray:
    """A vertical line; at 200 x 200 the reach is 2.12 pixels."""
    found = np.zeros((height, width), bool)
    found[:, column] = True
    return found


def truth_of(measures, *lines: np.ndarray):
    return measures.Truth((np.zeros(lines[0].shape, int),) * len(lines), lines)


def test_boundaries_are_one_pixel_wide(measures):
    expected = np.zeros((4, 6), bool)
    expected[:, 2] = True
    np.testing.assert_array_equal(measures.boundaries(HALVES), expected)
    assert not measures.boundaries(ONE).any()
    # Along a diagonal the differences make a staircase, and an end may keep its corner.
    diagonal = measures.boundaries(np.tri(9, dtype=int))
    np.testing.assert_array_equal(diagonal.sum(axis=1)[:-2], 7 * [1])


def test_overlaps_count_shared_pixels(measures):
    truth = measures.Truth.of([HALVES * 7, ONE])  # Ids need not follow one another.
    labels = np.repeat([[5, 5, 5, 5, 9, 9]], 4, axis=0)
    first, second = truth.overlaps(labels)
    np.testing.assert_array_equal(first, [[12, 0], [4, 8]])
    np.testing.assert_array_equal(second, [[16, 8]])


def test_covering_by_hand(measures):
    truth = measures.Truth.of([HALVES, ONE])
    same = measures.Covering.counts(truth.overlaps(HALVES))
    # The first person's halves are met; the second's whole has IoU 1/2 at best.
    np.testing.assert_allclose(same, [12 + 12 + 24 / 2, 48])
    assert measures.Covering.score([same, same]) == pytest.approx(0.75)
    labels = np.repeat([[0, 0, 0, 0, 1, 1]], 4, axis=0)
    first = 12 * 12 / 16 + 12 * 8 / 12
    found = measures.Covering.counts(truth.overlaps(labels))
    np.testing.assert_allclose(found, [first + 24 * 16 / 24, 48])


def test_covering_weighs_people_not_photos(measures):
    bad = measures.Covering.counts(measures.Truth.of([HALVES] * 3).overlaps(ONE))
    good = measures.Covering.counts(measures.Truth.of([ONE]).overlaps(ONE))
    assert measures.Covering.score([bad, good]) == pytest.approx((3 * 0.5 + 1) / 4)


def test_achievable_accuracy_by_hand(measures):
    truth = measures.Truth.of([HALVES, ONE])
    labels = np.repeat([[0, 0, 0, 0, 1, 1]], 4, axis=0)
    value = measures.AchievableAccuracy.value(truth.overlaps(labels))
    assert value == pytest.approx(((12 + 8) / 24 + 1) / 2)
    pixels = np.arange(24).reshape(4, 6)
    assert measures.AchievableAccuracy.value(truth.overlaps(pixels)) == 1


@pytest.mark.parametrize("kind", ["BoundaryF", "OneToOneF"])
@pytest.mark.parametrize(("shift", "matched"), [(0, 200), (2, 200), (3, 0)])
def test_a_line_matches_within_the_reach(measures, kind, shift, matched):
    counts = getattr(measures, kind)(truth_of(measures, line(100))).counts(line(100 + shift))
    np.testing.assert_array_equal(counts, [matched, 200, matched, 200])


def test_a_doubled_line_is_half_wrong_only_one_to_one(measures):
    truth, doubled = truth_of(measures, line(100)), line(99) | line(101)
    near = measures.BoundaryF(truth).counts(doubled)
    np.testing.assert_array_equal(near, [400, 400, 200, 200])
    assert measures.BoundaryF.score([near]) == 1
    strict = measures.OneToOneF(truth).counts(doubled)
    np.testing.assert_array_equal(strict, [200, 400, 200, 200])
    assert measures.OneToOneF.score([strict]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", ["BoundaryF", "OneToOneF"])
def test_right_is_what_anyone_drew_and_recall_counts_everyone(measures, kind):
    truth = truth_of(measures, line(20), line(100))
    counts = getattr(measures, kind)(truth).counts(line(20))
    np.testing.assert_array_equal(counts, [200, 200, 200, 400])
    assert measures.BoundaryF.score([counts]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", ["BoundaryF", "OneToOneF"])
def test_nothing_found_or_nothing_drawn(measures, kind):
    empty = np.zeros((200, 200), bool)
    measure = getattr(measures, kind)
    np.testing.assert_array_equal(
        measure(truth_of(measures, line(3))).counts(empty), [0, 0, 0, 200]
    )
    np.testing.assert_array_equal(
        measure(truth_of(measures, empty)).counts(line(3)), [0, 200, 0, 0]
    )
    assert measure.score([[0, 0, 0, 0]]) == 0


def test_score_sums_over_photos_before_it_divides(measures):
    good, poor = [90, 90, 90, 90], [0, 10, 0, 10]
    assert measures.BoundaryF.score([good, poor]) == pytest.approx(0.9)


def test_one_to_one_takes_the_largest_matching(measures, random_generator):
    """By every way to pair a few pixels: as many pairs as any, and among those the nearest."""
    truth, found = np.zeros((2, 200, 200), bool)
    near, far = (random_generator.integers(50, 55, (5, 2)) for _ in range(2))
    truth[tuple(near.T)], found[tuple(far.T)] = True, True
    drawn, points = np.argwhere(truth), np.argwhere(found)
    reach = measures.TOLERANCE * np.hypot(200, 200)
    size = max(len(drawn), len(points))
    most = 0
    for order in permutations(range(size)):
        pairs = [(p, order[p]) for p in range(len(points)) if order[p] < len(drawn)]
        close = [np.hypot(*(points[p] - drawn[d])) <= reach for p, d in pairs]
        most = max(most, sum(close))
    counts = measures.OneToOneF(truth_of(measures, truth)).counts(found)
    np.testing.assert_array_equal(counts, [most, len(points), most, len(drawn)])
    assert 0 < most < len(points)


def photo_scores(scores, cuts, regions, covering, accuracy, edges=None):
    return scores.PhotoScores(
        seconds=1.0,
        edge_seconds=0.5,
        cuts=tuple(scores.Cut(*cut) for cut in cuts),
        regions=np.array(regions),
        edges={} if edges is None else {"F": edges},
        outlines={"F": np.array([[1, 2, 1, 2]] * len(cuts))},
        covering=np.array([[value, 1.0] for value in covering]),
        accuracy=np.array(accuracy, float),
    )


def test_ods_has_one_scale_and_ois_one_for_each_photo(scores):
    cuts = [("", "n", 2), ("", "n", 9), ("", "threshold", 0.5)]
    first = photo_scores(scores, cuts, [2, 9, 4], [0.9, 0.1, 0.6], [0.5] * 3)
    second = photo_scores(scores, cuts, [2, 9, 7], [0.1, 0.7, 0.6], [0.5] * 3)
    row = scores.summary([first, second])
    assert row["covering"] == pytest.approx(0.6)
    assert row["covering at"] == "threshold 0.5"
    assert row["covering, by n"] == pytest.approx(0.5)
    assert row["covering, by n at"] == "n 2"
    assert row["covering OIS"] == pytest.approx(0.8)


def test_ois_stays_within_a_family(scores):
    cuts = [("sigma 1", "scale", 1), ("sigma 2", "scale", 1)]
    first = photo_scores(scores, cuts, [5, 5], [0.9, 0.1], [0.5] * 2)
    second = photo_scores(scores, cuts, [5, 5], [0.1, 0.7], [0.5] * 2)
    row = scores.summary([first, second])
    assert row["covering OIS"] == pytest.approx(0.5)
    assert not {"covering, by n", "F", "CPU s, map alone"} & set(row)


def test_f_of_a_map_has_one_threshold_and_stands_beside_that_of_the_outlines(scores):
    edges = np.tile([0, 10, 0, 10], (len(scores.EDGE_THRESHOLDS), 1))
    first, second = edges.copy(), edges.copy()
    first[[3, 7]] = [[10, 10, 10, 10], [8, 10, 8, 10]]
    second[7] = [6, 10, 6, 10]
    cuts = [("", "n", 2)]
    row = scores.summary([photo_scores(scores, cuts, [2], [1], [1], of) for of in (first, second)])
    assert row["F"] == pytest.approx(0.7)
    assert row["F at"] == f"map > {scores.EDGE_THRESHOLDS[7]:.3g}"
    assert row["F of outlines"] == pytest.approx(0.5)
    assert row["CPU s, map alone"] == 0.5


def test_accuracy_is_that_of_the_best_family(scores):
    cuts = [("small", "scale", 1), ("large", "scale", 1), ("large", "scale", 2)]
    row = scores.summary([photo_scores(scores, cuts, [50, 50, 10], [1] * 3, [0.6, 0.8, 0.9])])
    assert row["ASA 50"] == pytest.approx(0.8)
    assert row["ASA 50 at"] == "large"


def test_accuracy_is_read_off_at_the_count(scores):
    cuts = [("", "scale", scale) for scale in (1, 2, 3)]
    between = photo_scores(scores, cuts, [100, 25, 10], [1] * 3, [0.9, 0.7, 0.1])
    row = scores.summary([between])
    assert row["ASA 50"] == pytest.approx(0.8)
    assert row["ASA 100"] == pytest.approx(0.9)
    few = photo_scores(scores, cuts, [30, 20, 10], [1] * 3, [0.9, 0.7, 0.1])
    assert scores.summary([few])["ASA 100"] == pytest.approx(0.9)


def test_a_sweep_is_measured_cut_by_cut(measures, scores):
    edges = np.where(measures.boundaries(HALVES), 0.4, 0).astype(np.float32)
    labels = {scores.Cut("", "n", 2): HALVES, scores.Cut("", "n", 1): ONE}
    sweep = scores.Sweep(0.5, labels, 0.3, edges)
    found = scores.scored(sweep, measures.Truth.of([HALVES]), one_to_one=True)
    np.testing.assert_array_equal(found.regions, [2, 1])
    below = scores.EDGE_THRESHOLDS[:, None] < 0.4
    for name in ("F", "F 1:1"):
        np.testing.assert_array_equal(found.outlines[name], [[4, 4, 4, 4], [0, 0, 0, 4]])
        np.testing.assert_array_equal(
            found.edges[name], np.where(below, [4, 4, 4, 4], [0, 0, 0, 4])
        )
    np.testing.assert_array_equal(found.covering, [[24, 24], [12, 24]])
    np.testing.assert_array_equal(found.accuracy, [1, 0.5])


@pytest.mark.real
def test_boundaries_are_those_that_bsds_has(measures, real):
    for name in ("101085", "16077", "42049"):
        path = real / "bsds_val" / "groundTruth" / f"{name}.mat"
        truth = measures.Truth.read(path)
        assert len(truth.segmentations) == scipy.io.loadmat(path)["groundTruth"].shape[1]
        for segmentation, drawn in zip(truth.segmentations, truth.boundaries, strict=True):
            np.testing.assert_array_equal(measures.boundaries(segmentation), drawn)

"""Intervals over photos, against resamples that are summed one photo at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wsss_tf.metrics import bootstrap, paired_bootstrap, tallies_from_rows


def draws_by_loops(tallies, resamples, seed):
    generator, drawn = np.random.default_rng(seed), []
    photos, _, classes = tallies.shape
    for _ in range(resamples):
        intersection, union = [0] * classes, [0] * classes
        for photo in generator.integers(photos, size=photos).tolist():
            for k in range(classes):
                intersection[k] += int(tallies[photo, 0, k])
                union[k] += int(tallies[photo, 1, k])
        iou = [i / u for i, u in zip(intersection, union, strict=True) if u]
        drawn.append(sum(iou) / len(iou) if iou else math.nan)
    return np.array(drawn)


def quantiles(drawn, level):
    """Linear between the order statistics, as numpy's own."""
    ordered = sorted(value for value in drawn.tolist() if not math.isnan(value))
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = share * (len(ordered) - 1)
        low, rest = int(place), place - int(place)
        high = min(low + 1, len(ordered) - 1)
        ends.append(ordered[low] + rest * (ordered[high] - ordered[low]))
    return ends


@pytest.fixture
def tallies(random_generator):
    """9 photos of 4 classes; class 2 in one photo only, class 3 in none."""
    union = random_generator.integers(0, 1000, (9, 4))
    union[1:, 2] = 0
    union[:, 3] = 0
    intersection = (union * random_generator.random((9, 4))).astype(int)
    return np.stack([intersection, union], axis=1)


@pytest.mark.parametrize("resamples", [1, 37, 230])
@pytest.mark.parametrize(("level", "seed"), [(0.95, 0), (0.5, 3)])
def test_intervals_match_loops(tallies, resamples, level, seed):
    found = bootstrap(tallies, resamples=resamples, level=level, seed=seed)
    expected = quantiles(draws_by_loops(tallies, resamples, seed), level)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)
    assert (found.level, found.resamples, found.seed) == (level, resamples, seed)


def test_pairs_take_the_same_photos(tallies, random_generator):
    other = tallies.copy()
    other[:, 0] = (other[:, 1] * random_generator.random((9, 4))).astype(int)
    found = paired_bootstrap(tallies, other, resamples=150)
    drawn = draws_by_loops(other, 150, 0) - draws_by_loops(tallies, 150, 0)
    np.testing.assert_allclose([found.low, found.high], quantiles(drawn, 0.95), rtol=1e-12)
    back = paired_bootstrap(other, tallies, resamples=150)
    np.testing.assert_allclose([back.low, back.high], [-found.high, -found.low])
    same = paired_bootstrap(tallies, tallies)
    assert (same.low, same.high) == (0.0, 0.0)


def test_pairs_see_what_single_intervals_hide(random_generator):
    union = np.full((40, 1), 1000)
    hard = random_generator.integers(100, 900, (40, 1))
    first, second = (np.stack([hits, union], axis=1) for hits in (hard, hard + 20))
    assert bootstrap(first).high > bootstrap(second).low
    assert paired_bootstrap(first, second).low == pytest.approx(0.02)


def test_an_interval_holds_the_truth_about_as_often_as_it_says(random_generator):
    """200 samples of 60 photos, whose expected IoU is one half."""
    inside = 0
    for _ in range(200):
        union = np.full((60, 1), 1000)
        hits = random_generator.integers(0, 1001, (60, 1))
        found = bootstrap(np.stack([hits, union], axis=1), resamples=200)
        inside += found.low <= 0.5 <= found.high
    assert 0.88 <= inside / 200 <= 0.99


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("photos", [0, 3])
def test_without_pixels_there_is_no_interval(photos):
    found = bootstrap(np.zeros((photos, 2, 4), int), resamples=10)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_draw_without_any_pixel_has_no_part(random_generator):
    tallies = np.zeros((2, 2, 1), int)
    tallies[0] = [[3], [4]]
    assert np.isnan(draws_by_loops(tallies, 100, 0)).any()
    found = bootstrap(tallies, resamples=100)
    assert (found.low, found.high) == (0.75, 0.75)


def test_one_photo_has_an_interval_of_no_width():
    found = bootstrap([[[1, 5], [2, 5]]])
    assert (found.low, found.high) == (0.75, 0.75)


def test_tallies_come_back_from_rows():
    rows = [{"tally": {"dog": [1, 4], "background": [5, 6]}}, {"tally": {}}]
    found = tallies_from_rows(rows, ("background", "cat", "dog"))
    np.testing.assert_array_equal(found[0], [[5, 0, 1], [6, 0, 4]])
    assert not found[1].any()
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda good: bootstrap(good[0]), r"shape \[photos, 2, classes\]"),
        (lambda good: bootstrap(good, level=1.0), r"`level` must be in \(0, 1\)"),
        (lambda good: bootstrap(good, resamples=0), "`resamples` must be at least 1"),
        (lambda good: paired_bootstrap(good, good[:2]), "must be of the photos of `first`"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((3, 2, 2), int))

"""Merging: against a loop that looks at every pair anew at each step."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.regions.merging import merge
from wsss_tf.regions.watershed import Basins


def priority(entry, regions, one, other):
    strength, length = entry
    area = min(regions[one][0], regions[other][0]) / 0.01
    apart = sum((a - b) ** 2 for a, b in zip(regions[one][1], regions[other][1], strict=True))
    return strength / length * area**0.15 * ((apart + 2.0**2) / 20.0**2) ** 0.2


def merge_by_loops(basins):
    """O(n^3): all pairs are ranked at each step, and the cheapest of the smallest ids merges."""
    shares = basins.areas / basins.areas.sum()
    regions = {index: (share, basins.colours[index]) for index, share in enumerate(shares)}
    entries = {}
    for pair, strength, length in zip(
        basins.pairs.tolist(), basins.strengths, basins.lengths, strict=True
    ):
        entries[tuple(pair)] = (float(strength), int(length))
    steps, heights, height = [], [], 0.0
    while entries:
        ranked = {pair: priority(entry, regions, *pair) for pair, entry in entries.items()}
        # The same priority by another order of additions is a tie.
        least = min(ranked.values())
        pair = min(pair for pair, value in ranked.items() if value <= least * (1.0 + 1e-12))
        height = max(height, ranked[pair])
        neighbours = [sum(region in other for other in entries) for region in pair]
        kept, gone = pair if neighbours[0] >= neighbours[1] else pair[::-1]
        steps.append([kept, gone])
        heights.append(height / (1.0 + height))
        area = regions[kept][0] + regions[gone][0]
        colour = sum(regions[index][0] / area * regions[index][1] for index in pair)
        del regions[gone], entries[pair]
        regions[kept] = (area, colour)
        joined = {}
        for other, (strength, length) in entries.items():
            moved = tuple(sorted(kept if index == gone else index for index in other))
            before = joined.get(moved, (0.0, 0))
            joined[moved] = (before[0] + strength, before[1] + length)
        entries = joined
    return np.array(steps, np.int32).reshape(-1, 2), heights


def grid_pairs(rows, columns):
    ids = np.arange(rows * columns).reshape(rows, columns)
    beside = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()], axis=1)
    below = np.stack([ids[:-1].ravel(), ids[1:].ravel()], axis=1)
    pairs = np.concatenate([beside, below])
    return pairs[np.lexsort(pairs.T[::-1])]


def some_basins(generator, rows, columns, *, strengths=None, lengths=None, areas=None):
    """Regions in a grid; whatever is not given is random."""
    pairs, count = grid_pairs(rows, columns), rows * columns
    if lengths is None:
        lengths = generator.integers(1, 20, len(pairs))
    if strengths is None:
        strengths = generator.random(len(pairs)) * lengths
    if areas is None:
        areas = generator.integers(1, 200, count)
    colours = generator.uniform(-50.0, 50.0, (count, 3))
    labels = np.arange(count, dtype=np.int32).reshape(rows, columns)
    return Basins(labels, areas, colours, pairs, strengths, lengths)


@pytest.mark.parametrize("seed", range(6))
def test_merge_matches_loops(seed):
    basins = some_basins(np.random.default_rng(seed), 5, 7)
    steps, heights = merge(basins)
    expected_steps, expected_heights = merge_by_loops(basins)
    assert steps.dtype == np.int32
    assert heights.dtype == np.float32
    np.testing.assert_array_equal(steps, expected_steps)
    np.testing.assert_allclose(heights, expected_heights, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_ties_of_strength_and_area_go_to_the_smaller_ids(seed):
    """Few different strengths, one area, one colour: most priorities come more than once."""
    generator = np.random.default_rng(seed)
    count = len(grid_pairs(5, 5))
    basins = some_basins(
        generator,
        5,
        5,
        strengths=generator.choice([0.25, 0.5, 1.0], count),
        lengths=np.ones(count, np.int64),
        areas=np.full(25, 4),
    )
    basins = basins._replace(colours=np.zeros((25, 3)))
    steps, heights = merge(basins)
    expected_steps, expected_heights = merge_by_loops(basins)
    np.testing.assert_array_equal(steps, expected_steps)
    np.testing.assert_allclose(heights, expected_heights, rtol=1e-6)


def test_no_strength_at_all_merges_in_order_of_ids(random_generator):
    """A photo whose energy is zero: priorities are 0, and so are heights."""
    basins = some_basins(random_generator, 3, 4, strengths=np.zeros(17))
    steps, heights = merge(basins)
    np.testing.assert_array_equal(steps, merge_by_loops(basins)[0])
    assert not heights.any()


def test_heights_rise_where_priorities_fall():
    """A small strong region merges late; what is around it is weak by then."""
    for seed in range(5):
        heights = merge(some_basins(np.random.default_rng(seed), 6, 6))[1]
        assert heights.min() >= 0.0
        assert heights.max() < 1.0
        assert (np.diff(heights) >= 0.0).all()


def test_the_weakest_boundary_goes_first():
    """Alike but for one strength."""
    strengths = np.ones(len(grid_pairs(3, 3)))
    strengths[5] = 0.1
    basins = some_basins(
        np.random.default_rng(0),
        3,
        3,
        strengths=strengths,
        lengths=np.ones(12, np.int64),
        areas=np.ones(9, np.int64),
    )
    basins = basins._replace(colours=np.zeros((9, 3)))
    assert sorted(merge(basins)[0][0].tolist()) == basins.pairs[5].tolist()


def test_one_region_has_nothing_to_merge():
    nothing = np.zeros(0)
    basins = Basins(
        np.zeros((2, 3), np.int32),
        np.array([6]),
        np.zeros((1, 3)),
        np.zeros((0, 2), np.int64),
        nothing,
        nothing.astype(np.int64),
    )
    steps, heights = merge(basins)
    assert steps.shape == (0, 2)
    assert heights.shape == (0,)

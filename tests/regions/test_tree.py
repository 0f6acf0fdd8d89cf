"""RegionTree: cuts, contours and files, against merging one step after another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wsss_tf.regions import RegionTree


def merged(finest, merges, steps):
    """Labels after so many merges, one at a time; ids as the regions kept have them."""
    labels = finest.copy()
    for kept, gone in merges[:steps]:
        labels[labels == gone] = kept
    return labels


def same_regions(one, other):
    pairs = {(int(a), int(b)) for a, b in zip(one.ravel(), other.ravel(), strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def contours_by_loops(finest, merges, heights):
    """Of each pixel and its right and lower neighbours: the height of the step that joins them."""
    height, width = finest.shape
    result = np.zeros(finest.shape, np.float32)
    stages = [merged(finest, merges, steps) for steps in range(len(merges) + 1)]
    for row in range(height):
        for column in range(width):
            for down, right in ((0, 1), (1, 0)):
                if row + down < height and column + right < width:
                    joined = next(
                        step
                        for step, labels in enumerate(stages)
                        if labels[row, column] == labels[row + down, column + right]
                    )
                    if joined:
                        strength = heights[joined - 1]
                        result[row, column] = max(result[row, column], strength)
    return result


def parts(seed, count=14, shape=(6, 8)):
    """A random tree: (finest, merges, heights), some heights alike."""
    generator = np.random.default_rng(seed)
    finest = generator.permutation(np.arange(shape[0] * shape[1]) % count).reshape(shape)
    there, merges = list(range(count)), []
    while len(there) > 1:
        kept, gone = generator.choice(there, 2, replace=False)
        merges.append((kept, gone))
        there.remove(gone)
    heights = np.sort(generator.choice(np.linspace(0.0, 1.0, 9), count - 1))
    return finest.astype(np.int32), np.array(merges, np.int32), heights.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_a_number_match_loops(seed):
    finest, merges, heights = parts(seed)
    tree = RegionTree(finest, merges, heights)
    assert tree.count == 14
    for n in (1, 2, 7, 13, 14, 15, 10**9):
        labels = tree.labels(n=n)
        assert labels.dtype == np.int32
        assert set(np.unique(labels)) == set(range(min(n, 14)))
        assert same_regions(labels, merged(finest, merges, max(14 - n, 0)))


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_a_threshold_match_loops(seed):
    finest, merges, heights = parts(seed)
    tree = RegionTree(finest, merges, heights)
    for threshold in (0.0, 0.3, 0.5, 1.0):
        labels = tree.labels(threshold=threshold)
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
        assert same_regions(labels, merged(finest, merges, int((heights <= threshold).sum())))
    assert not tree.labels(threshold=1.0).any()


@pytest.mark.parametrize("seed", range(3))
def test_layers_are_nested_and_in_the_order_asked_for(seed):
    tree = RegionTree(*parts(seed))
    layers = tree.layers((2, 5, np.int64(11)))
    assert layers.shape == (3, 6, 8)
    assert layers.dtype == np.int32
    for layer, n in zip(layers, (2, 5, 11), strict=True):
        np.testing.assert_array_equal(layer, tree.labels(n=n))
    for coarse, fine in itertools.pairwise(layers):
        for region in range(fine.max() + 1):
            assert len(np.unique(coarse[fine == region])) == 1
    np.testing.assert_array_equal(tree.layers([11, 2]), layers[[2, 0]])


@pytest.mark.parametrize("seed", range(3))
def test_ultrametric_matches_loops(seed):
    finest, merges, heights = parts(seed)
    contour = RegionTree(finest, merges, heights).ultrametric()
    assert contour.dtype == np.float32
    np.testing.assert_array_equal(contour, contours_by_loops(finest, merges, heights))


def test_a_contour_parts_below_its_height_and_joins_at_it():
    tree = RegionTree(*parts(0))
    contour = tree.ultrametric()
    for row, column in zip(*np.nonzero(contour), strict=True):
        height = float(contour[row, column])
        beside = [(row, min(column + 1, 7)), (min(row + 1, 5), column)]
        for threshold, parted in ((np.nextafter(height, 0.0), True), (height, False)):
            labels = tree.labels(threshold=threshold)
            assert any(labels[row, column] != labels[place] for place in beside) == parted


def test_a_tree_of_a_reduced_photo_answers_at_full_size():
    finest, merges, heights = parts(1)
    small, tree = RegionTree(finest, merges, heights), RegionTree(finest, merges, heights, (11, 16))
    assert tree.shape == (11, 16)
    assert tree.ultrametric().shape == (11, 16)
    rows = (2 * np.arange(11) + 1) * 6 // 22
    for cut in ({"n": 5}, {"threshold": 0.4}):
        expected = small.labels(**cut)[rows][:, np.arange(16) // 2]
        np.testing.assert_array_equal(tree.labels(**cut), expected)
    assert tree.layers((3, 5)).shape == (2, 11, 16)


@pytest.mark.parametrize("cut", [{}, {"n": 3, "threshold": 0.5}])
def test_either_a_number_or_a_threshold(cut):
    with pytest.raises(ValueError, match="Give `n` or `threshold`"):
        RegionTree(*parts(0)).labels(**cut)


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "3"])
def test_numbers_out_of_range_are_refused(n):
    tree = RegionTree(*parts(0))
    with pytest.raises(ValueError, match="`n` must be a whole number"):
        tree.labels(n=n)
    with pytest.raises(ValueError, match="`n` must be a whole number"):
        tree.layers([2, n])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), float("inf")])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match="`threshold` must be in"):
        RegionTree(*parts(0)).labels(threshold=threshold)


def test_no_layers_are_refused():
    with pytest.raises(ValueError, match="one number of regions or more"):
        RegionTree(*parts(0)).layers(())
    with pytest.raises(ValueError, match=r"or more, \(100,\). Received: n=25"):
        RegionTree(*parts(0)).layers(25)


def test_a_tree_keeps_no_hold_of_what_it_was_made_of():
    finest, merges, heights = parts(0)
    tree = RegionTree(finest, merges, heights)
    before = tree.labels(n=5)
    finest[:], merges[:], heights[:] = 0, 0, 0.0
    np.testing.assert_array_equal(tree.labels(n=5), before)
    tree.labels(n=14)[:] = 0
    np.testing.assert_array_equal(tree.labels(n=5), before)

"""RegionTree.arrays and from_arrays: the same tree again, and refusals of anything else."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.regions import RegionTree


@pytest.fixture
def arrays():
    """Four regions in a row of six pixels."""
    finest = np.array([[0, 0, 1, 2, 3, 3]])
    merges = np.array([[1, 2], [1, 0], [3, 1]])
    return RegionTree(finest, merges, np.array([0.1, 0.2, 0.6]), (2, 12)).arrays()


def test_the_same_tree_comes_back_from_a_file(tmp_path, arrays):
    np.savez_compressed(tmp_path / "tree.npz", **arrays)
    first = RegionTree.from_arrays(arrays)
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as kept:
        again = RegionTree.from_arrays(kept)
    assert again.shape == first.shape == (2, 12)
    np.testing.assert_array_equal(again.ultrametric(), first.ultrametric())
    np.testing.assert_array_equal(again.layers((1, 2, 3, 4)), first.layers((1, 2, 3, 4)))


def test_ids_are_kept_as_small_as_they_fit(arrays):
    assert arrays["finest"].dtype == np.uint16
    count = 2**16
    merges = np.stack([np.zeros(count - 1, int), np.arange(1, count)], axis=1)
    tree = RegionTree(np.arange(count).reshape(256, 256), merges, np.zeros(count - 1))
    assert tree.arrays()["finest"].dtype == np.int32
    again = RegionTree.from_arrays(tree.arrays())
    np.testing.assert_array_equal(again.labels(n=300), tree.labels(n=300))


def test_one_region_is_a_tree():
    tree = RegionTree(np.zeros((2, 3), int), np.zeros((0, 2), int), np.zeros(0))
    again = RegionTree.from_arrays(tree.arrays())
    assert again.count == 1
    assert not again.labels(n=5).any()
    assert not again.ultrametric().any()


@pytest.mark.parametrize("name", ["finest", "merges", "heights", "shape"])
def test_a_missing_array_is_named(arrays, name):
    del arrays[name]
    with pytest.raises(ValueError, match=f"needs the arrays {name}"):
        RegionTree.from_arrays(arrays)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("finest", [[0, 0, 1, 2, 2, 2]], "take 2 merges"),
        ("finest", [[0, 0, 1, 1, 3, 3]], "ids 0..N-1"),
        ("finest", [[-1, 0, 1, 2, 3, 3]], "ids 0..N-1"),
        ("finest", [0, 1, 2, 3], "`finest` must be integers"),
        ("finest", np.zeros((0, 6), int), "`finest` must be integers"),
        ("finest", [[0.0, 0.0, 1.0, 2.0, 3.0, 3.5]], "`finest` is of the wrong type"),
        ("merges", [[1, 2], [1, 0]], "take 3 merges"),
        ("merges", [[1, 2], [1, 0], [4, 1]], "ids in 0..3"),
        ("merges", [[1, 2], [1, 0], [-3, 1]], "ids in 0..3"),
        ("merges", [[1, 2], [1, 2], [3, 1]], "take in each region once"),
        ("merges", [[1, 2], [2, 0], [3, 1]], "still there"),
        ("merges", [[1, 2], [1, 0], [1, 1]], "still there"),
        ("merges", [[1.5, 2], [1, 0], [3, 1]], "`merges` is of the wrong type"),
        ("heights", [0.1, 0.2], "as many heights"),
        ("heights", [0.3, 0.2, 0.6], "not fall"),
        ("heights", [-0.1, 0.2, 0.6], "in 0..1"),
        ("heights", [0.1, 0.2, 1.5], "in 0..1"),
        ("heights", [0.1, np.nan, 0.6], "not fall"),
        ("heights", [np.nan, 0.2, 0.6], "in 0..1"),
        ("heights", ["a", "b", "c"], "`heights` is of the wrong type"),
        ("shape", [2, 12, 3], "two whole numbers"),
        ("shape", [2.0, 12.0], "`shape` is of the wrong type"),
        ("shape", [0, 12], "no smaller"),
        ("shape", [2, 5], "no smaller"),
    ],
)
def test_what_is_no_tree_is_refused(arrays, name, value, message):
    arrays[name] = np.array(value)
    with pytest.raises(ValueError, match=message):
        RegionTree.from_arrays(arrays)

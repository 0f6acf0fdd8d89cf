"""Basins: their measures and the strengths of their boundaries, by loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label
from skimage.color import rgb2lab

from wsss_tf.regions.watershed import basins


def boundaries_by_loops(labels, energy):
    """{pair: [summed strength, length]} over pixels side by side."""
    height, width = labels.shape
    found = {}
    for row in range(height):
        for column in range(width):
            # Right of a pixel lies orientation 0, with 7 and 1 beside it; below 4, with 3 and 5.
            for down, right, near in ((0, 1, (7, 0, 1)), (1, 0, (3, 4, 5))):
                if row + down >= height or column + right >= width:
                    continue
                one, other = labels[row, column], labels[row + down, column + right]
                if one != other:
                    strength = max(
                        max(float(energy[index, row, column]) for index in near),
                        max(float(energy[index, row + down, column + right]) for index in near),
                    )
                    entry = found.setdefault((min(one, other), max(one, other)), [0.0, 0])
                    entry[0] += strength
                    entry[1] += 1
    return found


@pytest.fixture
def noise(random_generator):
    """A photo and an energy of noise: uint8 [30, 41, 3], float32 [8, 30, 41]."""
    photo = random_generator.integers(0, 256, (30, 41, 3)).astype(np.uint8)
    return photo, random_generator.random((8, 30, 41)).astype(np.float32)


def test_boundaries_match_loops(noise):
    photo, energy = noise
    found = basins(photo, energy)
    expected = boundaries_by_loops(found.labels, energy)
    assert [tuple(pair) for pair in found.pairs.tolist()] == sorted(expected)
    strengths, lengths = zip(*(expected[pair] for pair in sorted(expected)), strict=True)
    assert found.strengths.dtype == np.float64
    np.testing.assert_allclose(found.strengths, strengths, rtol=1e-9)
    np.testing.assert_array_equal(found.lengths, lengths)


def test_basins_are_connected_and_measured(noise):
    photo, energy = noise
    found = basins(photo, energy)
    assert found.labels.dtype == np.int32
    count = found.labels.max() + 1
    assert count > 5
    assert found.areas.sum() == photo.shape[0] * photo.shape[1]
    for index in range(count):
        inside = found.labels == index
        assert label(inside)[1] == 1
        assert found.areas[index] == inside.sum()
        mean = photo[inside].astype(np.float64).mean(axis=0) / 255.0
        np.testing.assert_allclose(found.colours[index], rgb2lab(mean[None])[0], rtol=1e-9)


@pytest.mark.parametrize("orientation", [0, 2, 4, 6])
def test_a_ridge_parts_two_basins_along_itself(orientation):
    angle = orientation * np.pi / 8
    rows, columns = np.mgrid[:31, :31] - 15
    distance = np.cos(angle) * columns + np.sin(angle) * rows
    energy = np.zeros((8, 31, 31), np.float32)
    energy[orientation] = np.exp(-0.5 * (distance / 3.0) ** 2)
    found = basins(np.zeros((31, 31, 3), np.uint8), energy)
    assert found.pairs.tolist() == [[0, 1]]
    before = found.labels[distance < -1.0]
    after = found.labels[distance > 1.0]
    assert np.ptp(before) == np.ptp(after) == 0
    assert before[0] != after[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 6)])
def test_a_flat_relief_is_one_basin(shape):
    found = basins(np.full((*shape, 3), 9, np.uint8), np.full((8, *shape), 0.5, np.float32))
    assert not found.labels.any()
    assert found.areas.tolist() == [shape[0] * shape[1]]
    assert found.pairs.shape == (0, 2)
    assert found.strengths.shape == found.lengths.shape == (0,)

"""The graph of pixels, and the offsets it is made of, against loops over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.regions.affinity import affinity_matrix
from wsss_tf.regions.mutual_information import affinity_table, encode
from wsss_tf.regions.offsets import half_disc, paired


def affinity_by_loops(features, radius, codes):
    coded = [encode(part, codes) for part in features]
    tables = [affinity_table(part).astype(np.float64) for part in coded]
    height, width = coded[0].of.shape
    pixels = [(row, column) for row in range(height) for column in range(width)]
    result = np.zeros((len(pixels), len(pixels)))
    for i, one in enumerate(pixels):
        for j, other in enumerate(pixels):
            apart = (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2
            if 0 < apart <= radius**2:
                result[i, j] = 1.0
                for part, table in zip(coded, tables, strict=True):
                    result[i, j] *= table[part.of[one], part.of[other]]
    return result


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("parts", [1, 2])
def test_affinity_matrix_matches_loops(random_generator, radius, parts):
    features = [random_generator.random((7, 9, 3)).astype(np.float32) for _ in range(parts)]
    found = affinity_matrix(features, radius=radius, codes=10)
    assert found.dtype == np.float32
    expected = affinity_by_loops(features, radius, 10)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5)
    assert found.nnz == np.count_nonzero(expected)
    assert (found != found.T).nnz == 0


@pytest.mark.parametrize("radius", [1, 2, 3, 5])
def test_half_disc_has_one_of_each_opposite_two(radius):
    half = half_disc(radius)
    whole = half + [(-down, -right) for down, right in half]
    disc = [
        (down, right)
        for down in range(-radius, radius + 1)
        for right in range(-radius, radius + 1)
        if 0 < down * down + right * right <= radius * radius
    ]
    assert sorted(whole) == sorted(disc)


@pytest.mark.parametrize("offset", [(0, 1), (1, 0), (2, 3), (2, -3), (1, -1), (0, -2)])
def test_paired_matches_loops(offset):
    grid = np.arange(30).reshape(5, 6)
    first, second = paired(grid, offset)
    expected = [
        (grid[row, column], grid[row + offset[0], column + offset[1]])
        for row in range(5)
        for column in range(6)
        if row + offset[0] < 5 and 0 <= column + offset[1] < 6
    ]
    assert list(zip(first.ravel(), second.ravel(), strict=True)) == expected


@pytest.mark.parametrize("offset", [(5, 0), (9, 2), (0, 6), (1, -6), (2, 40)])
def test_paired_is_empty_beyond_the_grid(offset):
    first, second = paired(np.zeros((5, 6)), offset)
    assert first.shape == second.shape
    assert first.size == 0

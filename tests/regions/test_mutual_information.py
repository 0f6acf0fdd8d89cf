"""Mutual information: cells, the joint density and its table against loops over pixel pairs."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.regions.mutual_information import _sampled_offsets, affinity_table, encode

WIDTH = 0.05 / np.sqrt(5.0)
PRIOR, POWER = 100.0, 1.25


def kernel(first, second):
    """A Gaussian density in float64, cut where no float32 would tell."""
    distance = float(((first - second) ** 2).sum()) / (2.0 * WIDTH**2)
    return np.exp(-min(distance, 40.0)) / (np.sqrt(2.0 * np.pi) * WIDTH) ** len(first)


def table_by_loops(codes):
    """Each pair of pixels at each offset adds to the density at each pair of centres."""
    centres = codes.centres.astype(np.float64)
    cells = len(centres)
    near = np.array([[kernel(one, other) for other in centres] for one in centres])
    height, width = codes.of.shape
    joint, marginal = np.zeros((cells, cells)), np.zeros(cells)
    for (down, right), share in _sampled_offsets():
        pairs = [
            (codes.of[row, column], codes.of[row + down, column + right])
            for row in range(height)
            for column in range(width)
            if row + down < height and 0 <= column + right < width
        ]
        for one, other in pairs:
            weight = share / len(pairs) / 2.0
            for a in range(cells):
                marginal[a] += weight * (near[a, one] + near[a, other])
                for b in range(cells):
                    joint[a, b] += weight * near[a, one] * near[b, other]
                    joint[a, b] += weight * near[a, other] * near[b, one]
    return (joint + PRIOR) ** POWER / (np.outer(marginal, marginal) + PRIOR)


@pytest.fixture
def features(random_generator):
    """Two smooth halves with some noise: float32 [9, 11, 3] in 0..1."""
    base = np.where(np.arange(11)[None, :, None] < 5, 0.3, 0.6) * np.ones((9, 1, 3))
    noisy = base + 0.02 * random_generator.standard_normal((9, 11, 3))
    return np.clip(noisy, 0.0, 1.0).astype(np.float32)


@pytest.mark.parametrize("most", [2, 6, 12])
def test_affinity_table_matches_loops(features, most):
    codes = encode(features, most)
    found = affinity_table(codes)
    assert found.dtype == np.float32
    # Float32 exponents up to 10,000 lose 1e-3 of their exp.
    np.testing.assert_allclose(found, table_by_loops(codes), rtol=2e-3)
    np.testing.assert_allclose(found, found.T, rtol=1e-5)


def test_affinity_is_above_chance_inside_and_not_across(features):
    codes = encode(features, 2)
    table = affinity_table(codes)
    left, right = codes.of[4, 0], codes.of[4, 10]
    assert left != right
    assert min(table[left, left], table[right, right]) > 2.0 * table[left, right]


@pytest.mark.parametrize("most", [1, 3, 10, 500])
def test_encode_gathers_pixels_of_one_cell(random_generator, most):
    features = random_generator.random((7, 8, 3)).astype(np.float32)
    codes = encode(features, most)
    assert codes.of.dtype == np.int32
    assert codes.of.shape == (7, 8)
    cells = len(codes.centres)
    assert cells <= most
    assert set(np.unique(codes.of)) == set(range(cells))
    for cell in range(cells):
        mean = features[codes.of == cell].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(codes.centres[cell], mean, rtol=1e-5)


def test_encode_at_the_finest_keeps_colours_a_cell_apart():
    values = np.float32([0.0, 0.029, 0.031, 0.089, 0.091, 1.0])
    codes = encode(np.stack([values] * 3, axis=-1)[None], 256)
    assert codes.of.tolist() == [[0, 0, 1, 2, 3, 4]]


def test_encode_takes_one_channel_and_a_constant():
    codes = encode(np.full((3, 4, 1), 0.5, np.float32), 8)
    assert codes.of.max() == 0
    np.testing.assert_allclose(codes.centres, [[0.5]])


def test_the_shares_of_offsets_are_those_of_isolas_sampling():
    """Integrates over z on a fine grid, where the code samples."""
    steps = np.arange(-2.5, 2.5, 0.005) + 0.0025
    z = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.exp(-(z**2).sum(axis=1) / (2.0 * 0.5**2))
    offset = 2 * np.round(np.clip(z + z / np.linalg.norm(z, axis=1)[:, None], -2.0, 2.0))
    for (down, right), share in _sampled_offsets():
        assert down > 0 or (down == 0 and right > 0)
        both = (offset == (down, right)).all(axis=1) | (offset == (-down, -right)).all(axis=1)
        # 400,000 samples have a standard error of 0.0006.
        assert share == pytest.approx(weight[both].sum() / weight.sum(), abs=0.003)
    assert 0.98 < sum(share for _, share in _sampled_offsets()) <= 1.0

"""Slow modes: against scipy's full eigenproblem where the graph is small, sane where reduced."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from wsss_tf.regions.offsets import half_disc, paired
from wsss_tf.regions.spectral import _reduced, eigenvectors


def graph(shape, weight, radius=2):
    """Symmetric affinities of a grid: `weight` of the two pixels' positions."""
    pixels = np.arange(shape[0] * shape[1]).reshape(shape)
    result = sp.lil_array((pixels.size, pixels.size), dtype=np.float32)
    for offset in half_disc(radius):
        first, second = paired(pixels, offset)
        for one, other in zip(first.ravel(), second.ravel(), strict=True):
            value = weight(divmod(one, shape[1]), divmod(other, shape[1]))
            result[one, other] = result[other, one] = value
    return result.tocsr()


def full_problem(affinity, count):
    """The smallest pairs of (D - W) x = lambda D x in float64, without the constant vector."""
    dense = affinity.toarray().astype(np.float64)
    degrees = np.diag(dense.sum(axis=1))
    values, vectors = scipy.linalg.eigh(degrees - dense, degrees, subset_by_index=(0, count - 1))
    np.testing.assert_allclose(vectors[:, 0], vectors[0, 0], rtol=1e-6)
    return values[1:], vectors[:, 1:]


def whitened(vectors):
    """The nearest uncorrelated columns of variance 1: C^(-1/2) by scipy's own root."""
    centred = vectors - vectors.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    return centred @ np.linalg.inv(scipy.linalg.sqrtm(covariance).real)


def halves(one, other):
    """Strong ties inside the left 10 columns and inside the rest, weak ones between."""
    return 1.0 if (one[1] < 10) == (other[1] < 10) else 0.01


def test_small_graphs_match_the_full_problem(random_generator):
    affinity = graph((10, 13), lambda one, other: random_generator.uniform(0.1, 1.0))
    values, vectors = eigenvectors(affinity, (10, 13), count=7, nodes=200)
    expected_values, expected = full_problem(affinity, 7)
    assert values.dtype == vectors.dtype == np.float32
    assert vectors.shape == (6, 10, 13)
    # LAPACK works in float32 here.
    np.testing.assert_allclose(values, expected_values, rtol=1e-3)
    for found, column in zip(vectors, whitened(expected).T, strict=True):
        sign = np.sign((found.ravel() * column).sum())
        np.testing.assert_allclose(found.ravel(), sign * column, atol=0.02)


def test_the_sparse_solver_matches_the_full_problem(random_generator):
    """Above 800 nodes; its tolerance is 0.01 of 1 / (lambda + 1e-5)."""
    affinity = graph((30, 30), lambda one, other: random_generator.uniform(0.1, 1.0))
    values, vectors = eigenvectors(affinity, (30, 30), count=6, nodes=1000)
    expected_values, expected = full_problem(affinity, 6)
    np.testing.assert_allclose(values, expected_values, rtol=0.02)
    found = scipy.linalg.orth(vectors.reshape(5, -1).T.astype(np.float64))
    angles = scipy.linalg.subspace_angles(found, expected - expected.mean(axis=0))
    assert np.degrees(angles.max()) < 5.0


def test_the_least_eigenvalue_is_told_from_the_shift():
    """Halves that hardly hang together: lambda is no more than the solver's shift of 1e-5."""
    affinity = graph((30, 30), lambda one, other: halves(one, other) ** 2)
    values, _ = eigenvectors(affinity, (30, 30), count=3, nodes=1000)
    expected, _ = full_problem(affinity, 3)
    assert 5e-6 < expected[0] < 1e-5
    np.testing.assert_allclose(values, expected, rtol=0.03)


def test_vectors_are_white(random_generator):
    affinity = graph((20, 24), lambda one, other: random_generator.uniform(0.1, 1.0))
    for nodes in (1000, 150):
        _, vectors = eigenvectors(affinity, (20, 24), count=8, nodes=nodes)
        flat = vectors.reshape(7, -1).astype(np.float64)
        np.testing.assert_allclose(flat.mean(axis=1), 0.0, atol=1e-4)
        np.testing.assert_allclose(flat @ flat.T / flat.shape[1], np.eye(7), atol=1e-3)


def test_a_reduced_graph_still_tells_its_halves_apart():
    affinity = graph((24, 26), halves, radius=3)
    values, vectors = eigenvectors(affinity, (24, 26), count=4, nodes=160)
    assert vectors.shape == (3, 24, 26)
    assert values[0] < 0.2 * values[1]
    left, right = vectors[0, :, :10], vectors[0, :, 10:]
    assert max(left.max(), right.max()) * min(left.min(), right.min()) < 0.0
    assert left.max() < right.min() or right.max() < left.min()


def test_reduced_vectors_are_slow_in_the_full_problem(random_generator):
    """Rayleigh quotients of what was spread back, beside the lowest that there are."""
    affinity = graph((24, 26), halves, radius=3)
    dense = affinity.toarray().astype(np.float64)
    degrees = dense.sum(axis=1)
    _, vectors = eigenvectors(affinity, (24, 26), count=4, nodes=160)
    expected, _ = full_problem(affinity, 4)
    basis = vectors.reshape(3, -1).astype(np.float64).T
    basis = np.concatenate([basis, np.ones((len(basis), 1))], axis=1)
    energy = basis.T @ (np.diag(degrees) - dense) @ basis
    quotients = scipy.linalg.eigh(energy, basis.T @ (degrees[:, None] * basis))[0][1:]
    assert np.all(quotients >= expected * (1.0 - 1e-4))
    assert np.all(quotients <= 1.5 * expected)


def test_one_reduction_matches_loops(random_generator):
    shape = (17, 20)
    affinity = graph(shape, lambda one, other: random_generator.uniform(0.1, 1.0))
    dense = affinity.toarray().astype(np.float64)
    coarse, spread, grid = _reduced(affinity, shape)
    kept = [row * 20 + column for row in range(1, 17, 2) for column in range(1, 20, 2)]
    assert grid == (8, 10)
    assert len(kept) == 80
    expected = np.zeros((340, 80))
    for pixel in range(340):
        for place, node in enumerate(kept):
            expected[pixel, place] = dense[node, pixel] / max(dense[kept, pixel].sum(), 1e-12)
    np.testing.assert_allclose(spread.toarray(), expected, rtol=1e-5)
    np.testing.assert_allclose(coarse.toarray(), dense[kept] @ expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(4, 200), (200, 4), (15, 60)])
def test_a_long_graph_is_reduced_along_its_length_only(shape):
    affinity = graph(shape, lambda one, other: 1.0)
    coarse, _, grid = _reduced(affinity, shape)
    assert grid == tuple(side // 2 if side >= 16 else side for side in shape)
    assert coarse.shape == (grid[0] * grid[1],) * 2
    _, vectors = eigenvectors(affinity, shape, count=3, nodes=100)
    assert vectors.shape == (2, *shape)
    # The slowest mode of a strip goes from one end to the other.
    along = vectors[0].mean(axis=int(np.argmin(shape)))
    assert abs(np.corrcoef(along, np.arange(len(along)))[0, 1]) > 0.95


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (3, 3), (1, 9)])
def test_tiny_graphs_have_fewer_vectors(shape):
    affinity = graph(shape, lambda one, other: 1.0)
    values, vectors = eigenvectors(affinity, shape, count=32, nodes=1000)
    count = max(1, shape[0] * shape[1] // 3) - 1
    assert values.shape == (count,)
    assert vectors.shape == (count, *shape)
    assert np.isfinite(vectors).all()

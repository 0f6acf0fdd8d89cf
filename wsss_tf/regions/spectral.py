"""The slow modes of the pixel graph: vectors that change across boundaries and nowhere else."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh, splu

# Below so many nodes LAPACK's dense solver is the faster one.
_DENSE = 800
# A grid is not reduced to fewer rows, nor to fewer columns: long photos only get shorter.
_NARROWEST = 8
_SMALLEST = 1e-6
_SHIFT = 1e-5


def eigenvectors(
    affinity: sp.csr_array, shape: tuple[int, int], *, count: int, nodes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The smallest eigenpairs of the normalised cut of a graph of pixels, coarse to fine.

    The graph loses every other row and column of nodes, its affinities squared, until `nodes` are
    left or it is small both ways; the eigenvectors of the rest are spread back by the same
    transitions and whitened.

    Args:
        affinity: [h w, h w], symmetric, of positive row sums.
        shape: (h, w).
        count: of pairs, the constant vector included; fewer come of a small graph.
        nodes: of the graph that is solved, at most, where it is not small already.

    Returns:
        float32 [k] eigenvalues of (D - W) x = lambda D x, rising, without the constant vector's,
        and float32 [k, h, w]; k may be 0.

    Source: Arbelaez et al., CVPR 2014 (DNCuts, Algorithm 1); Shi and Malik, PAMI 2000.
    """
    spreads: list[sp.csr_array] = []
    grid = shape
    while True:
        if affinity.shape[0] <= nodes or max(grid) < 2 * _NARROWEST:
            try:
                values, vectors = _solved(affinity, count)
                break
            except ArpackError:  # Rare; a graph of fewer nodes is solved instead.
                if max(grid) < 2 * _NARROWEST:
                    raise
        affinity, spread, grid = _reduced(affinity, grid)
        spreads.append(spread)
    values, vectors = values[1:], vectors[:, 1:].astype(np.float32)
    for spread in reversed(spreads):
        vectors = spread @ vectors
    return values.astype(np.float32), _whitened(vectors).T.reshape(-1, *shape)


def _reduced(
    affinity: sp.csr_array, grid: tuple[int, int]
) -> tuple[sp.csr_array, sp.csr_array, tuple[int, int]]:
    """A graph of fewer nodes, the transitions [nodes, kept] that spread it back, and its grid."""
    height, width = grid
    down, right = (2 if side >= 2 * _NARROWEST else 1 for side in grid)
    kept = np.arange(height * width).reshape(grid)[down - 1 :: down, right - 1 :: right].ravel()
    rows = affinity[kept]
    reach = np.asarray(rows.sum(axis=0)).ravel() + np.float32(1e-12)
    spread = (rows @ sp.diags_array(np.float32(1.0) / reach)).T.tocsr()
    coarse = (rows @ spread).tocsr()
    return (coarse + coarse.T) * np.float32(0.5), spread, (height // down, width // right)


def _solved(affinity: sp.csr_array, count: int) -> tuple[NDArray, NDArray]:
    """Eigenvalues, rising, and eigenvectors [nodes, k] of the normalised cut."""
    size = affinity.shape[0]
    count = max(1, min(count, size // 3))
    scale = 1.0 / np.sqrt(np.maximum(np.asarray(affinity.sum(axis=1)).ravel(), 1e-30))
    normal = (sp.diags_array(scale) @ affinity @ sp.diags_array(scale)).astype(np.float64)
    if size <= _DENSE:
        among = (size - count, size - 1)
        values, vectors = scipy.linalg.eigh(
            normal.toarray().astype(np.float32), subset_by_index=among, check_finite=False
        )
    else:
        values, vectors = _shift_invert(normal, count)
    order = np.argsort(-values, kind="stable")
    return np.maximum(1.0 - values[order], _SMALLEST), vectors[:, order] * scale[:, None]


def _shift_invert(normal: sp.csr_array, count: int) -> tuple[NDArray, NDArray]:
    """The largest eigenpairs of a sparse matrix whose eigenvalues are at most 1."""
    size = normal.shape[0]
    shifted = (sp.eye_array(size, format="csc") * (1.0 + _SHIFT) - normal).tocsc()
    factors = splu(
        shifted,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    inverse = LinearOperator((size, size), matvec=factors.solve, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    subspace = min(size - 1, int(1.6 * count) + 10)
    values, vectors = eigsh(inverse, k=count, which="LA", tol=1e-2, ncv=subspace, v0=start)
    return 1.0 + _SHIFT - 1.0 / values, vectors


def _whitened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns made uncorrelated and of variance 1 by the symmetric transform, nearest to them."""
    if not vectors.shape[1]:
        return vectors
    centred = vectors - vectors.mean(axis=0)
    variances, axes = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
    least = max(1e-12 * variances[-1], np.finfo(np.float64).tiny)
    root = (axes / np.sqrt(np.maximum(variances, least))) @ axes.T
    return centred @ root.astype(np.float32)

"""How much more often two colours lie side by side than chance would have them."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from wsss_tf.regions.offsets import paired

# Isola et al.'s kernel is Epanechnikov's of this half width; a Gaussian of its variance is faster.
_KERNEL_WIDTH = 0.05 / np.sqrt(5.0)
_CELL = 0.03
# Added to both densities: pairs too rare to judge count as independent.
_PRIOR = 100.0
# rho of Isola et al.'s Eq. 2 less one: pairs of frequent colours get more.
_EXCESS = 0.25
_RAREST_OFFSET = 0.01


class Codes(NamedTuple):
    """A feature map with its values gathered into cells.

    Attributes:
        of: int32 [h, w], the cell of each pixel.
        centres: float32 [cells, C], the mean of each cell's pixels.
    """

    of: NDArray[np.int32]
    centres: NDArray[np.float32]


def encode(features: NDArray[np.float32], codes: int) -> Codes:
    """Gathers features into cells of a grid, as fine as gives no more than `codes` of them.

    Args:
        features: float32 [h, w, C] in 0..1.
        codes: 1 or more.
    """
    pixels = features.reshape(-1, features.shape[-1])
    cell = _CELL
    while True:
        grid = (pixels / cell).astype(np.int64)
        code = np.ravel_multi_index(tuple(grid.T), tuple(grid.max(axis=0) + 1))
        # The finest grid of three channels has 40,000 cells: counting beats sorting.
        counts = np.bincount(code)
        used = np.flatnonzero(counts)
        if len(used) <= codes:
            break
        cell *= max(1.05, (len(used) / codes) ** 0.4)
    of = (np.cumsum(counts > 0) - 1)[code]
    sums = [np.bincount(of, weights=channel, minlength=len(used)) for channel in pixels.T]
    centres = (np.stack(sums, axis=1) / counts[used, None]).astype(np.float32)
    return Codes(of.reshape(features.shape[:2]).astype(np.int32), centres)


def affinity_table(codes: Codes) -> NDArray[np.float32]:
    """exp of the pointwise mutual information of each pair of cells.

        w(a, b) = p(a, b)^rho / (p(a) p(b)),  rho = 1.25

    p(a, b) is a kernel density of the features of pixels two to five apart, p(a) its marginal; a
    prior is added to p(a, b) and to p(a) p(b). Features count as if at their cells' centres.

    Returns:
        float32 [cells, cells], symmetric, above 0.

    Source: Isola et al., ECCV 2014, Eq. 1 and 2.
    """
    kernel = _gaussian(codes.centres)
    counts = _pair_counts(codes)
    joint = kernel @ (sp.csr_matrix(counts) @ kernel) + np.float32(_PRIOR)
    joint *= joint**_EXCESS
    marginal = kernel @ counts.sum(axis=1)
    return joint / (np.outer(marginal, marginal) + np.float32(_PRIOR))


def _gaussian(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = centres / np.float32(_KERNEL_WIDTH)
    squares = (scaled * scaled).sum(axis=1)
    exponent = scaled @ scaled.T - 0.5 * (squares + squares[:, None])
    height = (_KERNEL_WIDTH * np.sqrt(2.0 * np.pi)) ** -centres.shape[1]
    return np.exp(np.clip(exponent, -40.0, 0.0)) * np.float32(height)


def _pair_counts(codes: Codes) -> NDArray[np.float32]:
    """Shares of the pairs of cells among the sampled pairs of pixels.

    float32 [cells, cells], symmetric; its sum is short of 1 by what the rarest offsets would have.
    """
    cells = len(codes.centres)
    pairs, weights = [], []
    for offset, share in _sampled_offsets():
        first, second = paired(codes.of, offset)
        if first.size:
            pairs.append((first * np.int64(cells) + second).ravel())
            weights.append(np.full(first.size, share / first.size))
    sums = np.bincount(np.concatenate(pairs), np.concatenate(weights), cells * cells)
    shares = sums.astype(np.float32).reshape(cells, cells)
    return 0.5 * (shares + shares.T)


@functools.cache
def _sampled_offsets() -> list[tuple[tuple[int, int], float]]:
    """Offsets between the pixels of a pair and how often Isola et al. sample each.

    Their pairs lie at +-round(z + z / |z|) around a pixel, z normal of deviation 0.5 and the sum
    cut to -2..2 in each direction. All pixels take part here, so only the offsets' shares need the
    sampling.
    """
    sample = np.random.default_rng(0).standard_normal((400_000, 2)) * 0.5
    sample += sample / np.linalg.norm(sample, axis=1, keepdims=True)
    offsets = 2 * np.round(np.clip(sample, -2.0, 2.0)).astype(int)
    half = offsets[(offsets[:, 0] > 0) | ((offsets[:, 0] == 0) & (offsets[:, 1] > 0))]
    # Down is 0..4 and right -4..4: one number for both is counted much faster than rows are.
    counts = np.bincount(9 * half[:, 0] + half[:, 1] + 4)
    shares = counts / counts.sum()
    return [
        ((int(place) // 9, int(place) % 9 - 4), float(shares[place]))
        for place in np.flatnonzero(shares > _RAREST_OFFSET)
    ]

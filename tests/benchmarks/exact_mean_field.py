"""Exact mean field of whole photos in numpy: what every approximation is measured against.

    python tests/benchmarks/exact_mean_field.py ORACLE.npz [--block 256]

checks it against marginals made elsewhere: ORACLE.npz has image uint8 [H, W, 3], unary [H, W, L]
and exact_10 [H, W, L], with the parameters that `Kernels` has by default.

The bilateral kernel of N pixels has N^2 entries. The pixels are put into blocks that are compact
in position and colour; a pair of blocks farther apart than `CUT_OFF` is left out, and every other
entry is computed anew in every iteration. exp(-15) is the largest entry that is lost.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CUT_OFF = 30.0  # Squared distance, in sigmas.
# Farther entries are raised to exp(-50), and no marginal is below 1e-15: products of smaller
# numbers are subnormal, as good as 0 and ten times slower.
SAFE, LEAST = 100.0, 1e-15


@dataclasses.dataclass(frozen=True)
class Kernels:
    """Parameters under the names that `DenseCRF` has for them."""

    spatial_sigma: float = 3.0
    spatial_weight: float = 3.0
    bilateral_sigma: float = 80.0
    color_sigma: float = 13.0
    bilateral_weight: float = 10.0


def compact_blocks(features: np.ndarray, block: int) -> list[np.ndarray]:
    """Indices of the pixels in blocks of at most `block`: halves along the longest side, again."""
    done, waiting = [], [np.arange(len(features))]
    while waiting:
        members = waiting.pop()
        if len(members) <= block:
            done.append(members)
            continue
        own = features[members]
        axis = np.argmax(own.max(axis=0) - own.min(axis=0))
        # A multiple of `block` on the left, so that all blocks but the last are full.
        half = block * (-(-len(members) // block) // 2)
        order = np.argpartition(own[:, axis], half)
        waiting += [members[order[half:]], members[order[:half]]]
    return done


class BilateralKernel:
    """K V for the Gaussian kernel K of features, [N, D], without ever holding K.

    K is symmetric: a pair of blocks is computed once and serves both.
    """

    def __init__(self, features: np.ndarray, block: int = 256) -> None:
        blocks = compact_blocks(features, block)
        self.order = np.concatenate(blocks)
        self.ends = np.cumsum([0, *map(len, blocks)])
        self.features = features[self.order].astype(np.float64)
        boxes = [self.features[a:b] for a, b in zip(self.ends, self.ends[1:], strict=False)]
        self.low = np.array([box.min(axis=0) for box in boxes])
        self.high = np.array([box.max(axis=0) for box in boxes])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float32 [N, C] to float32 [N, C]."""
        ordered = values[self.order]
        total = np.zeros_like(ordered)
        for rows, columns, kernel in self._entries():
            total[rows] += kernel @ ordered[columns]
            if columns.start != rows.start:
                total[columns] += kernel.T @ ordered[rows]
        result = np.empty_like(total)
        result[self.order] = total
        return result

    def _entries(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """The kernel in rectangles: rows, columns, float32 entries; columns never before rows."""
        for i in range(len(self.low)):
            gaps = np.maximum(self.low[i:] - self.high[i], self.low[i] - self.high[i:])
            spans = np.maximum(self.high[i:] - self.low[i], self.high[i] - self.low[i:])
            near = np.square(np.maximum(gaps, 0)).sum(axis=1) <= CUT_OFF
            wide = np.square(spans).sum(axis=1) > SAFE
            rows = slice(self.ends[i], self.ends[i + 1])
            # Seen from their own middle, so that float32 keeps small distances apart.
            center = self.features[rows].mean(axis=0)
            left = _expanded(self.features[rows] - center)
            for j in np.flatnonzero(near):
                columns = slice(self.ends[i + j], self.ends[i + j + 1])
                right = _expanded(self.features[columns] - center, right=True)
                exponents = left @ right.T
                if wide[j]:
                    np.maximum(exponents, -SAFE / 2, out=exponents)
                yield rows, columns, np.exp(exponents, out=exponents)


def _expanded(features: np.ndarray, *, right: bool = False) -> np.ndarray:
    """(f, -|f|^2 / 2, 1), or on the right (g, 1, -|g|^2 / 2): their product is -|f - g|^2 / 2."""
    squares = -0.5 * np.square(features).sum(axis=1, keepdims=True)
    ones = np.ones_like(squares)
    rest = (ones, squares) if right else (squares, ones)
    return np.concatenate([features, *rest], axis=1).astype(np.float32)


def spatial_kernel(size: int, sigma: float) -> np.ndarray:
    """One axis of the spatial kernel, which is a product of two: float32 [size, size]."""
    place = np.arange(size)
    return np.exp(-0.5 * np.square((place[:, None] - place) / sigma)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Of the last axis."""
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def exact_mean_field(
    photo: np.ndarray,
    unary: np.ndarray,
    kernels: Kernels | None = None,
    *,
    iterations: int = 10,
    block: int = 256,
) -> np.ndarray:
    """Marginals after `iterations` updates: Q <- softmax(-U + sum of w D^-1/2 K D^-1/2 Q).

    Args:
        photo: uint8 [H, W, 3].
        unary: energies [H, W, L].
        kernels: the parameters.
        iterations: updates.
        block: pixels in a block; it changes the time alone.

    Returns:
        float32 [H, W, L].
    """
    kernels = kernels or Kernels()
    height, width, labels = unary.shape
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    parts = (place / kernels.bilateral_sigma, photo / kernels.color_sigma)
    bilateral = BilateralKernel(np.concatenate(parts, axis=-1).reshape(-1, 5), block)
    down = spatial_kernel(height, kernels.spatial_sigma)
    across = spatial_kernel(width, kernels.spatial_sigma)

    def spatial(values: np.ndarray) -> np.ndarray:
        planes = values.reshape(height, width, -1).transpose(2, 0, 1)
        return (down @ planes @ across).transpose(1, 2, 0).reshape(values.shape)

    terms = []
    ones = np.ones((height * width, 1), np.float32)
    weights = (kernels.spatial_weight, kernels.bilateral_weight)
    for weight, apply in zip(weights, (spatial, bilateral), strict=True):
        terms.append((apply, np.sqrt(weight / apply(ones))))
    energies = unary.reshape(-1, labels).astype(np.float32)
    q = softmax(-energies)
    for _ in range(iterations):
        q = np.maximum(q, LEAST)
        q = softmax(-energies + sum(scale * apply(scale * q) for apply, scale in terms))
    return q.reshape(height, width, labels)


def cached(folder: Path | None, photo: np.ndarray, unary: np.ndarray, kernels: Kernels):
    """`exact_mean_field`, kept in `folder` under a digest of everything that it depends on.

    Returns:
        float32 [H, W, L], and the seconds it took, None where it was there already.
    """
    digest = hashlib.sha256(repr(kernels).encode())
    for array in (photo, unary):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder and folder / f"exact_{digest.hexdigest()[:24]}.npy"
    if path and path.exists():
        return np.load(path), None
    start = time.perf_counter()
    q = exact_mean_field(photo, unary, kernels)
    seconds = time.perf_counter() - start
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, q)
        unfinished.replace(path)
    return q, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("oracle", type=Path, help="An .npz of image, unary and exact_10.")
    parser.add_argument("--block", type=int, default=256, help="Pixels in a block.")
    options = parser.parse_args()
    with np.load(options.oracle) as file:
        photo, unary, expected = (file[key] for key in ("image", "unary", "exact_10"))
    start = time.perf_counter()
    q = exact_mean_field(photo, unary, block=options.block)
    seconds = time.perf_counter() - start
    difference = np.abs(q - expected)
    sys.stdout.write(
        f"{unary.shape}: {seconds:.0f} s, largest difference {difference.max():.2e}, mean total "
        f"variation {0.5 * difference.sum(axis=-1).mean():.2e}, labels that agree "
        f"{(q.argmax(axis=-1) == expected.argmax(axis=-1)).mean():.5f}\n"
    )


if __name__ == "__main__":
    main()

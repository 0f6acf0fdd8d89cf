"""Exact mean field by dense matrices in float64, for photos of up to some 1,500 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace

import numpy as np
import pytest


def coordinates(height: int, width: int) -> np.ndarray:
    """x and y of every pixel in row-major order, float64 [N, 2]."""
    return np.array([(x, y) for y in range(height) for x in range(width)], np.float64)


def gaussian_kernel(features: np.ndarray) -> np.ndarray:
    """exp(-|f_i - f_j|^2 / 2), ones on its diagonal included: [N, D] -> float64 [N, N]."""
    kernel = np.empty((len(features), len(features)))
    for i, own in enumerate(features):
        kernel[i] = np.exp(-0.5 * np.square(features - own).sum(axis=1))
    return kernel


def normalized(kernel: np.ndarray) -> np.ndarray:
    """D^-1/2 K D^-1/2, where D has the sums of the rows of K on its diagonal."""
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    return scale[:, None] * kernel * scale[None, :]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Of the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def mean_field(
    unary: np.ndarray,
    kernels: Iterable[tuple[float, np.ndarray]],
    *,
    iterations: int = 10,
    region_message: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Mean field of a Potts model: Q <- softmax(-U + sum_m w_m K_m Q + regions(log Q)).

    Q starts as softmax(-U), and all pixels are updated at once, as the references do.

    Args:
        unary: energies [N, L], lower is likelier.
        kernels: pairs of a weight and a matrix [N, N], in any number.
        iterations: updates; 0 returns softmax(-U).
        region_message: log Q, float64 [N, L], to what is added to the logits.

    Returns:
        float64 [N, L], rows that sum to 1.

    Source: Kraehenbuehl and Koltun, NIPS 2011, algorithm 1.
    """
    unary, kernels = np.asarray(unary, np.float64), list(kernels)
    log_q = log_softmax(-unary)
    for _ in range(iterations):
        logits = -unary
        for weight, kernel in kernels:
            logits = logits + weight * (kernel @ np.exp(log_q))
        if region_message is not None:
            logits = logits + region_message(log_q)
        log_q = log_softmax(logits)
    return np.exp(log_q)


def dense_crf(
    photo: np.ndarray,
    unary: np.ndarray,
    *,
    spatial_sigma: float = 3.0,
    spatial_weight: float = 3.0,
    bilateral_sigma: float = 80.0,
    color_sigma: float = 13.0,
    bilateral_weight: float = 10.0,
    iterations: int = 10,
    region_message: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """What `DenseCRF` approximates: [H, W, 3] and energies [H, W, L] to float64 [H, W, L].

    `region_message` sees rows [H * W, L], as in `mean_field`.
    """
    height, width, labels = np.shape(unary)
    place = coordinates(height, width)
    color = np.asarray(photo, np.float64).reshape(-1, 3)
    both = np.concatenate([place / bilateral_sigma, color / color_sigma], axis=1)
    kernels = [
        (spatial_weight, normalized(gaussian_kernel(place / spatial_sigma))),
        (bilateral_weight, normalized(gaussian_kernel(both))),
    ]
    rows = np.reshape(unary, (-1, labels))
    q = mean_field(rows, kernels, iterations=iterations, region_message=region_message)
    return q.reshape(height, width, labels)


def total_variation(q: np.ndarray, other: np.ndarray) -> float:
    """Mean over the pixels of half the sum over the labels of |Q - Q'|, in [0, 1]."""
    difference = np.abs(np.asarray(q, np.float64) - np.asarray(other, np.float64))
    return float(0.5 * difference.sum(axis=-1).mean())


def smooth_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A photo of a few flat patches, soft shading and mild noise, uint8 [H, W, 3]."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    photo = np.broadcast_to(generator.uniform(60, 200, 3), (height, width, 3)).copy()
    for _ in range(4):
        center = generator.uniform(0, (height, width))
        radius = generator.uniform(0.15, 0.4) * max(height, width)
        inside = (y - center[0]) ** 2 + (x - center[1]) ** 2 < radius**2
        photo[inside] = generator.uniform(20, 235, 3)
    photo += 30 * (x / max(width, 2) - 0.5)[..., None] + generator.normal(0, 4, photo.shape)
    return photo.clip(0, 255).astype(np.uint8)


def noisy_unary(photo: np.ndarray, labels: int, seed: int = 0) -> np.ndarray:
    """Energies of a guess that follows the photo's colours and errs often, float32 [H, W, L]."""
    generator = np.random.default_rng(seed)
    anchors = generator.uniform(0, 255, (labels, 3))
    distance = np.linalg.norm(photo[:, :, None, :].astype(np.float64) - anchors, axis=-1)
    noise = generator.normal(0, 1.0, (*photo.shape[:2], labels))
    return (-log_softmax(-distance / 60 + noise)).astype(np.float32)


def scene(
    height: int, width: int, labels: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Discs of their own colours, and energies of a coarse network that mostly finds them.

    Returns:
        photo uint8 [H, W, 3], energies float32 [H, W, L], truth int [H, W].
    """
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    truth = np.zeros((height, width), int)
    for label in range(1, labels):
        center, radius = generator.uniform(0, (height, width)), generator.uniform(0.2, 0.4)
        near = (y - center[0]) ** 2 + (x - center[1]) ** 2 < (radius * max(height, width)) ** 2
        truth[near] = label
    colors = np.linspace(30, 220, labels)[:, None] + generator.uniform(-30, 30, (labels, 3))
    photo = colors[truth] + generator.normal(0, 6, (height, width, 3))
    # Scores on a grid of stride 4, enlarged without care, as coarse networks' are.
    cells = (slice(None, None, 4), slice(None, None, 4))
    scores = 2.0 * np.eye(labels)[truth[cells]]
    scores += generator.normal(0, 0.8, scores.shape)
    scores = scores.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    scores += generator.normal(0, 0.2, scores.shape)
    return photo.clip(0, 255).astype(np.uint8), (-log_softmax(scores)).astype(np.float32), truth


@pytest.fixture(scope="session")
def exact() -> SimpleNamespace:
    """The functions above: `exact.dense_crf(photo, unary)` is the oracle of this room."""
    return SimpleNamespace(
        dense_crf=dense_crf,
        mean_field=mean_field,
        coordinates=coordinates,
        gaussian_kernel=gaussian_kernel,
        normalized=normalized,
        log_softmax=log_softmax,
        total_variation=total_variation,
        smooth_photo=smooth_photo,
        noisy_unary=noisy_unary,
        scene=scene,
    )

"""Boundary strength in eight directions: how fast the slow modes and the colour change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from skimage.color import rgb2lab

ORIENTATIONS = 8
_SIGMA = 1.0
# What the strongest hundredth of a photo's pixels typically has, median of 50 photos.
_TYPICAL_SPECTRAL = 0.37
_TYPICAL_COLOUR = 18.7
_BORDER = 0.03
# A squared change in L*a*b* that is nobody's colour.
_ROUNDING = 1e-4


def boundary_energy(
    spectral: Sequence[NDArray[np.float32]], colours: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Strength of a boundary across each direction, at each pixel.

        E_o = (S_o^2 C_o)^(1/3)

    S is the spectral strength, which knows objects: the geometric mean of several scales'. C is the
    change of colour, which knows to the pixel where they end. Orientation o stands for the change
    along o pi / 8 from the right, down.

    Args:
        spectral: float32 [8, h, w] of each scale, as `spectral_strength`, in the same grid.
        colours: float32 [h, w, 3], RGB in 0..1.

    Returns:
        float32 [8, h, w], 0 or more; about 1 on the strongest boundaries of a usual photo.

    C, the mean over scales and the product are this package's own.
    """
    strength = spectral[0]
    for other in spectral[1:]:
        strength = strength * other
    if len(spectral) != 2:
        strength = strength ** np.float32(2.0 / len(spectral))
    return np.cbrt(strength * _colour_strength(colours))


def spectral_strength(
    values: NDArray[np.float32], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How fast the slow modes change along each direction.

        S_o = mean_k |d v_k / d o| / sqrt(lambda_k), v_k scaled to a range of 1

    Args:
        values: lambda, [k], above 0.
        vectors: v, [k, h, w].

    Returns:
        float32 [8, h, w], 0 or more; what runs along the photo's edge is faded near it, as Isola et
        al.'s code does.

    Source: Arbelaez et al., PAMI 2011 (sPb).
    """
    strength = np.zeros((ORIENTATIONS, *vectors.shape[1:]), np.float32)
    for value, vector in zip(values, vectors, strict=True):
        spread = float(vector.max() - vector.min()) * np.sqrt(float(value))
        if spread > 0.0:
            right, down = _gradient(vector / np.float32(spread))
            for index, (cosine, sine) in enumerate(_directions()):
                strength[index] += np.abs(cosine * right + sine * down)
    strength *= 1.0 / (_TYPICAL_SPECTRAL * max(len(values), 1))
    return _without_border(strength)


def _colour_strength(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """The length of d Lab / d o; 0 where it is no more than rounding."""
    lab = rgb2lab(colours).astype(np.float32)
    squared = np.zeros((ORIENTATIONS, *lab.shape[:2]), np.float32)
    for channel in range(3):
        right, down = _gradient(lab[..., channel])
        for index, (cosine, sine) in enumerate(_directions()):
            squared[index] += (cosine * right + sine * down) ** 2
    squared[squared < _ROUNDING] = 0.0
    return np.sqrt(squared) * np.float32(1.0 / _TYPICAL_COLOUR)


def _gradient(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Derivatives of a Gaussian, of unit absolute sum, to the right and down."""
    reach = np.arange(-3, 4) / _SIGMA
    smooth = np.exp(-0.5 * reach * reach)
    smooth /= smooth.sum()
    change = reach * smooth
    change /= np.abs(change).sum()
    right = ndi.correlate1d(ndi.correlate1d(image, smooth, axis=0), change, axis=1)
    down = ndi.correlate1d(ndi.correlate1d(image, smooth, axis=1), change, axis=0)
    return right, down


def _directions() -> list[tuple[np.float32, np.float32]]:
    angles = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    return [(np.float32(np.cos(angle)), np.float32(np.sin(angle))) for angle in angles]


def _without_border(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fades boundaries that run along the photo's edge, where the slow modes bend for no reason."""
    height, width = strength.shape[1:]
    reach = max(np.ceil(_BORDER * height), 1.0)
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    near_rows = 1.0 - np.minimum((np.minimum(rows, height - 1 - rows) / reach) ** 2, 1.0)
    near_columns = 1.0 - np.minimum((np.minimum(columns, width - 1 - columns) / reach) ** 2, 1.0)
    for index, (cosine, sine) in enumerate(_directions()):
        kept = 1.0 - np.abs(cosine) * near_columns - np.abs(sine) * near_rows
        strength[index] *= np.clip(kept, 0.0, 1.0).astype(np.float32)
    return strength

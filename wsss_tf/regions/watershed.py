"""The finest regions: basins of the boundary strength, and how strongly each two are parted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.segmentation import watershed

from wsss_tf.regions.oriented import ORIENTATIONS

# Of the relief, in pixels of the photo: fewer basins of noise.
_SMOOTHING = 1.5


class Basins(NamedTuple):
    """The finest regions of a photo and their neighbourhoods.

    Attributes:
        labels: int32 [H, W], 0..n-1.
        areas: int [n], pixels.
        colours: float64 [n, 3], mean CIE L*a*b*.
        pairs: int64 [m, 2], neighbours, the smaller id first.
        strengths: float64 [m], boundary strength summed along each common boundary.
        lengths: int [m], pairs of pixels on it.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.intp]
    colours: NDArray[np.float64]
    pairs: NDArray[np.int64]
    strengths: NDArray[np.float64]
    lengths: NDArray[np.intp]


def basins(photo: NDArray[np.uint8], energy: NDArray[np.float32]) -> Basins:
    """Floods the strongest orientation's relief and measures the boundaries between basins.

    A boundary between pixels side by side is as strong as the energy across it: of the direction
    from one to the other and its two neighbours, at the stronger pixel.

    Args:
        photo: uint8 [H, W, 3].
        energy: float32 [8, H, W], as `oriented.boundary_energy`.

    Source: Arbelaez et al., PAMI 2011, Sec. 4 (oriented watershed transform).
    """
    relief = ndi.gaussian_filter(energy.max(axis=0), _SMOOTHING)
    # A flat relief has no minimum to flood from.
    flat = relief.max() == relief.min()
    labels = np.zeros(relief.shape, np.int32) if flat else (watershed(relief) - 1).astype(np.int32)
    areas = np.bincount(labels.ravel())
    pairs, strengths, lengths = _boundaries(labels, energy)
    return Basins(labels, areas, _mean_lab(photo, labels, areas), pairs, strengths, lengths)


def _boundaries(
    labels: NDArray[np.int32], energy: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.intp]]:
    across, along = _stronger(energy, 0), _stronger(energy, ORIENTATIONS // 2)
    keys, strengths = [], []
    count = np.int64(int(labels.max()) + 1)
    for one, other, strength in (
        (labels[:, :-1], labels[:, 1:], np.maximum(across[:, :-1], across[:, 1:])),
        (labels[:-1], labels[1:], np.maximum(along[:-1], along[1:])),
    ):
        parted = one != other
        one, other = one[parted], other[parted]
        keys.append(np.minimum(one, other) * count + np.maximum(one, other))
        strengths.append(strength[parted])
    found, place, lengths = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=np.concatenate(strengths), minlength=len(found))
    pairs = np.stack([found // count, found % count], axis=1)
    return pairs, sums.astype(np.float64, copy=False), lengths


def _stronger(energy: NDArray[np.float32], direction: int) -> NDArray[np.float32]:
    """Energy of a direction or a neighbouring one, whichever is more."""
    near = [(direction + turn) % ORIENTATIONS for turn in (-1, 0, 1)]
    return energy[near].max(axis=0)


def _mean_lab(
    photo: NDArray[np.uint8], labels: NDArray[np.int32], areas: NDArray[np.intp]
) -> NDArray[np.float64]:
    flat = labels.ravel()
    sums = [np.bincount(flat, weights=photo[..., channel].ravel()) for channel in range(3)]
    return rgb2lab(np.stack(sums, axis=1) / areas[:, None] / 255.0)

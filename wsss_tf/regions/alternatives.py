"""Regions of a photo by scikit-image's own methods, to be measured against the crisp ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import felzenszwalb, slic

from wsss_tf.regions.grids import nearest

ALGORITHM = 1
"""Raised with every change that gives other regions; part of a cache's keys."""

# Larger photos are worked at this size; felzenszwalb's runs on a phone's take minutes.
_MAX_PIXELS = 2_000_000
_SIGMA = 0.8
# Smallest region, as a share of the mean one. With the usual fixed 50 pixels specks use up a low
# count: 25 regions then cover 50 % of an object of BSDS500 (8 photos of val), with this 85 %.
_MIN_SHARE = 8
_RUNS = 8
# SLIC gives fewer than it is asked for, as it joins what is small or in pieces.
_TRIES = 4
# Felzenszwalb's `scale` over 255 is held against differences of colours in 0..1.
_LARGEST_STEP = 255.0 * math.sqrt(3.0)


def felzenszwalb_regions(photo: NDArray[np.uint8], n: int) -> NDArray[np.int32]:
    """About `n` regions by merging along the weakest edges of the pixel graph.

    The method has no count, only a scale; it is searched between one that parts nearly every pixel
    and one that joins all, and the count nearest to `n` (by ratio) of at most eight runs is kept.

    Args:
        photo: uint8 [H, W, 3] RGB.
        n: how many regions are wanted; a photo of few colours may have no such scale.

    Returns:
        int32 [H, W], ids 0..m-1; above 2 megapixels found in a reduced photo.

    Raises:
        ValueError: another dtype or shape, or n below 1.

    Source: Felzenszwalb and Huttenlocher, IJCV 2004; sigma 0.8, components of at least an
    eighth of the mean.
    """
    reduced = _reduced(photo, n)
    area = reduced.shape[0] * reduced.shape[1]
    min_size = max(area // (_MIN_SHARE * n), 1)
    goal = math.log(n)
    # (log scale, log count) of both ends, assumed; neither is ever run.
    low, high = (0.0, math.log(area / min_size)), (math.log(_LARGEST_STEP * area + 1.0), 0.0)
    best, least = np.zeros(reduced.shape[:2], np.int64), math.inf
    for _ in range(_RUNS):
        share = (low[1] - goal) / max(low[1] - high[1], 1e-9)
        scale = low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])
        found = felzenszwalb(reduced, scale=math.exp(scale), sigma=_SIGMA, min_size=min_size)
        count = int(found.max()) + 1
        error = abs(math.log(count) - goal)
        if error < least:
            best, least = found, error
        if _close(count, n):
            break
        if count > n:
            low = (scale, math.log(count))
        else:
            high = (scale, math.log(count))
    return _full_size(best, photo.shape[:2])


def slic_regions(photo: NDArray[np.uint8], n: int) -> NDArray[np.int32]:
    """About `n` compact regions of like size: k-means of colour and place.

    Args:
        photo: uint8 [H, W, 3] RGB.
        n: how many regions are wanted; asked for again where far fewer come.

    Returns:
        int32 [H, W], ids 0..m-1; above 2 megapixels found in a reduced photo.

    Raises:
        ValueError: another dtype or shape, or n below 1.

    Source: Achanta et al., TPAMI 2012; scikit-image's defaults.
    """
    reduced = _reduced(photo, n)
    area = reduced.shape[0] * reduced.shape[1]
    best, least, asked = np.zeros(reduced.shape[:2], np.int64), math.inf, min(n, area)
    for _ in range(_TRIES):
        found = slic(reduced, n_segments=asked, start_label=0)
        count = int(found.max()) + 1
        error = abs(math.log(count / n))
        if error < least:
            best, least = found, error
        if _close(count, n):
            break
        asked = min(max(round(asked * min(n / count, 4.0)), 1), area)
    return _full_size(best, photo.shape[:2])


def _close(count: int, n: int) -> bool:
    return 10 * abs(count - n) <= n


def _reduced(photo: NDArray[np.uint8], n: int) -> NDArray[np.uint8]:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise ValueError(
            "`photo` must be uint8 [height, width, 3]. "
            f"Received: {photo.dtype} {list(photo.shape)}."
        )
    if n < 1:
        raise ValueError(f"`n` must be at least 1. Received: n={n}.")
    height, width = photo.shape[:2]
    factor = math.sqrt(_MAX_PIXELS / (height * width))
    if factor >= 1.0:
        return photo
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX))


def _full_size(found: NDArray[np.integer], size: tuple[int, ...]) -> NDArray[np.int32]:
    """The labels renumbered 0..m-1, each pixel of `size` from its nearest."""
    ids = np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int32)
    return nearest(ids, (size[0], size[1]))

"""What pixels are compared by: their colour, and how much colour varies around them."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from skimage.color import rgb2lab


def feature_maps(photo: NDArray[np.uint8], scale: int) -> list[NDArray[np.float32]]:
    """Colour and texture of a photo at 1/scale of its size, each decorrelated.

    Colour is CIE L*a*b*; texture the fourth root of the variance of each principal colour in a
    window of 2 scale + 1 pixels. Both are rotated to their principal axes and scaled to 0..1 by
    one minimum and maximum.

    Args:
        photo: uint8 [H, W, 3], RGB.
        scale: a whole number of pixels.

    Returns:
        Two of float32 [h, w, 3] in 0..1, h = ceil(H / scale).

    Source: Isola et al., ECCV 2014, features "color" and "var" of their code.
    """
    colours = photo.astype(np.float32) / 255.0
    lab = rgb2lab(block_mean(colours, scale)).astype(np.float32)
    principal = _principal(colours)
    deviation = np.stack(
        [_root_deviation(principal[..., axis], 2 * scale + 1) for axis in range(3)], axis=-1
    )
    return [_unit(_principal(_unit(part))) for part in (lab, block_mean(deviation, scale))]


def block_mean(image: NDArray, scale: int) -> NDArray[np.float32]:
    """Means of blocks of scale x scale pixels; the border is repeated to whole blocks.

    Args:
        image: [H, W, C].
        scale: 1 or more.

    Returns:
        float32 [ceil(H / scale), ceil(W / scale), C].
    """
    height, width, channels = image.shape
    rows, columns = -(-height // scale), -(-width // scale)
    missing = ((0, rows * scale - height), (0, columns * scale - width), (0, 0))
    whole = np.pad(image, missing, mode="edge")
    total = np.zeros((rows, columns, channels), np.float32)
    for down in range(scale):
        for right in range(scale):
            total += whole[down::scale, right::scale]
    total /= np.float32(scale * scale)
    return total


def _root_deviation(channel: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    mean = ndi.uniform_filter(channel, window)
    variance = ndi.uniform_filter(channel * channel, window) - mean * mean
    # Of values in -1..1 less is rounding, which the fourth root would raise to a texture.
    variance[variance <= 1e-6] = 0.0
    return np.sqrt(np.sqrt(variance))


def _principal(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels rotated to their principal axes, the widest first, around 0."""
    pixels = image.reshape(-1, image.shape[-1])
    pixels = pixels - pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, axes = np.linalg.eigh((pixels.T @ pixels).astype(np.float64))
    return (pixels @ axes[:, ::-1].astype(np.float32)).reshape(image.shape)


def _unit(image: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1e-6)

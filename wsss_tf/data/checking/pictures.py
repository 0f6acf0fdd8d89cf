"""Thumbnails of photos and of masks over them, as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsss_tf.errors import DataError
from wsss_tf.images import overlay, read_label_map, read_photo
from wsss_tf.labels import palette

SIDE = 160
_QUALITY = 80


def photo_thumbnail(photo: Path | None, mask: Path | None = None) -> str | None:
    """A photo, reduced, with its mask drawn over it; None where the photo cannot be read.

    A mask of another size is shown alone. What cannot be read of the two is left out.
    """
    pixels = _pixels(photo)
    ids = _ids(mask)
    if ids is not None and (pixels is None or pixels.shape[:2] != ids.shape):
        return _uri(palette()[ids])
    if pixels is None:
        return None
    return _uri(pixels if ids is None else overlay(pixels, ids))


def _pixels(path: Path | None) -> NDArray[np.uint8] | None:
    if path is None:
        return None
    try:
        return read_photo(path)
    except DataError:
        return None


def _ids(path: Path | None) -> NDArray[np.uint8] | None:
    if path is None:
        return None
    try:
        return read_label_map(path)
    except DataError:
        return None


def _uri(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"

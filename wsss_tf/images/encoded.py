"""Photos and label maps as the bytes of PNG files, for sending them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def photo_png(rgb: NDArray[np.uint8]) -> bytes:
    """uint8 [H, W, 3] as an 8-bit RGB PNG, without loss; packed quickly rather than tightly."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def label_map_from_png(content: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The class ids of a grey 8-bit PNG that should have one size.

    Args:
        content: of the file.
        size: (height, width); what has another by its header is not decoded.

    Returns:
        uint8 [H, W].

    Raises:
        ValueError: it is no such PNG, or is damaged; says what it is.
    """
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(content)) as image:
            bits = image.tile[0][3] if image.tile else ""
            # Pillow stretches grey of fewer bits to 0..255, which turns ids into others.
            if image.mode != "L" or bits != "L":
                raise ValueError(f"a PNG of mode {image.mode}, stored as {bits}")
            if image.size != size[::-1]:
                raise ValueError(f"a PNG of {image.size[1]} x {image.size[0]} pixels (h x w)")
            return np.array(image)
    except _DAMAGED as error:
        raise ValueError(f"{len(content)} bytes, {error}") from error

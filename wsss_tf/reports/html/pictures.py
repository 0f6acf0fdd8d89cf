"""Pictures inside a page: reduced, as JPEG, as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 320
QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """A picture of a row: its title, which also is its alternative text, and its size in pixels."""

    title: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Strip:
    """A photo through the method.

    Attributes:
        heading: where the photo stands, "Best" for instance.
        caption: its id, tags and scores.
        pictures: in order.
    """

    heading: str
    caption: str
    pictures: tuple[Picture, ...]


def picture(title: str, pixels: NDArray[np.uint8], *, side: int = SIDE) -> Picture:
    """A picture with its longer side reduced to `side`; a smaller one as it is.

    Args:
        title: of the picture.
        pixels: uint8 [H, W, 3].
        side: in pixels.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(title, f"data:image/jpeg;base64,{encoded}", image.width, image.height)


def strip(heading: str, caption: str, pictures: Mapping[str, NDArray[np.uint8]]) -> Strip:
    """A row of pictures by title."""
    made = tuple(picture(title, pixels) for title, pixels in pictures.items())
    return Strip(heading, caption, made)


def file_picture(title: str, path: Path, *, side: int) -> Picture | None:
    """A picture file of ours, reduced; None where it is missing or cannot be read."""
    try:
        with Image.open(path) as image:
            return picture(title, np.asarray(image.convert("RGB")), side=side)
    except OSError:
        return None

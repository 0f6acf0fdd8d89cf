"""Photos, label maps and other pictures into files, and a label map drawn over its photo."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from wsss_tf import files, labels
from wsss_tf.images.decoding import NOTE


def write_label_map(path: str | os.PathLike[str], label_map: NDArray[np.uint8]) -> None:
    """Writes class ids as a palette PNG in the VOC colours, atomically.

    Args:
        path: ends in .png.
        label_map: uint8 [H, W].

    Raises:
        ValueError: another suffix, dtype or shape.
        RunError: the place cannot be written to.
    """
    path = _png(path)
    _check_labels(label_map)
    image = Image.fromarray(label_map)
    image.putpalette(labels.palette().tobytes())
    with files.atomic_write(path) as file:
        image.save(file, format="PNG")


def write_photo(path: str | os.PathLike[str], rgb: NDArray[np.uint8]) -> None:
    """Writes a photo as PNG or as JPEG (quality 95, colours at full size), atomically.

    Args:
        path: ends in .png, .jpg or .jpeg, which decides the format.
        rgb: uint8 [H, W, 3].

    Raises:
        ValueError: another suffix, dtype or shape.
        RunError: the place cannot be written to.
    """
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    suffix = path.suffix.lower()
    if suffix not in formats:
        raise ValueError(f"`path` must end in .png, .jpg or .jpeg. Received: path={str(path)!r}.")
    _check_photo(rgb)
    options = {"quality": 95, "subsampling": 0} if formats[suffix] == "JPEG" else {}
    with files.atomic_write(path) as file:
        Image.fromarray(rgb).save(file, format=formats[suffix], **options)


def write_grey(
    path: str | os.PathLike[str], values: NDArray[np.uint8 | np.uint16], *, note: str = ""
) -> None:
    """Writes numbers as a grey PNG of 8 or 16 bits, atomically.

    Args:
        path: ends in .png.
        values: uint8 or uint16 [H, W].
        note: plain text that goes with the picture; `read_note` reads it.

    Raises:
        ValueError: another suffix, dtype or shape.
        RunError: the place cannot be written to.
    """
    path = _png(path)
    if values.dtype not in (np.uint8, np.uint16) or values.ndim != 2 or values.size == 0:
        raise ValueError(
            "`values` must be uint8 or uint16 [height, width]. "
            f"Received: {values.dtype} {list(values.shape)}."
        )
    about = PngImagePlugin.PngInfo()
    if note:
        about.add_text(NOTE, note)
    with files.atomic_write(path) as file:
        Image.fromarray(values).save(file, format="PNG", pnginfo=about)


def enlarged(label_map: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map at another (height, width), each pixel from its nearest: uint8 [h, w] -> size."""
    if label_map.shape == tuple(size):
        return label_map
    picture = Image.fromarray(label_map).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(picture)


def overlay(
    photo: NDArray[np.uint8], label_map: NDArray[np.uint8], *, opacity: float = 0.5
) -> NDArray[np.uint8]:
    """Tints a photo in the colours of its labels, with a white line one pixel wide between labels.

    Args:
        photo: uint8 [H, W, 3] RGB.
        label_map: uint8 [H, W]; the background keeps the photo's own colours.
        opacity: 0 (photo only) to 1 (colours only).

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: another dtype, shape or opacity.
    """
    _check_photo(photo)
    _check_labels(label_map)
    if photo.shape[:2] != label_map.shape:
        raise ValueError(
            "`label_map` must have the height and width of `photo`. Received: "
            f"label_map.shape={label_map.shape}, photo.shape={photo.shape}."
        )
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"`opacity` must be in 0..1. Received: opacity={opacity}.")
    share = np.where(label_map == 0, 0.0, opacity)[..., None]
    tinted = np.rint((1.0 - share) * photo + share * labels.palette()[label_map])
    line = region_edges(label_map)[..., None]
    return np.where(line, 255, tinted).astype(np.uint8)


def region_edges(label_map: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where a pixel differs from its right or lower neighbour: integers [H, W] -> bool [H, W]."""
    line = np.zeros(label_map.shape, bool)
    line[:, :-1] |= label_map[:, :-1] != label_map[:, 1:]
    line[:-1] |= label_map[:-1] != label_map[1:]
    return line


def _png(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"`path` must end in .png. Received: path={str(path)!r}.")
    return path


def _check_photo(photo: NDArray[np.uint8]) -> None:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or photo.size == 0:
        raise ValueError(
            "A photo must be uint8 [height, width, 3]. "
            f"Received: {photo.dtype} {list(photo.shape)}."
        )


def _check_labels(label_map: NDArray[np.uint8]) -> None:
    if label_map.dtype != np.uint8 or label_map.ndim != 2 or label_map.size == 0:
        raise ValueError(
            "`label_map` must be uint8 [height, width], ids not colours. "
            f"Received: {label_map.dtype} {list(label_map.shape)}."
        )

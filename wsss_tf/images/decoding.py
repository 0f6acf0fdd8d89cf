"""Photos and label maps from files: the one decoder (Pillow) that the others are held against."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wsss_tf.errors import DataError

MAX_PIXELS = 100_000_000
"""Default of the largest height times width that is decoded: 300 MB as RGB."""

# Among the formats left out are some that Pillow hands to other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# Pillow checks little of what a file says of itself before it counts with it.
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError,
    ArithmeticError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNS_BACK = {**_TURNS, 6: _TURNS[8], 8: _TURNS[6]}
_FILTERS_LOCK = threading.Lock()
NOTE = "Comment"
"""Name of the text of a PNG that `write_grey` writes and `read_note` reads."""


class PhotoHeader(NamedTuple):
    """What a photo's header says.

    Attributes:
        width: in pixels, as displayed: after the orientation is applied.
        height: likewise.
        orientation: 1 to 8, the EXIF value still to be applied to the stored pixels.
        format: "JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF" or "PPM".
        mode: Pillow's name of the stored channels, such as "RGB", "L", "CMYK" or "I;16".
    """

    width: int
    height: int
    orientation: int
    format: str
    mode: str


def photo_header(path: str | os.PathLike[str], *, content: bytes | None = None) -> PhotoHeader:
    """Reads a photo's header; no pixel is decoded and no size refused.

    Args:
        path: of the file.
        content: as in `read_label_map`.

    Raises:
        DataError: the file is missing, empty, unreadable or no image; names it and the fix.
    """
    with _opened(Path(path), max_pixels=None, content=content) as image:
        orientation = _orientation(image)
        width, height = image.size
        if orientation >= 5:
            width, height = height, width
        return PhotoHeader(width, height, orientation, str(image.format), image.mode)


def read_photo(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, content: bytes | None = None
) -> NDArray[np.uint8]:
    """Decodes a photo as it is displayed.

    EXIF orientation is applied. Grey, palette and CMYK become RGB, transparency is dropped, 16 bits
    keep the high byte, and of an animation the first frame is read.

    Args:
        path, max_pixels, content: as in `read_label_map`.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        DataError: the file is missing, empty, no image, damaged, cut short, or has more than
            `max_pixels` pixels by its header; names it and the fix.
    """
    path = Path(path)
    with _opened(path, max_pixels=max_pixels, content=content) as image:
        orientation = _orientation(image)
        rgb = _rgb(path, image)
        if orientation in _TURNS:
            rgb = rgb.transpose(_TURNS[orientation])
        return np.array(rgb)


def read_label_map(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, content: bytes | None = None
) -> NDArray[np.uint8]:
    """Reads the class ids of a mask: the indices of a palette PNG or the values of a grey one.

    Args:
        path: of the file.
        max_pixels: height times width, by the header, above which it is not decoded.
        content: of the file, where it has been read already, from an archive maybe; `path` is then
            only what an error names.

    Returns:
        uint8 [H, W], as stored: an orientation in the file is not applied.

    Raises:
        DataError: as `read_photo`, or the file is no PNG of palette or 8-bit grey.
    """
    path = Path(path)
    with _opened(path, max_pixels=max_pixels, content=content) as image:
        grey_bits = image.tile[0][3] if image.tile else ""  # type: ignore[attr-defined]
        # Pillow stretches grey of fewer bits to 0..255, which turns ids into others.
        is_ids = image.mode == "P" or (image.mode == "L" and grey_bits == "L")
        if image.format != "PNG" or not is_ids:
            found = f"{image.format}, mode {image.mode}"
            if image.mode in ("L", "1") and image.format == "PNG":
                found += " of fewer than 8 bits"
            raise DataError(
                f"{path}: a label map must be a palette PNG or an 8-bit grey PNG whose values are "
                f"class ids. Received: {found}. Convert colours to ids, and save with Pillow's "
                "mode P or L."
            )
        return np.array(image)


def as_displayed(label_map: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A label map in the grid in which a photo's file has the pixels, turned as it is displayed.

    Args:
        label_map: uint8 [H, W].
        orientation: as in the photo's `PhotoHeader`.

    Returns:
        uint8, [H, W] or [W, H].
    """
    if orientation not in _TURNS:
        return label_map
    return np.array(Image.fromarray(label_map).transpose(_TURNS[orientation]))


def as_stored(path: str | os.PathLike[str], label_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label map of a photo as displayed, turned into the grid in which its file has the pixels.

    Args:
        path: of the photo that `read_photo` gave.
        label_map: uint8 [H, W] of that size.

    Returns:
        uint8, [H, W] or [W, H]: that of a program which does not apply the EXIF orientation.

    Raises:
        DataError: as `photo_header`.
    """
    with _opened(Path(path), max_pixels=None) as image:
        tags = getattr(image, "tag_v2", {})  # Of TIFF, which Pillow turns without being asked.
        orientation = tags.get(_ORIENTATION, 1) if tags else _orientation(image)
    if orientation not in _TURNS_BACK:
        return label_map
    return np.array(Image.fromarray(label_map).transpose(_TURNS_BACK[orientation]))


def read_note(path: str | os.PathLike[str]) -> str:
    """The note that `write_grey` put into a PNG; no pixel is decoded, "" without one.

    Raises:
        DataError: as `read_photo`.
    """
    with _opened(Path(path), max_pixels=None) as image:
        return str(image.info.get(NOTE, ""))


@contextlib.contextmanager
def _opened(
    path: Path, *, max_pixels: int | None, content: bytes | None = None
) -> Iterator[Image.Image]:
    """Yields the image with its header read; errors in the block mean a damaged file."""
    if content is None:
        _check_readable(path)
    try:
        with _file(path, content) as file:
            file.peek(1)  # Fills the buffer, so that a slow disk is not waited for in the lock.
            # Pillow warns of large photos; `max_pixels` is the check here. Filters are global.
            with _FILTERS_LOCK, warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(file, formats=_FORMATS)
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise DataError(
                    f"{path}: must have at most {max_pixels:,} pixels. Received: {width} x "
                    f"{height}. Reduce the image, or raise `max_pixels`."
                )
            yield image
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: is too large for Pillow. Reduce it. ({error})") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: must be an image ({', '.join(_FORMATS)}); it is none, or damaged at its "
            "beginning. Convert it to JPEG or PNG, or take it off the list."
        ) from error
    except PermissionError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Allow reading it.") from error
    except _DAMAGED as error:
        raise DataError(
            f"{path}: is damaged or cut short: {error}. Get the file again, or take it off the "
            "list."
        ) from error


def _file(path: Path, content: bytes | None) -> io.BufferedReader:
    return open(path, "rb") if content is None else io.BufferedReader(io.BytesIO(content))


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: does not exist. Check the path, and the list that names it."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}. Check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path}: must be a file. Received: a folder. Name a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: must be a regular file. Received: a device or a pipe.")
    if status.st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes). Get the file again, or take it off the list.")


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns this format itself, its size included.
    try:
        # The method of PNG images decodes all pixels to look for a tag behind them.
        value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except _DAMAGED:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    image.load()
    image.info.pop("transparency", None)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DataError(
            f"{path}: must have 8 or 16 bits a channel. Received: 32 (mode {image.mode}), whose "
            "range is not known. Convert it to 8 bits."
        )
    return image.convert("RGB")

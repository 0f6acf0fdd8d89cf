"""Photos as they are sent to a server: so that its label map is that of the photo as displayed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wsss_tf.errors import DataError
from wsss_tf.images import MAX_PIXELS, photo_header, photo_png, read_photo
from wsss_tf.serving.photo import Photo, require_pixels

# TensorFlow decodes these as Pillow does, bit for bit; CMYK it does not. MPO is a JPEG with more
# pictures behind the first.
_ALIKE_FORMATS, _ALIKE_MODES = ("JPEG", "MPO"), ("RGB", "L")


@dataclass(frozen=True)
class Upload:
    """A photo's bytes, and what is known of it.

    Attributes:
        name: for messages.
        size: (height, width) as displayed.
        content: a JPEG, or an 8-bit RGB PNG.
        path: of the file whose own bytes these are; None where they are a PNG made of it.
    """

    name: str
    size: tuple[int, int]
    content: bytes
    path: Path | None = None


def prepared(photo: Photo) -> Upload:
    """The file's own bytes where a server decodes them to the photo as displayed, else a PNG of it.

    Args:
        photo: a path, or uint8 [H, W, 3] RGB as displayed.

    Raises:
        DataError: the photo cannot be read, or is too large by its header.
        ValueError: it is no photo.
    """
    if isinstance(photo, str | os.PathLike):
        return _of_file(Path(photo))
    photo = require_pixels(photo)
    height, width = photo.shape[:2]
    name = f"A photo of {height} x {width} (h x w)"
    _check_size(name, height, width)
    return Upload(name, (height, width), photo_png(photo))


def as_png(upload: Upload) -> Upload:
    """The photo of a file's own bytes, decoded here.

    Raises:
        DataError: it cannot be decoded.
    """
    if upload.path is None:
        return upload
    photo = read_photo(upload.path)
    return Upload(upload.name, photo.shape[:2], photo_png(photo))


def _of_file(path: Path) -> Upload:
    header = photo_header(path)
    size = header.height, header.width
    _check_size(str(path), *size)
    if header.format in _ALIKE_FORMATS and header.mode in _ALIKE_MODES and header.orientation == 1:
        try:
            return Upload(str(path), size, path.read_bytes(), path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path.") from error
    return as_png(Upload(str(path), size, b"", path))


def _check_size(name: str, height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DataError(
            f"{name}: must have at most {MAX_PIXELS:,} pixels. Received: {width} x {height}. "
            "Reduce the image."
        )

"""Whether photo files can be trained on, found from their headers and their last bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wsss_tf.errors import DataError
from wsss_tf.images import PhotoHeader, photo_header, read_photo

# MPO is what phones write: a JPEG with more pictures behind the first, which is the one decoded.
FORMATS = ("JPEG", "MPO", "PNG")
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"
_TAIL = 64
_THREADS = 8


def check_photos(
    paths: Iterable[Path], *, max_pixels: int
) -> tuple[dict[Path, PhotoHeader], list[str]]:
    """Reads the headers of photos, several at a time.

    Returns:
        The headers of the photos that can be trained on, and one problem for each of the others,
        in the order of `paths`.
    """
    unique = list(dict.fromkeys(paths))
    headers, problems = {}, []
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(lambda path: check_photo(path, max_pixels=max_pixels), unique)
        for path, result in zip(unique, results, strict=True):
            if isinstance(result, str):
                problems.append(result)
            else:
                headers[path] = result
    return headers, problems


def check_photo(path: Path, *, max_pixels: int) -> PhotoHeader | str:
    """The header of a photo that can be trained on, or what is wrong, with its path in front."""
    try:
        header = photo_header(path)
        problem = _header_problem(header, max_pixels)
        if problem is None and not _is_complete(path, header.format, max_pixels):
            problem = "is truncated: its last bytes are missing. Get the file again."
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror or error}. Check its permissions."
    return header if problem is None else f"{path}: {problem}"


def _header_problem(header: PhotoHeader, max_pixels: int) -> str | None:
    if header.format not in FORMATS:
        return (
            f"must be a JPEG or PNG file to be trained on. Received: {header.format}. "
            "Convert it to JPEG or PNG."
        )
    if header.mode == "CMYK":
        # TensorFlow and Pillow round these differently, or invert them differently.
        return "must be an RGB or grey JPEG. Received: CMYK. Convert it to RGB."
    if header.width * header.height > max_pixels:
        return (
            f"must have at most {max_pixels} pixels. Received: {header.width} x {header.height}. "
            "Make it smaller, or raise `data.max_pixels`."
        )
    return None


def _is_complete(path: Path, kind: str, max_pixels: int) -> bool:
    """Whether the pixels go on to the end: by the end marker, else by decoding the whole photo."""
    end = _PNG_END if kind == "PNG" else _JPEG_END
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        if file.read().rstrip(b"\0\r\n ").endswith(end):
            return True
    # Some cameras write on after the end marker. Pillow can do without it, TensorFlow cannot.
    read_photo(path, max_pixels=max_pixels)
    content = path.read_bytes()
    # The thumbnail inside a JPEG has an end marker too, but it comes before the scan.
    start = 0 if kind == "PNG" else content.rfind(_JPEG_SCAN)
    return content.find(end, start) >= 0

"""What each photo and mask file is: header, end, content, ids. Many at a time.

Masks are opened here, unlike in training: this is a tool to check a data set with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from wsss_tf.data.photo_files import FORMATS, check_photo
from wsss_tf.errors import DataError
from wsss_tf.files import sha256
from wsss_tf.images import PhotoHeader, photo_header, read_label_map, read_photo

_CHUNK = 64


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be used: the key of its kind, and a line that names the file."""

    key: str
    text: str


@dataclass(frozen=True)
class PhotoFile:
    """A photo file.

    Attributes:
        header: None where it cannot be trained on.
        fault: why not; None where it can.
        digest: SHA-256 of the content; None where it cannot be read.
    """

    header: PhotoHeader | None
    fault: Fault | None
    digest: str | None


@dataclass(frozen=True)
class MaskFile:
    """A mask file.

    Attributes:
        size: (height, width); None with a fault.
        ids: those that at least one pixel has, ascending.
        fault: why it is no label map; None where it is.
        digest: SHA-256 of the content; None where it cannot be read.
    """

    size: tuple[int, int] | None
    ids: tuple[int, ...] = ()
    fault: Fault | None = None
    digest: str | None = None


def scan(
    pairs: Sequence[tuple[Path, Path | None]],
    *,
    max_pixels: int,
    deep: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[PhotoFile, MaskFile | None]]:
    """Yields what each photo is, and its mask where there is one, in order.

    Args:
        pairs: each photo and the path that its mask would have; None for no mask.
        max_pixels: of a photo.
        deep: whether to decode the photos, too.
        progress: called with the number of photos done and of all.
    """
    done = 0
    pool = ThreadPoolExecutor(2 * (os.cpu_count() or 1))
    try:
        for chunk in _chunks(pairs):
            photos = pool.map(lambda pair: _photo(pair[0], max_pixels, deep), chunk)
            masks = pool.map(lambda pair: _mask(pair[1]), chunk)
            yield from zip(photos, masks, strict=True)
            done += len(chunk)
            progress(done, len(pairs))
    finally:
        # Ctrl-C waits for the files being read, not for those in the queue.
        pool.shutdown(cancel_futures=True)


def _chunks(
    pairs: Iterable[tuple[Path, Path | None]],
) -> Iterator[list[tuple[Path, Path | None]]]:
    rest = iter(pairs)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _photo(path: Path, max_pixels: int, deep: bool) -> PhotoFile:
    digest = digest_of(path)
    header = check_photo(path, max_pixels=max_pixels)
    if isinstance(header, str):
        return PhotoFile(None, Fault(_fault_of(path, max_pixels), header), digest)
    if deep:
        try:
            read_photo(path, max_pixels=max_pixels)
        except DataError as error:
            return PhotoFile(header, Fault("damaged", str(error)), digest)
    return PhotoFile(header, None, digest)


def _fault_of(path: Path, max_pixels: int) -> str:
    """Which kind of fault `check_photo` has found in a photo."""
    try:
        header = photo_header(path)
    except DataError:
        return "unreadable"
    large = header.width * header.height > max_pixels
    if header.format not in FORMATS or header.mode == "CMYK" or large:
        return "unusable"
    return "truncated"


def _mask(path: Path | None) -> MaskFile | None:
    if path is None or not os.path.exists(path):  # False too where it may not be asked.
        return None
    digest = digest_of(path)
    try:
        mask = read_label_map(path)
    except DataError as error:
        return MaskFile(None, fault=Fault(_mask_fault(path), str(error)), digest=digest)
    present = np.bincount(mask.ravel(), minlength=256)
    return MaskFile(mask.shape, tuple(np.flatnonzero(present).tolist()), digest=digest)


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file; None where it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return None


def _mask_fault(path: Path) -> str:
    """A whole picture that holds no ids, or one that is damaged."""
    try:
        read_photo(path)
    except DataError:
        return "mask_unreadable"
    return "mask_colours"

"""One sparse file of equal float16 entries, each with a checksum: absent, or whole."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import RunError
from wsss_tf.files import lock, write_json

logger = logging.getLogger(__name__)

_CHECKSUM = 4  # Bytes that follow an entry's values.
NAME = "activations.bin"


class ActivationFile:
    """Reads and writes the entries of a file that `open` made.

    An entry's checksum covers its values, its number and what the file is of, and is written last.
    So what a killed writer left, a damaged disk changed, or somebody copied from another file, is
    no entry: it is made again.

    Args:
        path, descriptor: of the file, open to read and write.
        key: what the entries hang on, in digits; part of every checksum.
        shape: of an entry.
    """

    def __init__(self, path: Path, descriptor: int, *, key: str, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self._descriptor, self._key = descriptor, key
        self._bytes = _entry_bytes(shape)
        self._warned = False

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, about: dict[str, Any], *, entries: int, shape: tuple[int, ...]
    ) -> Iterator[ActivationFile]:
        """Opens, or makes, the file of `about` in a folder of its own below `folder`.

        Args:
            folder: runs may share it; one at a time has a file open.
            about: all that the entries hang on, JSON; it names the file and lies beside it.
            entries: number of entries.
            shape: of each.

        Raises:
            RunError: another process has the file, or the disk lacks room for all entries.
        """
        text = json.dumps(about, sort_keys=True, allow_nan=False)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        with lock(folder / key) as own:
            path = own / NAME
            write_json(own / "about.json", about)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise _unusable(path, error) from error
            try:
                _make_room(path, descriptor, entries, shape)
                yield cls(path, descriptor, key=key, shape=shape)
            finally:
                os.close(descriptor)

    def read(self, entry: int) -> NDArray[np.float16] | None:
        """The values of an entry, or None where they are absent or damaged.

        Raises:
            RunError: the disk cannot be read.
        """
        try:
            content = os.pread(self._descriptor, self._bytes, entry * self._bytes)
        except OSError as error:
            raise _unusable(self.path, error) from error
        values, stored = content[:-_CHECKSUM], content[-_CHECKSUM:]
        if len(content) == self._bytes and stored == self._checksum(entry, values):
            return np.frombuffer(values, "<f2").reshape(self.shape)
        if any(stored) and not self._warned:
            self._warned = True
            logger.warning("%s: entry %d is damaged; such ones are made again.", self.path, entry)
        return None

    def write(self, entry: int, values: NDArray[np.float16]) -> None:
        """Keeps the values of an entry.

        Raises:
            ValueError: they have another shape or dtype.
            RunError: the disk is full or fails.
        """
        if values.shape != self.shape or values.dtype != np.float16:
            raise ValueError(
                f"`values` must be float16 of shape {self.shape}. "
                f"Received: {values.dtype} of shape {values.shape}."
            )
        data = values.astype("<f2").tobytes()
        content = memoryview(data + self._checksum(entry, data))
        offset = entry * self._bytes
        try:
            while content:
                written = os.pwrite(self._descriptor, content, offset)
                content, offset = content[written:], offset + written
        except OSError as error:
            raise _unusable(self.path, error) from error

    def _checksum(self, entry: int, data: bytes) -> bytes:
        start = zlib.crc32(f"{self._key}/{entry}".encode())
        # Zeros are what a sparse file has where nothing was written.
        return (zlib.crc32(data, start) or 1).to_bytes(_CHECKSUM, "little")


def _entry_bytes(shape: tuple[int, ...]) -> int:
    return 2 * int(np.prod(shape, dtype=np.int64)) + _CHECKSUM


def _make_room(path: Path, descriptor: int, entries: int, shape: tuple[int, ...]) -> None:
    """Gives the file its length; tells its size, and refuses where the disk lacks room for it."""
    total = entries * _entry_bytes(shape)
    missing = total - os.fstat(descriptor).st_blocks * 512
    free = shutil.disk_usage(path.parent).free
    size = f"{entries} activations of {' x '.join(map(str, shape))}, {_gigabytes(total)}"
    if missing > free:
        raise RunError(
            f"{path}: cannot keep {size}: {_gigabytes(missing)} are still to be written, and the "
            f"disk has {_gigabytes(free)} free. Lower augment.views, free space, or set "
            "data.activations_cache to a folder on another disk."
        )
    logger.info("%s: keeps %s (%s of it still to be written)", path, size, _gigabytes(missing))
    try:
        os.ftruncate(descriptor, total)
    except OSError as error:
        raise _unusable(path, error) from error


def _gigabytes(size: int) -> str:
    return f"{max(size, 0) / 1e9:.3g} GB"


def _unusable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{path}: cannot be used: {error.strerror or error}. Free space, set "
        "data.activations_cache to another folder, or set keep_activations to false."
    )

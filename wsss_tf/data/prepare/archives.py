"""The files in an archive or a folder, by name, read where they are.

Of a compressed tar, what is wanted is unpacked into a temporary file without a name, in TMPDIR.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from wsss_tf.data.prepare.members import link_fault, name_fault, plain, tar_fault, unsafe, walk
from wsss_tf.errors import DataError, RunError

_BLOCK = 512
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile)


class Archive(ABC):
    """The files of an archive. Usable by several threads, and as a context that closes it.

    Attributes:
        path: of the archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of all files, with "/" between folders and no "./" before, in their order."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            DataError: there is none of that name, or it is damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the file of the archive; nothing can be read after it."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _missing(self, name: str) -> DataError:
        return DataError(f"{self.path}: has no file {name!r}. Get the archive again.")

    def _damaged(self, name: str, reason: object) -> DataError:
        return DataError(f"{self.path}: {name!r} is damaged: {reason}. Get the archive again.")


def open_archive(
    path: str | os.PathLike[str], *, only: Callable[[str], bool] = lambda name: True
) -> Archive:
    """Opens a folder, a .tar, .tar.gz, .tgz or .zip; its content tells which, not its name.

    Args:
        path: of it.
        only: tells the names of the files that will be read. The others are not listed, and those
            of a compressed tar are not kept in its temporary file.

    Raises:
        DataError: it does not exist, is no such archive, is truncated or damaged, or has members
            that are absolute, hold '..', are links that lead out of it, devices or pipes.
    """
    path = Path(path)
    if path.is_dir():
        return _Folder(path, only)
    try:
        with open(path, "rb") as file:
            start = file.read(_BLOCK)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path.") from error
    with _named_damage(path):
        if start.startswith((b"PK\3\4", b"PK\5\6")):
            return _Zip(path, only)
        if start.startswith(b"\x1f\x8b"):
            return _CompressedTar(path, only)
        if start[257:262] == b"ustar":
            return _Tar(path, only)
    raise DataError(
        f"{path}: must be a folder, .tar, .tar.gz, .tgz or .zip. Received: {_kind(start)}. "
        "Get the file again."
    )


class _Folder(Archive):
    def __init__(self, path: Path, only: Callable[[str], bool]) -> None:
        super().__init__(path)
        self._names = {name: None for name, _ in sorted(walk(path)) if only(name)}

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    def read(self, name: str) -> bytes:
        if name not in self._names:
            raise self._missing(name)
        try:
            return (self.path / name).read_bytes()
        except PermissionError as error:
            raise DataError(
                f"{self.path / name}: cannot be read: {error.strerror}. Allow reading it."
            ) from error
        except OSError as error:
            raise self._damaged(name, error.strerror) from error

    def close(self) -> None:
        self._names = {}


class _Zip(Archive):
    def __init__(self, path: Path, only: Callable[[str], bool]) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        wrong = []
        for info in self._zip.infolist():
            mode = info.external_attr >> 16
            fault = name_fault(info.filename)
            if stat.S_ISLNK(mode):
                fault = fault or link_fault(info.filename, self._target(info))
            elif fault is None and not info.is_dir() and only(plain(info.filename)):
                self._members[plain(info.filename)] = info
            wrong += [f"{info.filename!r} {fault}"] if fault else []
        if wrong:
            self._zip.close()
            raise unsafe(path, wrong)

    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise self._missing(name)
        try:
            return self._zip.read(self._members[name])
        except (*_DAMAGED, OSError, RuntimeError, NotImplementedError) as error:
            raise self._damaged(name, error) from error

    def close(self) -> None:
        self._zip.close()

    def _target(self, info: zipfile.ZipInfo) -> str:
        return self._zip.read(info).decode("utf-8", "replace") if info.file_size < 4096 else "/"


class _Tar(Archive):
    """A tar that is not compressed: its files are read from their places."""

    def __init__(self, path: Path, only: Callable[[str], bool]) -> None:
        super().__init__(path)
        self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115 (closed by `close`)
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with open(path, "rb") as file:
                for member, _ in _members(path, file):
                    if only(plain(member.name)):
                        place = (member.offset_data, member.size)
                        self._places[plain(member.name)] = place
        except BaseException:
            self._file.close()
            raise

    def names(self) -> tuple[str, ...]:
        return tuple(self._places)

    def read(self, name: str) -> bytes:
        if name not in self._places:
            raise self._missing(name)
        offset, size = self._places[name]
        try:
            # No position is shared, so that threads need no lock.
            content = os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise self._damaged(name, error.strerror) from error
        if len(content) != size:
            raise self._damaged(name, f"{len(content)} of {size} bytes are there")
        return content

    def close(self) -> None:
        self._file.close()


class _CompressedTar(_Tar):
    """A .tar.gz: what is wanted of it lies, after one pass, in a file without a name."""

    def __init__(self, path: Path, only: Callable[[str], bool]) -> None:
        Archive.__init__(self, path)
        self._places = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        try:
            with gzip.open(path, "rb") as file:
                for member, content in _members(path, file):
                    if only(plain(member.name)):
                        self._places[plain(member.name)] = (self._file.tell(), member.size)
                        self._file.write(content())
            self._file.flush()
        except BaseException:
            self._file.close()
            raise


def _members(
    path: Path, file: IO[bytes] | gzip.GzipFile
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Yields each regular file of a tar, and how to read it before going on; reads to the end.

    Raises:
        DataError: a member is unsafe, or the tar is cut short.
    """
    wrong = []
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            fault = tar_fault(member)
            if fault:
                wrong.append(f"{member.name!r} {fault}")
            elif member.isreg():
                yield member, functools.partial(_content, tar, member)
            # Else 50,000 of them are kept.
            tar.members.clear()  # type: ignore[attr-defined]
    if wrong:
        raise unsafe(path, wrong)
    # tarfile has read the first of two blocks of zeros, or took a damaged header for the end.
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise tarfile.ReadError("its end is missing")
    while file.read(1 << 20):
        pass  # gzip compares its checksum at the end.


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise tarfile.ReadError(f"{member.name} ends too early")
    return content


def _kind(start: bytes) -> str:
    if not start:
        return "an empty file"
    if start.lstrip()[:1] == b"<":
        return "a web page, which a host may send in place of a file"
    return f"something else, which starts with {start[:8]!r}"


@contextlib.contextmanager
def _named_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise DataError(
            f"{path}: is cut short or damaged: {error}. Get the archive again."
        ) from error
    except OSError as error:
        raise RunError(
            f"{path}: cannot be unpacked into {tempfile.gettempdir()}: {error.strerror}. Free "
            "space there, or name another folder in TMPDIR."
        ) from error

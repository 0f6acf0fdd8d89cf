"""Files that are whole or absent: atomic writes, digests, safe joins, folder locks, JSON lines.

A write goes to a temporary sibling, is flushed to the disk and renamed over its target, so that a
reader (or a restart after `kill -9`) sees the old content or the new, never a part of either.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from wsss_tf.errors import DataError, RunError

_TEMPORARY = ".wsss-tmp-"
_WRITE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_LOCK_TAKEN = {errno.EAGAIN, errno.EACCES}
_FIXES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Free space, or choose another folder."),
    errno.EIO: "Check the disk, or choose another folder.",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Choose a folder that you may write to."
    ),
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY),
        "Move away what is in its place, or choose another folder.",
    ),
}


def cannot_write(path: str | os.PathLike[str], error: OSError) -> RunError:
    """The error for a file or folder that cannot be written: the reason, and what mends it."""
    fix = _FIXES.get(error.errno or 0, "Choose another folder.")
    return RunError(f"{path}: cannot be written: {error.strerror or error}. {fix}")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yields a binary file that becomes `path` when the block ends without an error.

    Missing parent folders are made. An error inside the block leaves `path` as it was and removes
    the temporary file; after a `kill -9` it stays behind until `lock` next sweeps its folder.

    Raises:
        RunError: the folder is read-only, the disk is full, or `path` is a folder.
    """
    path = Path(path)
    temporary = path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(temporary, "xb")  # noqa: SIM115 (closed below, before the rename)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # An error that the block met while reading some other file is not about `path`.
        about_target = error.errno in _WRITE_ERRNOS or error.filename == str(temporary)
        if about_target:
            raise cannot_write(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file if it is there.

    Raises:
        RunError: its folder is read-only or no folder, or `path` is a folder.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path` atomically. Raises RunError as `atomic_write` does."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` to `path` as UTF-8, atomically. Raises RunError as `atomic_write` does."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Writes `obj` to `path` as indented JSON, atomically, keys in their own order.

    Raises:
        ValueError: `obj` holds a NaN or an infinity, which JSON has no word for; store None.
        RunError: as `atomic_write`.
    """
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the content of `path`, as 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read, or is no regular file; a pipe is not waited for.
    """
    require_regular(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raises OSError for what is not there or no regular file: reading a pipe may never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))


def safe_join(root: str | os.PathLike[str], relative: str | os.PathLike[str]) -> Path:
    """`root / relative`, made sure to lie inside `root`; it need not exist.

    Raises:
        DataError: `relative` is empty, absolute, has a '..', or reaches out of `root` by a link.
    """
    root, name = Path(root), os.fspath(relative)
    parts = PurePosixPath(name.replace("\\", "/"))
    fault = None
    if not name or "\0" in name:
        fault = "is empty or holds a null character"
    elif not _is_encodable(name):
        fault = "has characters that no file name can have"
    elif parts.is_absolute() or ".." in parts.parts:
        fault = "is absolute or holds '..'"
    else:
        try:
            inside = (root / name).resolve().is_relative_to(root.resolve())
        except (OSError, RuntimeError) as error:  # A loop of links.
            raise DataError(f"{root / name}: cannot be resolved: {error}.") from error
        fault = None if inside else "leads out of the folder through a link"
    if fault:
        raise DataError(
            f"A path must stay inside {root}. Received: {name!r}, which {fault}. "
            "Write it relative to that folder, and copy linked files into it."
        )
    return root / name


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def lies_in(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether a file, links followed, lies in `folder` itself; False for what no file can be."""
    try:
        return os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def lock(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Holds `folder` (made if missing) for this process until the block ends or the process dies.

    Temporary files that a killed writer left anywhere below `folder` are removed first.

    Raises:
        RunError: another process holds the folder, or it cannot be written to.
    """
    folder = Path(folder)
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="ascii")  # noqa: SIM115 (entered below)
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _LOCK_TAKEN:
                raise cannot_write(path, error) from error
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunError(
                f"{folder} is in use by process {owner}. Wait for it to end, or choose another "
                "folder."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        _remove_leftovers(folder)
        yield folder


class JsonLines:
    """A log of one JSON object a line, which survives a writer killed in the middle of a line.

    Args:
        path: the file; its folder is made at the first `append`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, row: dict[str, Any]) -> None:
        """Adds one line, after dropping a torn last one.

        Raises:
            ValueError: `row` holds a NaN or an infinity; store None.
            RunError: the file cannot be written.
        """
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(end - 1, 0))
                if file.read(1) not in (b"", b"\n"):
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
                file.write(line)
        except OSError as error:
            raise cannot_write(self.path, error) from error


def read_jsonl(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a `JsonLines` file, without a torn last line; [] when there is no file.

    Raises:
        RunError: a line other than the last is not a JSON object.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}. Allow reading it.") from error
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RunError(f"{path}:{number}: not JSON ({error}). Remove the line.") from error
        if not isinstance(row, dict):
            raise RunError(f"{path}:{number}: a line must be a JSON object. Remove the line.")
        rows.append(row)
    return rows


def truncate_jsonl(
    path: str | os.PathLike[str], keep: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Rewrites a `JsonLines` file, atomically, with the rows `keep` is true for; returns them.

    A resumed run drops the rows that are newer than its checkpoint this way. No file, no rows.
    """
    rows = [row for row in read_jsonl(path) if keep(row)]
    if Path(path).exists():
        lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        write_text(path, "".join(lines))
    return rows


def _remove_leftovers(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(_TEMPORARY):
                Path(parent, name).unlink(missing_ok=True)

"""Which members of an archive are safe: files and folders inside it, and links that stay there."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wsss_tf.errors import DataError

_SHOWN = 3


def tar_fault(member: tarfile.TarInfo) -> str | None:
    """What is unsafe about a member of a tar; None: nothing."""
    if fault := name_fault(member.name):
        return fault
    if member.issym() or member.islnk():
        # A hard link names a member, a symbolic link a place beside itself.
        return link_fault("" if member.islnk() else member.name, member.linkname)
    if not (member.isreg() or member.isdir()) or member.issparse():
        return "is a device, a pipe or a sparse file"
    return None


def name_fault(name: str) -> str | None:
    """What is unsafe about the name of a member; None: nothing."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or "\0" in name:
        return "has no name that a file could have"
    return "is absolute or holds '..'" if parts.is_absolute() or ".." in parts.parts else None


def link_fault(name: str, target: str) -> str | None:
    """Whether a link points outside; one that does not is left out, and nothing follows it."""
    depth = len(PurePosixPath(name).parent.parts)
    parts = PurePosixPath(target.replace("\\", "/"))
    for part in parts.parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or parts.is_absolute():
            return f"is a link out of it, to {target[:80]!r}"
    return None


def plain(name: str) -> str:
    """A name without "./" and "//"."""
    return str(PurePosixPath(name))


def unsafe(path: Path, wrong: list[str]) -> DataError:
    """The error for members, or files of a folder, with what is wrong about each."""
    more = len(wrong) - _SHOWN
    shown = "; ".join(wrong[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    if path.is_dir():
        return DataError(
            f"{path}: every file below it must be one, and no link may lead out. Received: "
            f"{shown}. Remove that, or copy there what a link leads to."
        )
    return DataError(
        f"{path}: every member must be a file or a folder inside the archive. Received: {shown}. "
        "It is no original archive: get it again."
    )


def walk(root: Path) -> list[tuple[str, int]]:
    """(name, size) of all files below a folder.

    Raises:
        DataError: a link leads out of it, or something is no file, or cannot be looked at.
    """
    found, wrong = [], []
    inside = root.resolve()
    try:
        for path in _everything(root):
            name = path.relative_to(root).as_posix()
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                wrong.append(f"{name!r} is a link out of it")
            elif path.is_file():
                found.append((name, path.stat().st_size))
            elif not path.is_dir():
                wrong.append(f"{name!r} is no file")
    except (OSError, RuntimeError) as error:
        raise DataError(f"{root}: cannot be read: {error}. Check it.") from error
    if wrong:
        raise unsafe(root, wrong)
    return found


def _everything(root: Path) -> Iterator[Path]:
    """All below a folder but folders, with links to folders, which are not entered."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=fail):
        links = (name for name in folders if os.path.islink(os.path.join(folder, name)))
        yield from (Path(folder, name) for name in (*names, *links))

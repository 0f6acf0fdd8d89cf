"""Finds the archives of a data set in the user's folder, or fetches them; reads lists of ids."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

from wsss_tf.data.prepare.downloads import fetch
from wsss_tf.data.prepare.preparation import Request
from wsss_tf.errors import DataError

_ID = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class FoundIn:
    """Where an archive may be.

    Attributes:
        name: of its file.
        others: what else is taken for it: other names and unpacked folders, relative to the root.
        mirrors: addresses of it.
        sha256: of the original file.
        marks: folders that an unpacked one must have, so that a root without it is not taken.
    """

    name: str
    others: tuple[str, ...]
    mirrors: tuple[str, ...]
    sha256: str | None
    marks: tuple[str, ...] = ()


@overload
def find(request: Request, archive: FoundIn) -> Path: ...
@overload
def find(request: Request, archive: FoundIn, *, needed: Literal[False]) -> Path | None: ...
def find(request: Request, archive: FoundIn, *, needed: bool = True) -> Path | None:
    """The path of an archive, or of its unpacked folder, in the root; fetched there if asked for.

    Args:
        request: of the user.
        archive: what is looked for; its file comes before its folders.
        needed: whether to raise an error where it is not there, and not None.

    Raises:
        DataError: it is not there, or no host gives it; the root is no folder.
        RunError: the root cannot be written to.
    """
    root = request.root
    require_root(request, archive.name)
    for name in (archive.name, *archive.others):
        path = root / name
        if path.is_file() or (path.is_dir() and _has_marks(path, archive.marks)):
            return path
    if request.download and archive.mirrors:
        return fetch(archive.name, archive.mirrors, archive.sha256, root, request.say)
    if not needed:
        return None
    names = (path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    here = ", ".join(sorted(names)[:10]) or "nothing"
    folders = ", ".join(name for name in archive.others if name != ".")
    raise DataError(
        f"{root}: has neither {archive.name} nor {folders}. It has: {here}. Put the archive "
        "there, or add --download."
    )


def require_root(request: Request, name: str) -> None:
    """Makes sure that the root is a folder, or may become one. Raises DataError.

    Args:
        request: of the user.
        name: of an archive that is looked for there.
    """
    root = request.root
    if not os.path.isdir(root) and (os.path.exists(root) or not request.download):
        raise DataError(
            f"{root}: must be the folder with {name}, or with what it holds. Received: "
            f"{'a file' if os.path.exists(root) else 'nothing of that name'}."
        )


def list_ids(content: bytes, where: str) -> tuple[str, ...]:
    """The ids in a list, one a line, in order.

    Raises:
        DataError: a line is no id, or an id is there twice.
    """
    ids = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    ids = [name for name in ids if name]
    wrong = next((name for name in ids if not _ID.fullmatch(name)), None)
    if wrong is not None:
        raise DataError(f"{where}: must hold one photo id a line. Received: {wrong[:80]!r}.")
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"{where}: has {twice!r} twice. Get the archive again.")
    return tuple(ids)


def _has_marks(folder: Path, marks: tuple[str, ...]) -> bool:
    return all((folder / mark).is_dir() for mark in marks)

"""The archives and folders that a preparation reads: their digests, held against the originals'."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tqdm import tqdm

from wsss_tf.data.prepare.items import Source
from wsss_tf.data.prepare.members import walk
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256

_CHUNK = 1 << 20
_TEXTS = (".txt", ".xml", ".json")
"""Lists and annotations: an edit of them need not change their size."""


def read_sources(
    paths: Mapping[Path, Callable[[str], bool]],
    originals: Mapping[str, str],
    *,
    any_archive: bool,
) -> tuple[tuple[Source, ...], list[str]]:
    """Reads all of each archive for its digest, with a bar on stderr.

    Args:
        paths: of archives and folders, with what tells the names of the files in them that count;
            of an archive all do.
        originals: SHA-256 of the original archives, by file name.
        any_archive: whether others of these names are taken.

    Returns:
        What was read, and a note on each source that is not known to be the original.

    Raises:
        DataProblems: archives of another content than the originals, unless `any_archive`.
        DataError: as `source_of`.
    """
    sources, notes, problems = [], list[str](), []
    for path, only in paths.items():
        source = source_of(path, only=only)
        sources.append(source)
        original = originals.get(source.name)
        if path.is_dir():
            notes.append(
                f"{source.name} is a folder: its digest is of names and sizes, and of what lists "
                "and annotations hold. A photo or mask replaced by one of equal size is not seen."
            )
        elif original is None:
            notes += [f"{source.name} was held against no original."] if originals else []
        elif source.sha256 != original:
            notes.append(f"{source.name} is not the original archive: its SHA-256 is another.")
            problems.append(
                f"{path}: must have the SHA-256 of the original, {original}. Received: "
                f"{source.sha256}. It is damaged or of another edition: get it again, or give "
                "--any-archive to use it as it is."
            )
    if problems and not any_archive:
        raise DataProblems(problems)
    return tuple(sources), notes


def source_of(
    path: str | os.PathLike[str], *, only: Callable[[str], bool] = lambda name: True
) -> Source:
    """Name, size and digest of an archive or a folder; reads all of an archive, texts of a folder.

    Args:
        path: of it.
        only: tells the names of the files of a folder that count.

    Raises:
        DataError: it cannot be read, or is a folder with links that lead out of it.
    """
    path = Path(path)
    if not path.is_dir():
        try:
            return Source(path.name, path.stat().st_size, _digest(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}. Check it.") from error
    digest, total = hashlib.sha256(), 0
    for name, size in sorted(pair for pair in walk(path) if only(pair[0])):
        content = f"\0{_text_digest(path / name)}" if name.endswith(_TEXTS) else ""
        digest.update(f"{name}\0{size}{content}\n".encode("utf-8", "surrogateescape"))
        total += size
    return Source(folder_name(path), total, digest.hexdigest())


def _text_digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Allow reading it.") from error


def folder_name(path: Path) -> str:
    """The name of a folder as a source; bytes in it that are no text become escapes."""
    return path.resolve().name.encode("utf-8", "backslashreplace").decode() + "/"


def _digest(path: Path) -> str:
    digest, size = hashlib.sha256(), path.stat().st_size
    name = f"SHA-256 of {path.name}"
    with open(path, "rb") as file, tqdm(total=size, unit="B", unit_scale=True, desc=name) as bar:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()

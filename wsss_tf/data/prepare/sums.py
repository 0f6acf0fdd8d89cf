"""SHA256SUMS: the digest of every photo and mask of a prepared folder, for `sha256sum -c` too."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from wsss_tf.data.prepare.threads import in_threads
from wsss_tf.errors import DataError
from wsss_tf.files import require_regular, sha256

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ((?:images|masks)/[^/\0]+)")


def sums_text(digests: Mapping[str, str]) -> str:
    """The content of the file.

    Args:
        digests: SHA-256 by the names of files, relative to the prepared folder.
    """
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def read_sums(out: Path) -> dict[str, str]:
    """The digests by name.

    Raises:
        DataError: there is no such file, or a line is none of its own.
    """
    path = out / NAME
    try:
        require_regular(path)
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}. Prepare the folder again.") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(
                f"{path}:{number}: must be a SHA-256, two spaces and a file in images/ or masks/. "
                f"Received: {line[:100]!r}. Prepare the folder again."
            )
        found[match[2]] = match[1]
    return found


def changed(
    out: Path,
    digests: Mapping[str, str],
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """The names of files that are missing or have another content, in the order of `digests`.

    Args:
        out: the prepared folder.
        digests: as `read_sums` gives.
        workers: number of threads.
        progress: called with how many files are done, and of how many.
    """
    names = []
    with closing(in_threads(functools.partial(_digest, out), digests, workers)) as results:
        for done, (name, digest) in enumerate(results, start=1):
            names += [] if digest == digests[name] else [name]
            progress(done, len(digests))
    return names


def _digest(out: Path, name: str) -> str | None:
    try:
        return sha256(out / name)
    except OSError:
        return None

"""The photos that a command is given: files, folders, patterns and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from wsss_tf.errors import DataError
from wsss_tf.images import list_photos

LIST_SUFFIX = ".txt"


def photo_files(given: Sequence[Path]) -> list[Path]:
    """The photos that `given` names, each once.

    A folder stands for the photos in it, sorted; a pattern such as "photos/**/*.jpg", where no file
    has that name, for the files that it fits, sorted; a .txt file for the photos that it lists, one
    a line, relative to its own folder. A file that does not exist is kept: reading it will say so.

    Raises:
        DataError: a folder, pattern or list has no photo, a list cannot be read, or two photos
            share a name: what is written for a photo is named after it.
    """
    named: list[Path] = []
    for path in given:
        if path.suffix.lower() == LIST_SUFFIX:
            named += _listed(path)
        elif glob.has_magic(str(path)) and not os.path.exists(path):
            named += _fitting(path)
        else:
            named.append(path)
    return list_photos(named)


def _fitting(pattern: Path) -> list[Path]:
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))
    files = [path for path in found if path.is_file()]
    if not files:
        raise DataError(f"{pattern}: no file fits this pattern. Check it, and the folder.")
    return files


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as a list of photos, one a line, in UTF-8: {error}."
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"{path}: lists no photo. Write one a line.")
    return [path.parent / name for name in names]

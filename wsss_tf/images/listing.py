"""The photos that a command is given: files and folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wsss_tf.errors import DataError

PHOTO_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def list_photos(paths: Sequence[Path]) -> list[Path]:
    """The photos that `paths` name: files as they are, folders by their photos, sorted.

    A path that does not exist is kept: reading it will say so beside the other photos.

    Raises:
        DataError: a folder without photos, or two photos of one name: what is written for a photo
            is named after it.
    """
    photos: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # False, where Path.is_dir raises, for a name no file can have.
            found = [p for p in _content(path) if p.suffix.lower() in PHOTO_SUFFIXES]
            if not found:
                raise DataError(f"{path}: no photos here ({', '.join(sorted(PHOTO_SUFFIXES))}).")
            photos.extend(found)
        else:
            photos.append(path)
    by_stem: dict[str, Path] = {}
    for path in photos:
        other = by_stem.setdefault(path.stem, path)
        if other != path:
            raise DataError(
                f"What is written is named after its photo, and {other} and {path} share a name. "
                "Write for them into two folders."
            )
    return list(by_stem.values())


def _content(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be listed: {error.strerror}. Allow reading it, or leave it out."
        ) from error

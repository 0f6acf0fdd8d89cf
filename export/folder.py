"""A folder that is whole or absent: built under another name, and renamed when it is finished."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wsss_tf.errors import RunError
from wsss_tf.files import cannot_write, lock


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `out` when the block ends without an error.

    It lies beside `out` as `.NAME.wsss-tmp`. An error removes it; after a `kill -9` it stays
    behind, holds no complete bundle under a name that anyone looks for, and is emptied by the next
    call.

    Args:
        out: must not exist, or be an empty folder.

    Raises:
        RunError: `out` is a file or holds something, another process is building it, or its
            parent cannot be written to.
    """
    require_new(out)
    building = out.absolute().parent / f".{out.absolute().name}.wsss-tmp"
    with lock(building):
        _empty(building)
        try:
            yield building
            (building / ".lock").unlink()
            _flush(building)
            os.rename(building, out)
            _flush_folder(out.absolute().parent)
        except OSError as error:
            _remove(building)
            if _is_about(error, building, out):
                raise cannot_write(out, error) from error
            raise
        except BaseException:
            _remove(building)
            raise


def require_new(out: Path) -> None:
    """Raises RunError for a file, or a folder that holds anything."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise RunError(f"{out}: must be a new or empty folder. Received: a file or a link.")
    if os.path.ismount(out):
        raise RunError(
            f"{out}: must be a folder that can be renamed. Received: a mount point. Give the name "
            "of a new folder inside it."
        )
    if out.is_dir() and any(out.iterdir()):
        raise RunError(
            f"{out}: must be a new or empty folder. Received: a folder that is not empty. "
            "Remove it first, or choose another --out."
        )
    parent = next(path for path in out.absolute().parents if path.is_dir())
    if not os.access(
        parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        raise RunError(
            f"{out}: must lie in a folder that you may write to, as it is built beside its place. "
            f"Received: {parent}. Choose another --out."
        )


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Brings files and folders to the disk, so that the rename does not come before them."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(Path(parent, name), "rb") as file:
                os.fsync(file.fileno())
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_about(error: OSError, *places: Path) -> bool:
    """Whether an error met one of `places`, or a disk that takes no more."""
    named = str(error.filename or "")
    return not named or any(named.startswith(str(place)) for place in places)

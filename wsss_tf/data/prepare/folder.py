"""What a folder to prepare into holds: nothing, a preparation begun or done, or something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsss_tf.data.prepare.items import About
from wsss_tf.data.prepare.journal import NAME as JOURNAL
from wsss_tf.data.prepare.journal import begun
from wsss_tf.data.prepare.record import NAME as RECORD
from wsss_tf.data.prepare.record import agrees, identity, listed_files, read_record
from wsss_tf.data.prepare.sums import NAME as SUMS
from wsss_tf.data.prepare.sums import changed, read_sums
from wsss_tf.errors import DataError

_SHOWN = 3
_FIX = "Choose another folder."


def read_finished(out: Path, about: About) -> dict[str, Any] | None:
    """The content of data.json where `out` was prepared to the end; `differences` tells the rest.

    Raises:
        DataError: `out` holds another preparation, or something else.
    """
    require_own(out, about)
    return None if (out / JOURNAL).exists() else read_record(out)


def differences(
    out: Path,
    record: dict[str, Any],
    about: About,
    *,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """The files of a finished folder that are missing or changed.

    What others have added is no difference: lists, masks, or photos that no list names.

    Args:
        out: the folder.
        record: the content of its data.json.
        about: what was prepared.
        workers: number of threads.
        progress: called with how many files are done, and of how many.
    """
    lists = listed_files(record)
    if lists is None:
        return [RECORD]
    if found := changed(out, lists, workers=1):
        return found
    try:
        sums = read_sums(out)
    except DataError:  # Somebody has brought the digest of it in data.json in line.
        return [SUMS]
    if not agrees(record, about, sums, out):
        return [RECORD]
    return changed(out, sums, workers=workers, progress=progress)


def unfinished(root: Path) -> str | None:
    """What to tell of a folder that was not prepared to the end; None for one that was, or never.

    Its tags.csv may be there already: without data.json nothing names the classes of its masks.
    """
    if (root / RECORD).is_file():
        return None
    if (root / JOURNAL).exists():
        return (
            f"{root}: is not prepared to the end. Give the command again that was ended here, "
            "`wsss-tf data prepare` or `wsss-tf data init --copy-to`: it goes on."
        )
    if _has_sums(root):
        return (
            f"{root}: has lost {RECORD}, which tells its classes. Prepare it into another folder."
        )
    return None


def _has_sums(root: Path) -> bool:
    """Whether SHA256SUMS of a prepared folder is there; others have files of that name too."""
    if not all((root / name).is_dir() for name in ("images", "lists")):
        return False
    try:
        return bool(read_sums(root))
    except DataError:
        return False


def require_own(out: Path, about: About) -> None:
    """Makes sure that a preparation may write into `out`; writes nothing.

    Raises:
        DataError: `out` is a file, or holds another preparation or something else.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise DataError(f"{out}: must be a folder. Received: a file. {_FIX}")
    names = [name for name in _names(out) if not name.startswith(".")]
    wanted = identity(about)
    held = read_record(out) or begun(out)
    if held is None:
        if names:
            raise DataError(
                f"{out}: must be empty, or what an earlier preparation has left. Received: "
                f"{', '.join(sorted(names)[:_SHOWN])} and no {RECORD}. {_FIX}"
            )
    elif {key: held.get(key) for key in wanted} != wanted:
        differ = [key for key in wanted if held.get(key) != wanted[key]]
        raise DataError(
            f"{out}: holds another preparation, of {held.get('data_set')!r}; it differs in "
            f"{', '.join(differ)}. {_FIX}"
        )


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []

"""What a folder to prepare into holds: nothing, a preparation begun or done, or something else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.journal import NAME as JOURNAL
from wsss_tf.data.prepare.journal import begun
from wsss_tf.data.prepare.sums import NAME as SUMS
from wsss_tf.data.prepare.sums import changed, read_sums
from wsss_tf.errors import DataError, DataProblems

FORMAT = 1
"""Of data.json; another one has other keys, or the same keys with another meaning."""
RECORD = "data.json"
_OWN_PREFIXES = (".lock", ".wsss-tmp-")
_SHOWN = 3
_FIX = "Choose another folder, or delete this one."


def identity(about: About) -> dict[str, Any]:
    """What makes two preparations the same, as JSON has it; notes and versions do not count."""
    return {
        "format": FORMAT,
        "data_set": about.data_set,
        "label_space": about.label_space,
        "settings": json.loads(json.dumps(dict(about.settings))),
        "sources": [dataclasses.asdict(source) for source in about.sources],
    }


def read_record(out: Path) -> dict[str, Any] | None:
    """The content of data.json; None where there is none.

    Raises:
        DataError: it cannot be read, is no JSON object or of another format.
    """
    path = out / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}. Delete it, and prepare again."
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DataError(
            f"{path}: must be of format {FORMAT}, which `wsss-tf data prepare` writes. "
            f"Received: {found!r}. {_FIX}"
        )
    return record


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
    *,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[str]:
    """The files of a finished folder that are missing, of another content, or none of its own.

    Args:
        out: the folder.
        record: the content of its data.json.
        workers: number of threads.
        progress: called with how many files are done, and of how many.
    """
    lists = record.get("files")
    if not isinstance(lists, dict) or SUMS not in lists:
        return [RECORD]
    found = changed(out, lists, workers=1)
    if found:
        return found
    try:
        sums = read_sums(out)
    except DataError:  # Somebody has brought the digest of it in data.json in line.
        return [SUMS]
    found = changed(out, sums, workers=workers, progress=progress)
    here = {f"{name}/{file.name}" for name in ("images", "masks") for file in _own(out / name)}
    return found + sorted(here - sums.keys())


def require_own(out: Path, about: About) -> None:
    """Makes sure that a preparation may write into `out`; writes nothing.

    Raises:
        DataError: `out` is a file, or holds another preparation or something else.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: must be a folder. Received: a file. {_FIX}")
    names = {path.name for path in _own(out)}
    wanted = identity(about)
    started = begun(out)
    held = read_record(out) or (started and {**started})
    if held is None:
        if names - {JOURNAL}:
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


def require_no_strangers(out: Path, items: Sequence[Item]) -> None:
    """Makes sure that no file in `out` would be taken for a photo, a mask or a list of the items.

    Raises:
        DataProblems: one line for each folder with such files; none is removed.
    """
    wanted = {
        "images": {Path(item.photo_name).name for item in items},
        "masks": {Path(item.mask_name).name for item in items if item.mask is not None},
        "lists": {f"{split}.txt" for item in items for split in item.splits},
    }
    problems = []
    for folder, names in wanted.items():
        strange = sorted({path.name for path in _own(out / folder)} - names)
        if strange:
            shown = ", ".join(strange[:_SHOWN])
            problems.append(
                f"{out / folder}: has {len(strange)} files that are none of this data set, such as "
                f"{shown}. Move them away, or prepare into another folder."
            )
    if problems:
        raise DataProblems(problems)


def _own(folder: Path) -> list[Path]:
    """What lies in a folder, but for what we leave there ourselves while it is written."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(_OWN_PREFIXES)]

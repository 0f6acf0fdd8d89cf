"""What a folder to prepare into holds: nothing, a preparation begun or done, or something else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.journal import NAME as JOURNAL
from wsss_tf.data.prepare.journal import begun
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256

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


def finished(out: Path, about: About) -> dict[str, Any] | None:
    """The content of data.json where `out` is prepared, as a look at names and lists tells.

    A preparation asks before it opens its archives. It then goes on if this is None. What a photo
    or a mask holds is not looked at: one that was damaged since is left to `wsss-tf data check`.

    Raises:
        DataError: `out` holds another preparation, or something else.
    """
    out = Path(out)
    require_own(out, about)
    record = read_record(out)
    if record is None or (out / JOURNAL).exists():
        return None
    try:
        digests = {name: sha256(out / name) for name in record["files"]}
        photos, masks = _names(out / "images"), _names(out / "masks")
    except OSError:
        return None
    listed = {entry.path.name for entry in list_tagged_folder(out).entries}
    stems = {Path(name).stem for name in photos}
    whole = digests == record["files"] and photos == listed and len(masks) == record["masks"]
    return record if whole and {Path(name).stem for name in masks} <= stems else None


def require_own(out: Path, about: About) -> None:
    """Makes sure that a preparation may write into `out`; writes nothing.

    Raises:
        DataError: `out` is a file, or holds another preparation or something else.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: must be a folder. Received: a file. {_FIX}")
    found = {} if not out.exists() else {path.name: path for path in out.iterdir()}
    names = {name for name in found if not name.startswith(_OWN_PREFIXES)}
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
        path = out / folder
        if not path.is_dir():
            continue
        here = {p.name for p in path.iterdir() if not p.name.startswith(_OWN_PREFIXES)}
        strange = sorted(here - names)
        if strange:
            shown = ", ".join(strange[:_SHOWN])
            problems.append(
                f"{path}: has {len(strange)} files that are none of this data set, such as "
                f"{shown}. Move them away, or prepare into another folder."
            )
    if problems:
        raise DataProblems(problems)


def _names(folder: Path) -> set[str]:
    """Names of the files in a folder; OSError without one but for no file, and for an empty one."""
    if not folder.exists():
        return set()
    found = {path.name: path.stat().st_size for path in folder.iterdir()}
    if not all(found.values()):
        raise OSError("an empty file")
    return set(found)

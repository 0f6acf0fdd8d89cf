"""data.json: what was prepared, from what, and how much there is of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsss_tf.data.prepare.items import About, Source, is_split
from wsss_tf.data.prepare.sums import NAME as SUMS
from wsss_tf.errors import DataError
from wsss_tf.files import require_regular
from wsss_tf.labels import label_space

NAME = "data.json"
FORMAT = 1
"""Of data.json; another one has other keys, or the same keys with another meaning."""


def identity(about: About) -> dict[str, Any]:
    """What makes two preparations the same, as JSON has it; notes and versions do not count."""
    return {
        "format": FORMAT,
        "data_set": about.data_set,
        "label_space": about.label_space,
        "settings": json.loads(json.dumps(dict(about.settings))),
        "sources": [dataclasses.asdict(source) for source in about.sources],
    }


def make_record(
    about: About,
    sums: Mapping[str, str],
    splits: Mapping[str, int],
    files: Mapping[str, str],
    version: str,
) -> dict[str, Any]:
    """The content of data.json.

    Args:
        about: the data set.
        sums: what SHA256SUMS has: the digest of each photo and mask.
        splits: number of photos by list.
        files: SHA-256 of the lists, tags.csv and SHA256SUMS.
        version: of this package that wrote it.
    """
    identified = identity(about)
    return {
        "format": identified["format"],
        "data_set": about.data_set,
        "label_space": about.label_space,
        "labels": list(about.labels),
        "wsss_tf": version,
        "settings": identified["settings"],
        "splits": dict(splits),
        "photos": sum(name.startswith("images/") for name in sums),
        "masks": sum(name.startswith("masks/") for name in sums),
        "sources": identified["sources"],
        "files": dict(files),
        "notes": list(about.notes),
    }


def read_record(out: Path) -> dict[str, Any] | None:
    """The content of data.json; None where there is none.

    Raises:
        DataError: it cannot be read, is no JSON object or of another format.
    """
    path = out / NAME
    try:
        require_regular(path)
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}. Prepare the data into another folder."
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DataError(
            f"{path}: must be of format {FORMAT}, which `wsss-tf data prepare` writes. "
            f"Received: {found!r}. Prepare the data into another folder."
        )
    return record


def listed_files(record: Mapping[str, Any]) -> dict[str, str] | None:
    """The digests of lists, tags.csv and SHA256SUMS; None where a record was edited there."""
    splits, files = record.get("splits"), record.get("files")
    if not isinstance(splits, dict) or not isinstance(files, dict):
        return None
    wanted = {SUMS, "tags.csv", *(list_name(split) for split in splits)}
    whole = all(map(is_split, splits)) and set(files) == wanted
    return dict(files) if whole and all(isinstance(one, str) for one in files.values()) else None


def list_name(split: str) -> str:
    """The file of a list, relative to the prepared folder."""
    return f"lists/{split}.txt"


def agrees(record: Mapping[str, Any], about: About, sums: Mapping[str, str], out: Path) -> bool:
    """Whether a record says what the lists and the digests of its folder say, and nothing else.

    Args:
        record: of which `listed_files` are there, unchanged.
        about: the data set.
        sums: what SHA256SUMS has.
        out: the folder.
    """
    counts = {
        split: (out / list_name(split)).read_bytes().count(b"\n") for split in record["splits"]
    }
    if not isinstance(record.get("notes"), list):
        return False
    about = dataclasses.replace(about, notes=tuple(record["notes"]))
    expected = make_record(about, sums, counts, record["files"], record.get("wsss_tf", ""))
    return dict(record) == expected


def about_of(record: Mapping[str, Any]) -> About | None:
    """The data set that a record is of, with the classes of its label space where one is packaged.

    None where the record is not of the form that `make_record` gives.
    """
    try:
        return About(
            str(record["data_set"]),
            record["label_space"],
            _classes(record),
            tuple(Source(**one) for one in record["sources"]),
            settings=tuple(record["settings"].items()),
        )
    except (KeyError, TypeError, AttributeError):
        return None


def _classes(record: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return label_space(record["label_space"]).names
    except ValueError:  # A user's own.
        return tuple(record["labels"])

"""What has become of a prepared folder since: findings about its lists, digests and data.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wsss_tf.data.checking.facts import Facts
from wsss_tf.data.checking.kinds import Finding
from wsss_tf.data.checking.scanning import digest_of
from wsss_tf.data.prepare.record import NAME as RECORD
from wsss_tf.data.prepare.record import about_of, agrees, listed_files, read_record
from wsss_tf.data.prepare.sums import NAME as SUMS
from wsss_tf.data.prepare.sums import read_sums
from wsss_tf.errors import DataError


def edited_findings(root: Path) -> Iterator[Finding]:
    """Lists whose digest is not the one that data.json has of them, and data.json itself."""
    try:
        record = read_record(root) or {}
    except DataError:
        return  # Told with the lists.
    files = listed_files(record) or {}
    # None: it cannot be read, which is told with the lists or the digests.
    found = {name: digest_of(root / name) for name in files}
    for name in sorted(files):
        if found[name] not in (None, files[name]):
            yield Finding("edited", name)
    if not files or _is_edited(record, root, found == files):
        yield Finding("edited", f"{RECORD}: its classes or counts are not those of the folder")


def _is_edited(record: dict[str, Any], root: Path, lists_are_whole: bool) -> bool:
    about = about_of(record)
    if about is None or list(about.labels) != record.get("labels"):
        return True
    try:
        return lists_are_whole and not agrees(record, about, read_sums(root), root)
    except DataError:
        return False  # Told with the digests.


def had_masks(facts: Facts, photos: Iterable[Path]) -> bool:
    """Whether any of these photos of a prepared folder had a mask when it was prepared."""
    if facts.layout.source != "prepared":
        return False
    try:
        written = read_sums(facts.layout.root)
    except DataError:
        return False
    return any(facts.name(facts.mask_paths[path]) in written for path in photos)


def changed_findings(facts: Facts) -> Iterator[Finding]:
    """Photos and masks whose digest is not the one in SHA256SUMS."""
    root = facts.layout.root
    try:
        written = read_sums(root)
    except DataError as error:
        yield Finding("edited", facts.short(str(error), root / SUMS))
        return
    for path, photo in facts.photos.items():
        mask, place = facts.masks.get(path), facts.mask_paths[path]
        # What is None cannot be read, which is told by itself.
        if photo.digest and written.get(facts.name(path), photo.digest) != photo.digest:
            yield Finding("changed", facts.name(path), path)
        digest = written.get(facts.name(place))
        if digest and mask and mask.digest and mask.digest != digest:
            yield Finding("changed", facts.name(place), path, place)
        # Those to evaluate are told by themselves.
        elif digest and not mask and facts.settings.eval_split not in facts.splits_of[path]:
            yield Finding("changed", f"{facts.name(place)}: is gone", path)

"""Writes a prepared folder: photos and masks in threads, then lists, tags.csv and data.json."""

from __future__ import annotations

import csv
import functools
import io
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf import __version__
from wsss_tf.data.photo_files import check_photo
from wsss_tf.data.prepare.folder import require_own
from wsss_tf.data.prepare.items import About, Item, item_problems
from wsss_tf.data.prepare.journal import Journal
from wsss_tf.data.prepare.record import NAME as RECORD
from wsss_tf.data.prepare.record import identity, list_name, make_record
from wsss_tf.data.prepare.sums import NAME as SUMS
from wsss_tf.data.prepare.sums import sums_text
from wsss_tf.data.prepare.threads import in_threads
from wsss_tf.data.tagged_folder import COLUMNS, tags_cell
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import lock, remove, sha256, write_bytes, write_json, write_text
from wsss_tf.images import MAX_PIXELS, PhotoHeader, as_displayed, write_label_map
from wsss_tf.labels import IGNORE


def write_prepared(
    out: str | os.PathLike[str],
    items: Sequence[Item],
    about: About,
    *,
    workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Writes images/, masks/, lists/, SHA256SUMS and tags.csv, and data.json last.

    Stopped at any moment and called again, it goes on: what the journal says is written is kept
    where its content is still that. An uninterrupted call gives the same bytes. What others have
    put beside them stays.

    Args:
        out: empty, missing, or what an earlier call with the same `about` has left there.
        items: the photos; the lists have their order.
        about: for data.json.
        workers: number of threads.
        progress: called with how many items are done, and of how many.

    Returns:
        The content of data.json.

    Raises:
        DataProblems: everything that is wrong with items: before anything is written, or once all
            the others are, and then without tags.csv and data.json.
        DataError: `out` holds something else.
        RunError: `out` cannot be written to, or another process prepares it.
    """
    out = Path(out)
    if problems := item_problems(items, about):
        raise DataProblems(problems)
    require_own(out, about)  # Before the lock, which makes the folder; after it, for good.
    with lock(out):
        require_own(out, about)
        # Another version may write other bytes: only what this one wrote is kept.
        journal = Journal(out, {**identity(about), "wsss_tf": __version__})
        for name in (RECORD, "tags.csv"):
            remove(out / name)
        sums = _write_files(out, items, about, journal, workers, progress)
        splits = _write_lists(out, items, sums)
        names = (SUMS, "tags.csv", *map(list_name, splits))
        files = {name: sha256(out / name) for name in names}
        record = make_record(about, sums, splits, files, __version__)
        write_json(out / RECORD, record)
        journal.end()
    return record


def _write_files(
    out: Path,
    items: Sequence[Item],
    about: About,
    journal: Journal,
    workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, str]:
    """Writes the photos and masks that are not there; returns the digest of each file by its name.

    Raises:
        DataProblems: what was wrong with any.
    """
    kept, sums = journal.kept, dict[str, str]()
    work = functools.partial(_try_item, out, about, kept)
    problems = []
    # Closed here: an error or Ctrl-C below waits for the files that are being written, no longer.
    with closing(in_threads(work, items, workers)) as results:
        for done, (item, result) in enumerate(results, start=1):
            if isinstance(result, DataError):
                problems.append(f"{item.id}: {result}")
            else:
                sums |= zip(_names(item), result, strict=True)
                if result != kept.get(item.id):
                    journal.add(item.id, result)
            progress(done, len(items))
    if problems:
        raise DataProblems(problems)
    return sums


def _names(item: Item) -> list[str]:
    return [item.photo_name, *([item.mask_name] if item.mask else [])]


def _try_item(
    out: Path, about: About, kept: dict[str, list[str]], item: Item
) -> list[str] | DataError:
    """Makes sure that the files of an item are there; returns their digests, or what is wrong."""
    paths = [out / name for name in _names(item)]
    known = kept.get(item.id)
    if known is not None and known == [sha256(path) for path in paths if path.is_file()]:
        return known
    try:
        _write_item(paths, item, about)
    except DataError as error:
        for path in paths:
            remove(path)
        return error
    return [sha256(path) for path in paths]


def _write_item(paths: list[Path], item: Item, about: About) -> None:
    write_bytes(paths[0], item.photo())
    header = check_photo(paths[0], max_pixels=MAX_PIXELS)
    if isinstance(header, str):
        raise DataError(f"its photo {header.removeprefix(f'{paths[0]}: ')}")
    if item.mask is not None:
        label_map = as_displayed(item.mask(), header.orientation)
        _check_mask(label_map, header, about)
        write_label_map(paths[1], label_map)


def _check_mask(mask: NDArray[np.uint8], header: PhotoHeader, about: About) -> None:
    if mask.shape != (header.height, header.width):
        size = " x ".join(map(str, mask.shape[::-1]))
        raise DataError(
            "its mask must have the size of its photo as displayed, "
            f"{header.width} x {header.height}. Received: {size}."
        )
    found = np.unique(mask)
    unknown = found[(found >= len(about.labels)) & (found != IGNORE)]
    if unknown.size:
        raise DataError(
            f"its mask must hold ids below {len(about.labels)} and {IGNORE}. Received: "
            f"{', '.join(map(str, unknown))}."
        )


def _write_lists(out: Path, items: Sequence[Item], sums: dict[str, str]) -> dict[str, int]:
    """Writes lists/, SHA256SUMS and tags.csv; returns the number of photos by list, sorted."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    lists: dict[str, list[str]] = {}
    for item in items:
        writer.writerow((item.photo_name, item.splits[0], tags_cell(item.tags)))
        for split in dict.fromkeys(item.splits):
            lists.setdefault(split, []).append(item.id)
    for split, ids in lists.items():
        write_text(out / list_name(split), "".join(f"{name}\n" for name in ids))
    write_text(out / SUMS, sums_text(sums))
    write_text(out / "tags.csv", table.getvalue())
    return {split: len(lists[split]) for split in sorted(lists)}

"""The tagged folder: photos anywhere below a folder, `tags.csv`, and `masks/<stem>.png` to score.

`tags.csv` has the columns photo (path relative to the folder), split and tags. Tags are separated
by spaces, and a name with a space stands in double quotes; or, when a ';' occurs anywhere in the
column, by ';'.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.prepare.folder import unfinished
from wsss_tf.errors import DataError
from wsss_tf.files import safe_join

COLUMNS = ("photo", "split", "tags")
_TAG = re.compile(r'"([^"]*)"|(\S+)')


def list_tagged_folder(root: Path) -> Listing:
    """Lists the photos of `root/tags.csv`; no photo and no mask is opened."""
    listing = Listing(mask_folder=root / "masks")
    path = root / "tags.csv"
    if not root.is_dir():
        listing.problems.append(f"{root}: is not a folder. Check `data.root`.")
        return listing
    if problem := unfinished(root):
        listing.problems.append(problem)
        return listing
    text = listing.read_text(
        path, fix=f"A tagged folder needs this file, with the columns {', '.join(COLUMNS)}."
    )
    if text is None:
        return listing
    rows = _rows(listing, path, text)
    if not rows and not listing.problems:
        listing.problems.append(f"{path}: lists no photo. Add a row for each photo.")
    split_tags = _tag_splitter([row["tags"] for _, row in rows])
    for line, row in rows:
        where = f"{path.name}:{line}"
        if not row["split"]:
            listing.problems.append(f"{where}: the split is empty. Write train or val.")
            continue
        listing.splits.add(row["split"])
        try:
            photo = safe_join(root, os.path.normpath(row["photo"]) if row["photo"] else "")
        except DataError as error:
            listing.problems.append(f"{where}: {error}")
            continue
        listing.add(Entry(row["split"], photo, split_tags(row["tags"]), where))
    return listing


def tags_cell(tags: Iterable[str]) -> str:
    """Tags as one cell of tags.csv, separated by spaces; a name with a space in double quotes."""
    return " ".join(f'"{name}"' if len(name.split()) > 1 else name for name in tags)


def _rows(listing: Listing, path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    """The rows with a cell in each column, with their line numbers; others become problems."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        found = [name for name in reader.fieldnames or () if name]
        missing = [name for name in COLUMNS if name not in found]
        if missing:
            listing.problems.append(
                f"{path}: must have the columns {', '.join(COLUMNS)}, separated by commas. "
                f"Missing: {', '.join(missing)}. Received: {', '.join(found) or 'an empty file'}."
            )
            return []
        for row in reader:
            if None in row or any(row[name] is None for name in COLUMNS):
                listing.problems.append(
                    f"{path.name}:{reader.line_num}: must have {len(found)} cells. Separate tags "
                    "by spaces or ';', and quote a path that has a comma."
                )
                continue
            cells = {name: row[name].strip() for name in COLUMNS}
            rows.append((reader.line_num, cells))
    except csv.Error as error:
        # The reader counts a line once it has parsed it.
        line = min(reader.line_num + 1, text.count("\n") + 1)
        listing.problems.append(
            f"{path.name}:{line}: is not valid CSV: {error}. Double the quotes inside "
            'a cell: """dining table"" dog".'
        )
    return rows


def _tag_splitter(cells: list[str]) -> Callable[[str], tuple[str, ...]]:
    """The rule by which the tags column separates its names; an empty cell has no tag."""
    if any(";" in cell for cell in cells):
        return lambda cell: tuple(name.strip() for name in cell.split(";")) if cell else ()
    return lambda cell: tuple(quoted or plain for quoted, plain in _TAG.findall(cell))

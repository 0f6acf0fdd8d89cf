"""The tagged folder: photos anywhere below a folder, `tags.csv`, and `masks/<stem>.png` to score.

`tags.csv` has the columns photo (path relative to the folder), split and tags. Tags are separated
by spaces, and a name with a space or a mark such as a comma stands in double quotes; or, when a ';'
occurs anywhere in the column, by ';'. What looks like a mix of the two, or like tags that something
else separates, is a problem: it would make classes that nobody meant.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable
from pathlib import Path

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.prepare.folder import unfinished
from wsss_tf.errors import DataError
from wsss_tf.files import safe_join

COLUMNS = ("photo", "split", "tags")
_TAG = re.compile(r'"([^"]*)"|(\S+)')
# Quotes of a text processor, and what others separate tags by: "dog, person" and "dog|person".
_QUOTES = '"\u201c\u201d\u201e'
_MARKS = re.compile(rf"[,|\uff0c\uff1b{_QUOTES}]")


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
    tags = _tags([row["tags"] for _, row in rows])
    for (line, row), (names, fault) in zip(rows, tags, strict=True):
        where = f"{path.name}:{line}"
        if not row["split"]:
            listing.problems.append(f"{where}: the split is empty. Write train or val.")
            continue
        listing.splits.add(row["split"])
        listing.problems += [f"{where}: {fault}"] if fault else []
        try:
            photo = safe_join(root, os.path.normpath(row["photo"]) if row["photo"] else "")
        except DataError as error:
            listing.problems.append(f"{where}: {error}")
            continue
        listing.add(Entry(row["split"], photo, names, where))
    return listing


def tags_cell(tags: Iterable[str]) -> str:
    """Tags as one cell of tags.csv, separated by spaces; in double quotes what needs them."""
    return " ".join(
        f'"{name}"' if len(name.split()) > 1 or _MARKS.search(name) else name for name in tags
    )


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


def _tags(cells: list[str]) -> list[tuple[tuple[str, ...], str | None]]:
    """The tags of each cell, and what is doubtful about them; an empty cell has no tag."""
    if not any(";" in cell for cell in cells):
        return [(_spaced(cell), _fault_of_spaced(cell)) for cell in cells]
    tags = [tuple(name.strip() for name in cell.split(";")) if cell else () for cell in cells]
    single = {name for names in tags for name in names if len(name.split()) == 1}
    return [(names, _fault_of_separated(names, single)) for names in tags]


def _spaced(cell: str) -> tuple[str, ...]:
    return tuple(quoted or plain for quoted, plain in _TAG.findall(cell))


def _fault_of_spaced(cell: str) -> str | None:
    """Why a cell without ';' may not mean the tags that it seems to have."""
    wrong = [plain for _, plain in _TAG.findall(cell) if _MARKS.search(plain)]
    if not wrong:
        return None
    return (
        f"the tags {cell!r} hold {wrong[0]!r}. Separate tags by spaces or by ';'; without ';', a "
        'name with a space or such a mark stands in double quotes: """hot dog"" cat".'
    )


def _fault_of_separated(names: tuple[str, ...], single: set[str]) -> str | None:
    """The same where ';' separates tags in the column; `single` are all tags of one word in it."""
    for name in names:
        if any(mark in name for mark in _QUOTES):
            return f"the tag {name!r} holds quotes. Where ';' separates tags, leave them out."
        words = name.split()
        if len(words) > 1 and single.issuperset(words):
            return (
                f"is {name!r} one tag or {len(words)}? Its words are tags of their own, and a "
                "';' elsewhere in the column makes it the only separator. Write ';' between tags "
                "in every row."
            )
    return None

"""Makes what training reads of class folders or a COCO-style JSON: a tags.csv, or a copy."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from wsss_tf.data.own.planning import OwnPhoto, Plan
from wsss_tf.data.prepare.items import About, Item, Source
from wsss_tf.data.tagged_folder import COLUMNS, tags_cell
from wsss_tf.errors import DataError, DataProblems, RunError
from wsss_tf.files import write_text


def write_tags(root: Path, plan: Plan) -> Path:
    """Writes `root/tags.csv`, atomically, beside the photos, which stay as they are.

    Raises:
        DataProblems: two photos have the same stem, or a name is no UTF-8 text: only a copy can
            name them anew.
        RunError: the file exists, or cannot be written.
    """
    path = root / "tags.csv"
    if path.exists():
        raise RunError(f"{path}: exists. Use it as it is, or remove it to have it written anew.")
    problems = _unfit(root, plan.photos)
    if problems:
        raise DataProblems(problems)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for photo in plan.photos:
        writer.writerow(
            (photo.path.relative_to(root).as_posix(), photo.split, tags_cell(photo.tags))
        )
    write_text(path, text.getvalue())
    return path


def copy_photos(
    root: Path, out: Path, plan: Plan, *, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Copies the photos into a prepared folder, byte for byte, under their new ids.

    Ended at any moment and called again, it goes on; a copy that is whole stays as it is. Bars on
    stderr show how far it is.

    Args:
        root: the folder that the plan is of; only read.
        out: the prepared folder, not inside `root`.
        plan: of the photos.
        say: shows a line to the user.

    Raises:
        DataError, DataProblems, RunError: as `complete`.
    """
    from wsss_tf.data.prepare.preparation import Request, complete

    items = [
        Item(
            photo.id,
            _suffix(photo.path),
            functools.partial(_content, photo),
            None,
            photo.tags,
            (photo.split,),
        )
        for photo in plan.photos
    ]
    about = About("own", "own", plan.labels.names, (_source(root, plan),))
    complete(Request(root, out, say), about, lambda stack: (items, []))
    return out


def _source(root: Path, plan: Plan) -> Source:
    """The photos that are copied, with all that becomes of them, as a source.

    Not the folder: a recipe that is written into it makes it no other data set.
    """
    from wsss_tf.data.prepare.sources import folder_name

    rows = [(photo.id, photo.digest, photo.split, *photo.tags) for photo in plan.photos]
    digest = hashlib.sha256("".join(f"{json.dumps(row)}\n" for row in rows).encode())
    return Source(folder_name(root), sum(photo.bytes for photo in plan.photos), digest.hexdigest())


def _content(photo: OwnPhoto) -> bytes:
    try:
        content = photo.path.read_bytes()
    except OSError as error:
        raise DataError(f"{photo.path}: cannot be read: {error.strerror}. Check it.") from error
    if hashlib.sha256(content).hexdigest() != photo.digest:
        raise DataError(f"{photo.path}: was changed while it was copied. Give the command again.")
    return content


def _unfit(root: Path, photos: Sequence[OwnPhoto]) -> list[str]:
    """Why tags.csv cannot name these photos where they lie."""
    splits: dict[Path, list[str]] = {}
    for photo in photos:
        splits.setdefault(photo.path, []).append(photo.split)
    found = [
        f"{path}: is in the splits {' and '.join(names)}. Take it out of all but one."
        for path, names in splits.items()
        if len(names) > 1
    ]
    stems = Counter(path.stem for path in splits)
    found += [
        f"{path}: {stems[path.stem]} photos have the stem {path.stem!r}, which "
        "names the mask of a photo. Copy them under other names with --copy-to."
        for path in splits
        if stems[path.stem] > 1
    ]
    for path in splits:
        name = str(path.relative_to(root))
        if name != name.strip():
            found.append(f"{name!r}: begins or ends with a space. Rename it, or use --copy-to.")
        if name.encode("utf-8", "replace").decode() != name or not name.isprintable():
            found.append(f"{name!r}: is no plain UTF-8 name. Rename it, or use --copy-to.")
    return found


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return ".jpg" if suffix in (".jpeg", ".jpg") else suffix

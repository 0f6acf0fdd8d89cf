"""The folder that `wsss-tf data prepare` writes: images, lists, tags.csv, data.json, masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.prepare.folder import unfinished
from wsss_tf.data.prepare.items import is_split
from wsss_tf.data.prepare.record import NAME as RECORD
from wsss_tf.data.prepare.record import list_name, read_record
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.errors import DataError
from wsss_tf.labels import LabelSpace


def list_prepared(root: Path, splits: Iterable[str] | None = None) -> Listing:
    """Lists the photos of some lists in `root/lists`; no photo and no mask is opened.

    Tags come from tags.csv; a photo may be in several lists. The listing has the classes of
    data.json, in which the ids of the masks are.

    Args:
        root: the prepared folder.
        splits: names of the lists without ".txt", such as "train"; None for all that are there or
            that data.json names.
    """
    listing = Listing(mask_folder=root / "masks")
    written = _read_record(listing, root)
    if written is None:
        return listing
    tagged = list_tagged_folder(root)
    listing.files += tagged.files
    listing.problems += tagged.problems
    if not tagged.entries:
        return listing  # Else every line of every list would be one more problem.
    known = {entry.id: entry for entry in tagged.entries}
    here = sorted(path.stem for path in (root / "lists").glob("*.txt"))
    for split in sorted({*here, *written}) if splits is None else dict.fromkeys(splits):
        path = root / list_name(split)
        text = listing.read_text(path, fix=f"The lists here are: {', '.join(here) or 'none'}.")
        if text is None or text.strip():
            listing.splits.add(split)
        for line, name in enumerate((text or "").split("\n"), start=1):
            where = f"{path.name}:{line}"
            entry = known.get(name.strip())
            if entry is not None:
                listing.add(Entry(split, entry.path, entry.tags, where), scope=split)
            elif name.strip():
                listing.problems.append(
                    f"{where}: must be the id of a photo in tags.csv. Received: "
                    f"{name.strip()[:80]!r}. Remove the line, or prepare the folder again."
                )
    return listing


def _read_record(listing: Listing, root: Path) -> tuple[str, ...] | None:
    """The names of the lists in data.json, of which the listing gets the classes.

    None, and a problem, where it cannot be used.
    """
    try:
        record = read_record(root)
        if record is None:
            raise DataError(
                unfinished(root)
                or f"{root}: must have {RECORD}, which `wsss-tf data prepare` writes. Check "
                "`data.root`."
            )
        labels, lists = LabelSpace(tuple(record["labels"])), tuple(record["splits"])
        if not all(map(is_split, lists)):
            raise ValueError(f"received the lists {list(lists)}")
    except DataError as error:
        listing.problems.append(str(error))
    except (KeyError, TypeError, ValueError) as error:
        listing.problems.append(
            f"{root / RECORD}: `labels` must be the names of the classes, background first, and "
            f"`splits` those of the lists: {error}. Prepare the folder again."
        )
    else:
        listing.files.append(root / RECORD)
        listing.labels = labels
        return lists
    return None

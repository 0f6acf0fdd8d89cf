"""The folder that `wsss-tf data prepare` writes: images, lists, tags.csv, data.json, masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.prepare.folder import RECORD, read_record
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.errors import DataError
from wsss_tf.labels import LabelSpace


def list_prepared(root: Path, splits: Iterable[str] | None = None) -> Listing:
    """Lists the photos of some lists in `root/lists`; no photo and no mask is opened.

    Tags come from tags.csv; a photo may be in several lists. The listing has the classes of
    data.json, in which the ids of the masks are.

    Args:
        root: the prepared folder.
        splits: names of the lists without ".txt", such as "train"; None for all of them.
    """
    listing = Listing(mask_folder=root / "masks")
    if not _read_labels(listing, root):
        return listing
    tagged = list_tagged_folder(root)
    listing.files += tagged.files
    listing.problems += tagged.problems
    if not tagged.entries:
        return listing  # Else every line of every list would be one more problem.
    known = {entry.id: entry for entry in tagged.entries}
    here = sorted(path.stem for path in (root / "lists").glob("*.txt"))
    for split in here if splits is None else dict.fromkeys(splits):
        path = root / "lists" / f"{split}.txt"
        text = listing.read_text(path, fix=f"The lists here are: {', '.join(here) or 'none'}.")
        if text is None or text.strip():
            listing.splits.add(split)
        for line, name in enumerate((text or "").splitlines(), start=1):
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


def _read_labels(listing: Listing, root: Path) -> bool:
    """Gives a listing the classes in data.json; False and a problem where that fails."""
    try:
        record = read_record(root)
        if record is None:
            raise DataError(
                f"{root}: must have {RECORD}, which `wsss-tf data prepare` writes last. Call it "
                "again to have the folder completed, or check `data.root`."
            )
        listing.labels = LabelSpace(tuple(record["labels"]))
    except DataError as error:
        listing.problems.append(str(error))
    except (KeyError, TypeError, ValueError) as error:
        listing.problems.append(
            f"{root / RECORD}: `labels` must be the names of the classes, background first: "
            f"{error}. Prepare the folder again."
        )
    else:
        listing.files.append(root / RECORD)
        return True
    return False

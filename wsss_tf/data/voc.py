"""The layout of PASCAL VOC: JPEGImages, Annotations, ImageSets/Segmentation, SegmentationClass.

Tags are the names of the annotated objects, those marked difficult included: they are in the photo.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.errors import DataError
from wsss_tf.files import safe_join


def list_voc(root: Path, splits: Iterable[str]) -> Listing:
    """Lists the photos of some lists in ImageSets/Segmentation; no photo and no mask is opened.

    Args:
        root: the folder that holds JPEGImages, usually VOCdevkit/VOC2012.
        splits: names of list files without ".txt", such as "train".
    """
    masks = root / "SegmentationClass"
    # Objects one by one, and the masks that others have added to VOC's under names like these.
    others = (folder for folder in sorted(root.glob("Segmentation*")) if folder != masks)
    listing = Listing(mask_folder=masks, other_truth=tuple(others))
    absent = [name for name in ("JPEGImages", "Annotations") if not (root / name).is_dir()]
    if absent:
        listing.problems.append(
            f"{root}: must hold JPEGImages, Annotations, ImageSets and SegmentationClass. "
            f"Missing: {', '.join(absent)}. Set `data.root` to the folder VOCdevkit/VOC2012."
        )
        return listing
    tags: dict[str, tuple[str, ...] | None] = {}
    for split in dict.fromkeys(splits):
        for line, name in _names(listing, root, split):
            where = f"{split}.txt:{line}"
            try:
                photo = safe_join(root / "JPEGImages", f"{name}.jpg")
            except DataError as error:
                listing.problems.append(f"{where}: {error}")
                continue
            if name not in tags:
                tags[name] = _tags(listing, root / "Annotations" / f"{name}.xml")
            names = tags[name]
            if names is not None:
                listing.add(Entry(split, photo, names, where), scope=split)
    return listing


def _names(listing: Listing, root: Path, split: str) -> list[tuple[int, str]]:
    """The photo ids in the list of a split, with their line numbers."""
    folder = root / "ImageSets" / "Segmentation"
    path = folder / f"{split}.txt"
    lists = ", ".join(sorted(other.stem for other in folder.glob("*.txt"))) or "none"
    text = listing.read_text(path, fix=f"The lists here are: {lists}.")
    if text is None or text.strip():
        listing.splits.add(split)
    names = []
    for number, line in enumerate((text or "").splitlines(), start=1):
        name = line.strip()
        if len(name.split()) > 1 or "/" in name or "\\" in name:
            listing.problems.append(
                f"{path.name}:{number}: must be one photo id, without folder and suffix. "
                f"Received: {name[:80]!r}. Use a list in the form of VOC's own train.txt."
            )
        elif name:
            names.append((number, name))
    return names


def _tags(listing: Listing, path: Path) -> tuple[str, ...] | None:
    """The classes of the annotated objects, each once; None and a problem for a bad file."""
    text = listing.read_text(path, fix="The tags of a photo come from its annotation.")
    if text is None:
        return None
    try:
        return annotation_tags(text)
    except ValueError as error:
        listing.problems.append(f"{path}: is not valid XML: {error}. Get the file again.")
        return None


def annotation_tags(text: str | bytes) -> tuple[str, ...]:
    """The classes of the objects in an annotation, each once, in their order.

    Raises:
        ValueError: the text is not valid XML.
    """
    try:
        tree = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    names = ((node.findtext("name") or "").strip() for node in tree.iter("object"))
    return tuple(dict.fromkeys(names))

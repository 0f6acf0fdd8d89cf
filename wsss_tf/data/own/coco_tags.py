"""COCO-style JSON whose categories serve as image-level tags: boxes and polygons are not read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.own.class_folders import SPLITS, UNSPLIT
from wsss_tf.errors import DataError
from wsss_tf.files import safe_join

# A JSON that has these keys at all says so near its beginning or its end, but in any order.
_KEYS = (b'"images"', b'"categories"')
_Ids = dict[Any, Any]
_SHOWN = 3


def coco_files(root: Path) -> list[Path]:
    """The COCO-style JSON files of a folder, of its `annotations` and of its other sub-folders."""
    found = [path for pattern in ("*.json", "*/*.json") for path in sorted(root.glob(pattern))]
    return [path for path in found if may_be_coco(path)]


def list_coco_tags(root: Path, files: list[Path]) -> Listing:
    """Lists the photos that the files name, each tagged with the categories of its annotations.

    A photo that several files of a split name has the tags of all; so has one that a file without
    a split names, too. The split is the word train, val or test in the name of the file or of its
    folder. A photo is looked for beside its file, in the root, in images/, and there in folders
    called as the split, the file, or the last part of its name: train2017 of instances_train2017.
    """
    listing = Listing(mask_folder=root / "masks")
    for file in files:
        text = listing.read_text(file, fix="The tags come from this file.")
        if text is None:
            continue
        name = str(file.relative_to(root))
        try:
            content = json.loads(text)
            images = _by_id(content, "images", "file_name")
            categories = _by_id(content, "categories", "name")
            tags = _tags(content, images, categories, name, listing)
        except (ValueError, RecursionError) as error:
            listing.problems.append(f"{name}: is no COCO-style JSON: {error}. Mend the file.")
            continue
        split = _split(file, root)
        folders = _folders(file, root, split)
        missing = []
        for key, file_name in images.items():
            listing.splits.add(split)
            entry = Entry(split, root, tags[key], name)
            missing += [] if _add(listing, entry, folders, file_name) else [file_name]
        if missing:
            there = (path for path in folders if path.is_dir())
            places = ", ".join(f"{path.relative_to(root)}/" for path in there)
            listing.problems.append(
                f"{name}: {len(missing):,} of its {len(images):,} photos are not there, such as "
                f"{', '.join(missing[:_SHOWN])}. Looked for in {places}. Put them there."
            )
    listing.entries = _merged(_with_splits(listing.entries))
    if listing.entries and all(entry.split != UNSPLIT for entry in listing.entries):
        listing.splits.discard(UNSPLIT)
    return listing


def may_be_coco(path: Path) -> bool:
    """Whether a file has the keys of a COCO-style JSON anywhere."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return all(key in content for key in _KEYS)


def _by_id(content: Any, section: str, field: str) -> _Ids:
    """The text `field` of each item of a section, by id; ValueError says what is wrong."""
    items = content.get(section) if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise ValueError(f"`{section}` must be a list")
    found: _Ids = {}
    for index, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get(field), str):
            raise ValueError(f"{section}[{index}] must have an id and a text `{field}`")
        key = item.get("id")
        if not isinstance(key, (int, str)):
            raise ValueError(f"{section}[{index}].id must be a number or a text")
        if key in found:
            raise ValueError(f"{section}[{index}] repeats the id {key!r}")
        found[key] = item[field].strip()
    return found


def _tags(
    content: dict[str, Any], images: _Ids, categories: _Ids, name: str, listing: Listing
) -> dict[Any, tuple[str, ...]]:
    """The category names of each image, each once, in the order of the categories."""
    found: dict[Any, set[Any]] = {key: set() for key in images}
    for index, (image, category) in enumerate(_pairs(content)):
        if image not in found or category not in categories:
            kind, wrong = ("image", image) if image not in found else ("category", category)
            listing.problems.append(
                f"{name}: annotations[{index}] names the {kind} {wrong!r}, which the file does "
                "not have. Remove the annotation, or add what it names."
            )
            continue
        found[image].add(category)
    return {
        image: tuple(dict.fromkeys(categories[key] for key in categories if key in chosen))
        for image, chosen in found.items()
    }


def _pairs(content: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    annotations = content.get("annotations", [])
    if not isinstance(annotations, list):
        raise ValueError("`annotations` must be a list")
    for item in annotations:
        item = item if isinstance(item, dict) else {}
        keys = (item.get("image_id"), item.get("category_id"))
        # What cannot be a key is none of the ids: shown as it is.
        image, category = (k if isinstance(k, (int, str)) else str(k) for k in keys)
        yield image, category


def _split(file: Path, root: Path) -> str:
    """The split that a file's name or its folder's name tells; `UNSPLIT` for none."""
    for text in (file.stem, *(() if file.parent == root else (file.parent.name,))):
        words = "".join(c if c.isalpha() else " " for c in text.lower()).split()
        for word in words:
            if word in SPLITS:
                return word
    return UNSPLIT


def _folders(file: Path, root: Path, split: str) -> tuple[Path, ...]:
    """Where the photos of a file may lie."""
    names = dict.fromkeys((split, file.stem, file.stem.rpartition("_")[2]))
    places = [file.parent, root, root / "images", *(root / name for name in names)]
    places += [root / "images" / name for name in names]
    places += [root / split / "images", file.parent / "images"]
    return tuple(dict.fromkeys(places))


def _add(listing: Listing, entry: Entry, folders: tuple[Path, ...], file_name: str) -> bool:
    """Adds the photo that a file names; False where it is in none of the folders."""
    try:
        paths = [safe_join(folder, file_name) for folder in folders]
    except DataError as error:
        listing.problems.append(f"{entry.where}: {error}")
        return True
    # Unlike Path.is_file, this takes a name that is too long for one that is not there.
    path = next((path for path in paths if os.path.isfile(path)), None)
    if path is not None:
        # Within a file a photo stands once; COCO's own files of one split share all photos.
        listing.add(replace(entry, path=path), scope=f"{entry.where}/{path}")
    return path is not None


def _with_splits(entries: list[Entry]) -> list[Entry]:
    """Entries of no split take those that other files give to the same photo."""
    known: dict[Path, dict[str, None]] = {}
    for entry in entries:
        if entry.split != UNSPLIT:
            known.setdefault(entry.path, {})[entry.split] = None
    return [
        replace(entry, split=split)
        for entry in entries
        for split in (
            known.get(entry.path, (UNSPLIT,)) if entry.split == UNSPLIT else (entry.split,)
        )
    ]


def _merged(entries: list[Entry]) -> list[Entry]:
    """Entries of one photo in one split, from several files, as one with the tags of all."""
    first: dict[tuple[str, Path], Entry] = {}
    for entry in entries:
        known = first.get((entry.split, entry.path), entry)
        tags = tuple(dict.fromkeys((*known.tags, *entry.tags)))
        first[entry.split, entry.path] = replace(known, tags=tags)
    return list(first.values())

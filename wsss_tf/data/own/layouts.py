"""What a folder of photos is, told from what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from wsss_tf.data.listing import Listing
from wsss_tf.data.own.class_folders import (
    SPLITS,
    UNPACKED_VOC,
    UNPACKED_YOUTUBE,
    UNSPLIT,
    class_folders,
    list_class_folders,
)
from wsss_tf.data.own.coco_tags import coco_files, list_coco_tags, may_be_coco
from wsss_tf.data.prepare.folder import unfinished
from wsss_tf.data.prepare.record import NAME as RECORD
from wsss_tf.data.prepare.record import read_record
from wsss_tf.data.prepared import list_prepared
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.data.voc import list_voc
from wsss_tf.errors import DataError


@dataclass(frozen=True)
class Layout:
    """A folder of photos and what it was taken for.

    Attributes:
        name: "prepared", "tagged_folder", "voc", "class_folders", "coco_tags" or "none".
        title: the name in words, with what gave it away.
        root: the folder.
        listing: its photos by split; problems of the lists among it.
        source: `data.source` of a recipe that trains on it; None where there is none, and
            `wsss-tf data init` makes one.
    """

    name: str
    title: str
    root: Path
    listing: Listing
    source: str | None = None


def read_layout(root: Path) -> Layout:
    """Tells what a folder is and lists its photos; no photo and no mask is opened.

    A folder that is nothing known has the layout "none", no photo, and a problem that says so.
    """
    if problem := unfinished(root):
        listing = Listing(mask_folder=root / "masks", problems=[problem])
        return Layout("none", "a folder that is not prepared to the end", root, listing)
    if _is_prepared(root):
        title = f"a prepared folder ({RECORD})"
        return Layout("prepared", title, root, list_prepared(root), "prepared")
    if (root / "tags.csv").exists():
        title = "a tagged folder (tags.csv)"
        return Layout("tagged_folder", title, root, list_tagged_folder(root), "tagged_folder")
    if (root / "JPEGImages").is_dir() and (root / "ImageSets").is_dir():
        folder = root / "ImageSets" / "Segmentation"
        splits = sorted(path.stem for path in folder.glob("*.txt"))
        title = "a VOC folder (JPEGImages, ImageSets)"
        return Layout("voc", title, root, _voc(root, splits), "voc")
    if files := coco_files(root):
        names = ", ".join(str(path.relative_to(root)) for path in files[:3])
        title = f"photos with a COCO-style JSON ({names}{', ...' if len(files) > 3 else ''})"
        return Layout("coco_tags", title, root, list_coco_tags(root, files))
    if folders := class_folders(root):
        title = "one folder per class"
        return Layout("class_folders", title, root, list_class_folders(root, folders))
    return Layout("none", "nothing known", root, _nothing(root))


def _is_prepared(root: Path) -> bool:
    """Whether data.json is there and ours, or damaged; files of others may have that name too."""
    if not (root / RECORD).is_file():
        return False
    try:
        return bool(read_record(root))
    except DataError:
        # Without lists/ it is none that a preparation has made.
        return (root / "lists").is_dir() and not may_be_coco(root / RECORD)


def guess_splits(found: Iterable[str]) -> tuple[str, str]:
    """The names of the splits to train on and to evaluate, from the names that there are.

    Without one to evaluate it is the one to train on; without one to train on, "train", and without
    both "train" and "val". A single split is taken for both unless its name is of one to evaluate.
    """
    names = sorted(found)
    train = _first(
        names,
        lambda name: name == "train_aug",  # VOC's train is a part of it.
        lambda name: name == "train",
        lambda name: "train" in name and "val" not in name,
        lambda name: "train" in name,
        lambda name: name == UNSPLIT,
    )
    others = [name for name in names if name != train and "train" not in name.lower()]
    evaluated = _first(
        others,
        lambda name: name == "val",
        lambda name: "val" in name,
        lambda name: "test" in name,
        lambda name: len(others) == 1,
    )
    if (
        train is None
        and len(names) == 1
        and not any(w in names[0].lower() for w in ("val", "test"))
    ):
        train = evaluated = names[0]
    return train or "train", evaluated or train or "val"


def _first(names: list[str], *rules: Callable[[str], bool]) -> str | None:
    """The first name that the first rule fits; as it is written before in small letters."""
    ways: tuple[Callable[[str], str], ...] = (str, str.lower)
    return next((n for rule in rules for way in ways for n in names if rule(way(n))), None)


def _voc(root: Path, splits: list[str]) -> Listing:
    listing = list_voc(root, splits)
    if not splits:
        listing.problems.append(
            f"{root / 'ImageSets' / 'Segmentation'}: has no list. Add train.txt and val.txt, one "
            "photo id a line."
        )
    return listing


def _nothing(root: Path) -> Listing:
    """The listing of a folder that is none of the layouts; its problem has the likely reason."""
    listing = Listing(mask_folder=root / "masks")
    marks = ("data.json", "tags.csv", "JPEGImages")
    inside = next((p for mark in marks for p in sorted(root.glob(f"*/{mark}"))), None)
    inside = inside or next(iter(sorted(root.glob(UNPACKED_VOC))), None)
    if inside is not None:
        hint = f"Did you mean {inside.parent}?"
    elif next(root.glob(UNPACKED_YOUTUBE), None):
        hint = "`wsss-tf data prepare youtube_objects` makes one of YouTube-Objects' folders."
    elif any(root.iterdir()):
        hint = "Write tags.csv for these photos, or sort them into one folder per class."
    else:
        hint = "It is empty."
    listing.problems.append(
        f"{root}: must hold data.json (prepared), tags.csv (photo, split, tags), VOC's JPEGImages "
        "and ImageSets, a COCO-style JSON with images and categories, or one folder of photos "
        f"per class (also inside {', '.join(SPLITS[:2])}). {hint}"
    )
    return listing

"""PASCAL VOC 2012 and the masks of SBD, from their archives: train, val, trainval, train_aug.

Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective" (IJCV 2015).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.prepare import sbd as sbd_archive
from wsss_tf.data.prepare.archives import Archive, open_archive
from wsss_tf.data.prepare.finding import FoundIn, find, list_ids
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.preparation import Request, complete
from wsss_tf.data.prepare.sbd import Sbd
from wsss_tf.data.prepare.sources import read_sources
from wsss_tf.data.voc import annotation_tags
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.images import read_label_map
from wsss_tf.labels import label_space

EDITION = "VOC2012"
ARCHIVE = FoundIn(
    name="VOCtrainval_11-May-2012.tar",
    others=("VOCdevkit/VOC2012", "VOC2012", "."),
    mirrors=(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "https://data.pjreddie.com/files/VOCtrainval_11-May-2012.tar",
    ),
    sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    marks=("JPEGImages", "Annotations", "SegmentationClass"),
)
FULL = {"train": 1464, "val": 1449, "SBD's train": 8498, "SBD's val": 2857}
"""Photos of each list of the full edition, from which TRAIN_AUG follow."""
TRAIN_AUG = 10_582
ORIGINALS = {found.name: found.sha256 for found in (ARCHIVE, sbd_archive.ARCHIVE) if found.sha256}
_LISTS = "ImageSets/Segmentation"
_FOLDERS = ("JPEGImages/", "Annotations/", "SegmentationClass/", f"{_LISTS}/")
_FOLDER_TOLD = re.compile(rb"<folder>\s*(VOC\d{4})\s*</folder>")
_SHOWN = 3


def prepare_voc(request: Request) -> dict[str, Any]:
    """Prepares VOC 2012 from VOCtrainval_11-May-2012.tar or an unpacked VOC2012, and from SBD.

    With SBD (benchmark.tgz, or unpacked) there is the list train_aug: SBD's train and val and
    VOC's train, without VOC's val. VOC's own masks win where both have one. Tags are the classes of
    the objects in VOC's annotations, those marked difficult included, for all photos; the paper
    takes the classes of the pixel labels.

    Returns:
        The content of data.json.

    Raises:
        DataError: archives are missing, damaged or of another edition; scipy, which reads SBD, is
            not installed; the folder to prepare holds something else.
        DataProblems: archives that are not the originals, unless the request allows it; all that
            is wrong with photos, masks and annotations.
        RunError: a folder cannot be written to.
    """
    path = find(request, ARCHIVE)
    sbd_path = find(request, sbd_archive.ARCHIVE, needed=False)
    if sbd_path is not None:
        sbd_archive.require_scipy()
    paths = {path: _is_wanted} | ({sbd_path: sbd_archive.is_wanted} if sbd_path else {})
    sources, notes = read_sources(paths, ORIGINALS, any_archive=request.any_archive)
    about = About("voc", "voc", label_space("voc").names, sources, tuple(notes))
    return complete(request, about, functools.partial(_collect, path, sbd_path))


def _collect(path: Path, sbd_path: Path | None, stack: ExitStack) -> tuple[list[Item], list[str]]:
    """The photos of all lists, and notes on the lists; `stack` closes the archives."""
    voc = _Voc(stack.enter_context(open_archive(path, only=_is_wanted)))
    sbd = stack.enter_context(sbd_archive.open_sbd(sbd_path)) if sbd_path else None
    lists, notes = _lists(voc, sbd)
    return _items(voc, sbd, lists), notes


class _Voc:
    """The folder VOC2012 in an archive.

    Raises:
        DataError: there is none, or one of another edition.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.names = frozenset(archive.names())
        end = f"{_LISTS}/train.txt"
        bases = sorted(name.removesuffix(end) for name in self.names if _ends(name, end))
        editions = {base: self._edition(base) for base in bases}
        whole = [base for base, edition in editions.items() if edition == EDITION]
        if len(whole) > 1:
            raise DataError(
                f"{archive.path}: must hold {EDITION} once. Received: "
                f"{', '.join(base or './' for base in whole)}. Move all but one away."
            )
        if not whole:
            found = ", ".join(editions.values()) or f"no {end}"
            raise DataError(
                f"{archive.path}: must be the trainval archive of {EDITION}, or its folder. "
                f"Received: {found}. Get {ARCHIVE.name}."
            )
        self.base = whole[0]

    def has(self, name: str) -> bool:
        return self.base + name in self.names

    def read(self, name: str) -> bytes:
        return self.archive.read(self.base + name)

    def ids(self, split: str) -> tuple[str, ...]:
        """The ids in a list of ImageSets/Segmentation."""
        name = f"{_LISTS}/{split}.txt"
        return list_ids(self.read(name), f"{self.archive.path}: {self.base}{name}")

    def mask(self, name: str) -> NDArray[np.uint8]:
        """A mask of VOC's own, by the id of its photo."""
        path = f"SegmentationClass/{name}.png"
        return read_label_map(path, content=self.read(path))

    def _edition(self, base: str) -> str:
        """What the annotations say, or where they do not the folder's name."""
        # Of a photo in the list: annotations of other years may have been put beside.
        listed = f"{base}{_LISTS}/train.txt"
        ids = list_ids(self.archive.read(listed), f"{self.archive.path}: {listed}")
        names = (f"{base}Annotations/{name}.xml" for name in ids)
        first = next((name for name in names if name in self.names), None)
        told = _FOLDER_TOLD.search(self.archive.read(first) if first else b"")
        folder = base.rstrip("/").rpartition("/")[2] or self.archive.path.resolve().name
        return told[1].decode() if told else folder


def _is_wanted(name: str) -> bool:
    return any(folder in f"/{name}" for folder in (f"/{folder}" for folder in _FOLDERS))


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f"/{end}")


def _lists(voc: _Voc, sbd: Sbd | None) -> tuple[dict[str, set[str]], list[str]]:
    """The ids of each list, and notes on counts that are not those of the full edition."""
    train, val = set(voc.ids("train")), set(voc.ids("val"))
    if both := sorted(train & val):
        raise DataError(
            f"{voc.archive.path}: {_some(both)} are in train.txt and val.txt. Get it again."
        )
    if not train or not val:
        raise DataError(
            f"{voc.archive.path}: {'val' if train else 'train'}.txt must list photos. Received: an "
            "empty file. Get it again."
        )
    lists = {"train": train, "val": val, "trainval": train | val}
    counts = {"train": len(train), "val": len(val)}
    notes = []
    if sbd is None:
        notes.append(
            f"SBD ({sbd_archive.ARCHIVE.name}) was not there: no list train_aug, the official "
            "lists only."
        )
    else:
        lists["train_aug"] = (sbd.train | sbd.val | train) - val
        counts |= {"SBD's train": len(sbd.train), "SBD's val": len(sbd.val)}
    for name, count in counts.items():
        if count != FULL[name]:
            notes.append(f"{name} has {count} photos; that of the full edition has {FULL[name]}.")
    found = len(lists.get("train_aug", ()))
    if counts == FULL and found != TRAIN_AUG:
        notes.append(
            f"train_aug has {found} photos; that of others, from lists of these lengths, "
            f"{TRAIN_AUG}. The lists are not the original ones."
        )
    return lists, notes


def _items(voc: _Voc, sbd: Sbd | None, lists: dict[str, set[str]]) -> list[Item]:
    """The photos of all lists by id; DataProblems where files of them are missing or damaged."""
    official, items = lists["trainval"], []
    problems = _missing(voc, sbd, lists)
    if problems:
        raise DataProblems(problems)
    for name in sorted(set().union(*lists.values())):
        try:
            tags = annotation_tags(voc.read(f"Annotations/{name}.xml"))
        except ValueError as error:
            problems.append(f"{name}: its annotation is not valid XML: {error}.")
            continue
        photo = functools.partial(voc.read, f"JPEGImages/{name}.jpg")
        truth = voc if sbd is None or name in official else sbd
        mask = functools.partial(truth.mask, name)
        splits = tuple(split for split, ids in lists.items() if name in ids)
        items.append(Item(name, ".jpg", photo, mask, tags, splits))
    if problems:
        raise DataProblems(problems)
    return items


def _missing(voc: _Voc, sbd: Sbd | None, lists: dict[str, set[str]]) -> list[str]:
    """One line for each kind of file that listed photos lack."""
    everything, official = set().union(*lists.values()), lists["trainval"]
    kinds: list[tuple[_Voc | Sbd, set[str], str]] = [
        (voc, everything, "JPEGImages/{}.jpg"),
        (voc, everything, "Annotations/{}.xml"),
        (voc, official, "SegmentationClass/{}.png"),
    ]
    if sbd is not None:
        kinds.append((sbd, everything - official, "cls/{}.mat"))
    problems = []
    for archive, ids, form in kinds:
        absent = sorted(name for name in ids if not archive.has(form.format(name)))
        if absent:
            problems.append(
                f"{archive.archive.path}: has no {form.format('ID')} for {len(absent)} photos of "
                f"the lists, such as {_some(absent)}. Get the original archive; links in one are "
                "not followed."
            )
    return problems


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN])

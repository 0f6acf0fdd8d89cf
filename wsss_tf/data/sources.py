"""Opens a data set: photos, tags and splits, checked as a whole before anything is trained."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss_tf.config import DataSettings
from wsss_tf.data.listing import Entry, Listing
from wsss_tf.data.photo_files import check_photos
from wsss_tf.data.prepared import list_prepared
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.data.voc import list_voc
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.labels import BACKGROUND, LabelSpace, from_tags, label_space


@dataclass(frozen=True)
class Photo:
    """One photo of a data set.

    Attributes:
        id: the stem of its file name, unique in its split; masks are `<id>.png`.
        path: of the file.
        tags: the kept classes that it shows; none where it shows only background.
        orientation: EXIF orientation, 1..8.
        width, height: in pixels, with the orientation applied.
    """

    id: str
    path: Path
    tags: tuple[str, ...]
    orientation: int
    width: int
    height: int


@dataclass(frozen=True)
class DataSet:
    """The photos of each split, their tags, and where the masks to score with would be.

    Attributes:
        labels: the kept classes.
        photos: the photos of each split, in the order of its list.
        files: every list that was read; no photo, no mask.
        truth_labels: the label space of the ids in mask files.
        mask_folder: of `<id>.png`; only `truth` and the audit look at it.
        other_truth: folders of further pixel labels; only the audit looks at them.
    """

    labels: LabelSpace
    photos: dict[str, tuple[Photo, ...]]
    files: tuple[Path, ...]
    truth_labels: LabelSpace
    mask_folder: Path
    other_truth: tuple[Path, ...] = ()

    def split(self, name: str) -> tuple[Photo, ...]:
        """Returns the photos of a split. Raises DataError for an unknown one."""
        if name not in self.photos:
            raise DataError(
                f"`split` must be one of {', '.join(self.photos)}. Received: {name!r}."
                f"{_did_you_mean(name, self.photos)}"
            )
        return self.photos[name]

    def truth(self, split: str) -> dict[str, Path]:
        """Returns the mask path of each photo id. For evaluation only: training opens no mask."""
        return {photo.id: self.mask_folder / f"{photo.id}.png" for photo in self.split(split)}

    def tag_matrix(self, split: str) -> NDArray[np.float32]:
        """Returns the tags of a split, float32 [photos, num_tags], 0 or 1, no background column."""
        return tag_matrix(self.split(split), self.labels)


def tag_matrix(photos: Sequence[Photo], labels: LabelSpace) -> NDArray[np.float32]:
    """Returns the tags of photos, float32 [photos, num_tags], 0 or 1, no background column."""
    rows = [labels.tag_vector(photo.tags) for photo in photos]
    return np.array(rows, np.float32).reshape(len(rows), labels.num_tags)


def open_dataset(settings: DataSettings, *, root: Path) -> DataSet:
    """Lists a data set and reads the header of every photo; opens no mask.

    Args:
        settings: the `data` section of a recipe.
        root: the folder of the data; for the source scenes they are generated here unless there.

    Raises:
        DataProblems: everything that is wrong, at once: lists, tags, photos, splits.
    """
    listing = _listing(settings, Path(root))
    if not listing.entries:
        raise DataProblems(listing.problems or [f"{root}: lists no photo."])
    problems = listing.problems
    full = _full_labels(settings, listing)
    problems += _tag_problems(listing.entries, full, settings.train_split)
    problems += _split_problems(listing.splits, settings)
    headers, unusable = check_photos(
        (entry.path for entry in listing.entries), max_pixels=settings.max_pixels
    )
    problems += unusable
    labels = _kept_labels(settings, full, problems)
    if problems:
        raise DataProblems(problems)
    photos: dict[str, list[Photo]] = {}
    for entry in listing.entries:
        header = headers[entry.path]
        tags = tuple(name for name in entry.tags if name in labels.names)
        size = (header.orientation, header.width, header.height)
        photos.setdefault(entry.split, []).append(Photo(entry.id, entry.path, tags, *size))
    splits = {split: tuple(items) for split, items in photos.items()}
    files = tuple(listing.files)
    return DataSet(labels, splits, files, full, listing.mask_folder, listing.other_truth)


def _listing(settings: DataSettings, root: Path) -> Listing:
    splits = (settings.train_split, settings.eval_split)
    if settings.source == "voc":
        return list_voc(root, splits)
    if settings.source == "prepared":
        return list_prepared(root, splits)
    if settings.source == "scenes":
        from wsss_tf.data.scenes_folder import write_scenes  # Only here is drawing needed.

        scenes = settings.scenes
        write_scenes(root, train=scenes.train, val=scenes.val, size=scenes.size, seed=scenes.seed)
    listing = list_tagged_folder(root)
    if settings.source == "scenes":
        listing.files.append(root / "scenes.json")
    return listing


def _full_labels(settings: DataSettings, listing: Listing) -> LabelSpace:
    """The label space before classes are kept; the one that masks are written in."""
    if settings.label_space != "auto":
        named = label_space(settings.label_space)
        if listing.labels not in (None, named):
            raise DataProblems(
                [
                    *listing.problems,
                    f"data.label_space: {settings.label_space} has other classes than data.json, "
                    "in whose ids the masks are. Leave it at auto.",
                ]
            )
        return named
    if listing.labels is not None:
        return listing.labels
    if settings.source in ("voc", "scenes"):
        return label_space(settings.source)
    names = {name for entry in listing.entries for name in entry.tags} - {"", BACKGROUND}
    try:
        return from_tags(names)
    except ValueError as error:
        raise DataProblems([*listing.problems, f"tags.csv: {error}"]) from error


def _kept_labels(settings: DataSettings, full: LabelSpace, problems: list[str]) -> LabelSpace:
    if settings.keep is None:
        return full
    try:
        return full.keep(settings.keep)
    except ValueError as error:
        problems.append(f"data.keep: {error}")
        return full


def _tag_problems(entries: Sequence[Entry], full: LabelSpace, train_split: str) -> list[str]:
    problems = []
    for entry in entries:
        place = f"{entry.where}: {entry.path.name}"
        if not entry.tags and entry.split == train_split:
            problems.append(f"{place} has no tag. Name what it shows, or remove it from training.")
        for name, count in Counter(entry.tags).items():
            if count > 1 and name:
                problems.append(f"{place} has the tag {name!r} twice. Remove one of the two.")
            if not name:
                problems.append(f"{place} has an empty tag. Remove the separator beside it.")
            elif name == BACKGROUND:
                problems.append(f"{place} has the tag 'background', as all photos do. Remove it.")
            elif name not in full.names:
                near = full.nearest(name)
                fix = f"Did you mean {near!r}?" if near else "See `data.label_space`."
                problems.append(f"{place} has the unknown tag {name!r}. {fix}")
    return problems


def _split_problems(found: set[str], settings: DataSettings) -> list[str]:
    wanted = {"train_split": settings.train_split, "eval_split": settings.eval_split}
    return [
        f"data.{key}: the split {name!r} has no photo. "
        f"Received splits: {', '.join(sorted(found))}.{_did_you_mean(name, found)}"
        for key, name in wanted.items()
        if name not in found
    ]


def _did_you_mean(name: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(valid), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""

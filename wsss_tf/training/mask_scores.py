"""Scores of masks under known tags, of one or of many settings on the same photos."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence

import numpy as np

from wsss_tf.config import MasksSettings
from wsss_tf.data import DataSet, Photo, truth_maps
from wsss_tf.errors import RunError
from wsss_tf.images import read_label_map
from wsss_tf.metrics import Scoring
from wsss_tf.training.evaluate import add_photos, checked_seconds, what_is_scored
from wsss_tf.training.make_masks import FOREGROUND, STAGE, is_made, mask_path
from wsss_tf.training.mask_makers import groups_of
from wsss_tf.training.mask_pipeline import masks_of_many
from wsss_tf.training.regions import can_keep_regions, fill_regions
from wsss_tf.training.run_folder import RunFolder


def score_masks(
    run: RunFolder,
    dataset: DataSet,
    split: str,
    *,
    settings: MasksSettings | None = None,
    photos: Sequence[Photo] | None = None,
) -> Scoring:
    """Compares the masks that photos get from their tags with pixel labels.

    Masks of kind foreground are scored against every class of the data set's masks, kept or not.
    For the others, classes that are not kept are ignored.

    Args:
        run, dataset, split: as for `open_run_data`. The run's own masks are read where its masks
            stage is done; all others are made here, and written nowhere.
        settings: of the masks; None for those of `run`'s recipe.
        photos: some of the split's; None for all of them.

    Returns:
        The scores; seconds as of `evaluate`.

    Raises:
        RunError: the recipe makes no masks, and no `settings` are given.
        DataProblems, DataError: as `evaluate`.
        CheckpointError: as `made_masks`.
    """
    own, settings = settings in (None, run.recipe.masks), settings or run.recipe.masks
    if settings.kind == "none":
        raise RunError(f"{run.path}: its recipe makes no masks: its masks.kind is none.")
    photos = dataset.split(split) if photos is None else photos
    if own and split == run.recipe.data.train_split and is_made(run):
        checked = checked_seconds(dataset, split, photos)
        masks = ([read_label_map(mask_path(run.stage(STAGE), photo))] for photo in photos)
        return _scored(dataset, split, photos, (settings,), masks, checked=checked)[0]
    many = score_masks_of_many(run, dataset, split, [settings], photos=photos)
    return next(scoring for _, scoring in many)


def score_masks_of_many(
    run: RunFolder,
    dataset: DataSet,
    split: str,
    settings: Sequence[MasksSettings],
    *,
    photos: Sequence[Photo] | None = None,
) -> Iterator[tuple[MasksSettings, Scoring]]:
    """As `score_masks` of each of `settings`, but for masks that a stage has made.

    Settings whose networks look at the photos in the same way share them, see `groups_of`; the
    scores of such a group come together. The seconds of each are its equal share of the group's.

    Args:
        run, dataset, split, photos: as for `score_masks`.
        settings: of masks; what is there twice is scored once.

    Yields:
        Settings and their scores, group after group.

    Raises:
        DataProblems, DataError: as `evaluate`.
        CheckpointError: as `made_masks`.
    """
    photos = dataset.split(split) if photos is None else photos
    checked = checked_seconds(dataset, split, photos)
    keep = can_keep_regions(run)
    for group in groups_of(settings, photos):
        if keep:
            for crf in {one.crf.regions: one.crf for one in group if one.crf}.values():
                fill_regions(run, crf, photos)
        scorings = _scored(
            dataset,
            split,
            photos,
            group,
            (masks for _, masks in masks_of_many(run, dataset, photos, group, keep_regions=keep)),
            checked=checked,
        )
        gc.collect()  # Networks hold on to each other, and the next group loads its own.
        checked = 0.0
        yield from zip(group, scorings, strict=True)


def _scored(
    dataset: DataSet,
    split: str,
    photos: Sequence[Photo],
    group: Sequence[MasksSettings],
    masks: Iterator[Sequence[np.ndarray]],
    *,
    checked: float,
) -> list[Scoring]:
    """The scores of masks of a group, photo by photo, after `checked` seconds of checks."""
    scorings = []
    for one in group:
        names = FOREGROUND if one.kind == "foreground" else dataset.labels.names
        scoring = Scoring(names, about=what_is_scored("masks", split, one, one.crf))
        scoring.seconds["score"] += checked / len(group)
        scorings.append(scoring)
    add_photos(scorings, photos, masks, _truths(dataset, split, photos, group))
    return scorings


def _truths(
    dataset: DataSet, split: str, photos: Sequence[Photo], group: Sequence[MasksSettings]
) -> Iterator[list[np.ndarray]]:
    """The truth of each photo for every settings of a group."""
    kinds = [one.kind == "foreground" for one in group]
    maps = {kind: truth_maps(dataset, split, photos, foreground=kind) for kind in set(kinds)}
    for _ in photos:
        found = {kind: next(truths) for kind, truths in maps.items()}
        yield [found[kind] for kind in kinds]

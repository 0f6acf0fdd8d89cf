"""Scores of a run's predictions and masks; the only place that opens pixel labels."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wsss_tf.config import CrfSettings, MasksSettings
from wsss_tf.data import DataSet, Photo, check_truth, open_dataset, truth_maps
from wsss_tf.errors import DataError, RunError
from wsss_tf.files import write_json, write_text
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.metrics import Scoring
from wsss_tf.priors import Views
from wsss_tf.training.make_masks import FOREGROUND, STAGE, is_made, made_masks, mask_path
from wsss_tf.training.predict import Predictor
from wsss_tf.training.regions import can_keep_regions, fill_regions
from wsss_tf.training.run_folder import RunFolder


def open_run_data(run: RunFolder, split: str) -> DataSet:
    """The data set that `run` was trained on.

    Raises:
        DataError: it cannot be opened, or has no photos in `split`.
        RunError: its classes are no longer those of the run.
    """
    dataset = open_dataset(run.recipe.data, root=run.data_root)
    dataset.split(split)
    run.require_labels(dataset.labels)
    return dataset


def evaluate(
    run: RunFolder,
    dataset: DataSet,
    split: str,
    *,
    crf: bool | None = None,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
) -> Scoring:
    """Predicts every photo of `split` and compares it with its mask; 255 in a mask is ignored.

    Args:
        run, dataset, split: as for `open_run_data`.
        crf, scales, flip: as for `Predictor`.

    Returns:
        The scores. Their seconds are those of reading and predicting photos ("predict"), and of
        checking, reading and comparing masks ("score").

    Raises:
        DataProblems: masks that are missing, of another size, in RGB or with unknown ids; all of
            them, before the first prediction. Photos whose regions cannot be found, likewise.
        DataError: no pixel counts.
    """
    photos = dataset.split(split)
    checked = _checked_seconds(dataset, split, photos)
    keep = can_keep_regions(run)
    predictor = Predictor(run, crf=crf, scales=scales, flip=flip, keep_regions=keep)
    if keep:
        fill_regions(run, predictor.crf, photos)
    about = _about("predictions", split, predictor.views, predictor.crf)
    scoring = Scoring(dataset.labels.names, about=about)
    scoring.seconds["score"] += checked
    predictions = (
        predictor(read_photo(photo.path, max_pixels=photo.width * photo.height))
        for photo in tqdm(photos, desc="evaluate", unit="photo")
    )
    _score(scoring, photos, predictions, truth_maps(dataset, split))
    return scoring


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
    checked = _checked_seconds(dataset, split, photos)
    foreground = settings.kind == "foreground"
    scoring = Scoring(
        FOREGROUND if foreground else dataset.labels.names,
        about=_about("masks", split, settings, settings.crf),
    )
    scoring.seconds["score"] += checked
    if own and split == run.recipe.data.train_split and is_made(run):
        masks = (read_label_map(mask_path(run.stage(STAGE), photo)) for photo in photos)
    else:
        masks = _new_masks(run, dataset, photos, settings)
    truths = truth_maps(dataset, split, photos, foreground=foreground)
    _score(scoring, photos, masks, truths)
    return scoring


def write_scores(path: Path, scoring: Scoring) -> dict[str, Any]:
    """Writes `scoring.result()` to `path`, and its rows beside it as .jsonl; returns the result."""
    found = scoring.result()
    write_json(path, found)
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in scoring.rows())
    write_text(path.with_suffix(".jsonl"), "".join(f"{line}\n" for line in lines))
    return found


def _checked_seconds(dataset: DataSet, split: str, photos: Sequence[Photo]) -> float:
    started = time.perf_counter()
    check_truth(dataset, split, photos)
    return time.perf_counter() - started


def _new_masks(
    run: RunFolder, dataset: DataSet, photos: Sequence[Photo], settings: MasksSettings
) -> Iterator[np.ndarray]:
    keep = can_keep_regions(run)
    if keep:
        fill_regions(run, settings.crf, photos)
    for _, mask in made_masks(run, dataset, photos, settings, keep_regions=keep):
        yield mask


def _score(
    scoring: Scoring,
    photos: Sequence[Photo],
    predictions: Iterator[np.ndarray],
    truths: Iterator[np.ndarray],
) -> None:
    """Adds every photo to `scoring`, and the time that each side takes."""
    for photo in photos:
        started = time.perf_counter()
        prediction = next(predictions)
        predicted = time.perf_counter()
        scoring.update(photo.id, next(truths), prediction)
        scoring.seconds["predict"] += predicted - started
        scoring.seconds["score"] += time.perf_counter() - predicted
    if not scoring.confusion.counts.any():
        raise DataError(
            f"{scoring.about['split']}: every pixel of its masks is 255, or of a class not kept."
        )


def _about(
    kind: str, split: str, views: Views | MasksSettings, crf: CrfSettings | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "split": split,
        "crf": crf and crf.model_dump(mode="json"),
        "scales": list(views.scales),
        "flip": views.flip,
    }

"""Scores of a run's predictions; with `mask_scores` all of a run that opens pixel labels."""

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
from wsss_tf.errors import DataError
from wsss_tf.files import sha256, write_json, write_text
from wsss_tf.images import read_photo
from wsss_tf.metrics import Scoring
from wsss_tf.priors import Views
from wsss_tf.training.loop import CHECKPOINT
from wsss_tf.training.predict import Predictor
from wsss_tf.training.regions import can_keep_regions, fill_regions
from wsss_tf.training.run_folder import RunFolder
from wsss_tf.training.segment import STAGE


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
    checked = checked_seconds(dataset, split, photos)
    keep = can_keep_regions(run)
    predictor = Predictor(run, crf=crf, scales=scales, flip=flip, keep_regions=keep)
    if keep:
        fill_regions(run, predictor.crf, photos)
    about = what_is_scored("predictions", split, predictor.views, predictor.crf)
    about["checkpoint"] = sha256(run.stage(STAGE) / CHECKPOINT)
    scoring = Scoring(dataset.labels.names, about=about)
    scoring.seconds["score"] += checked
    predictions = (
        [predictor(read_photo(photo.path, max_pixels=photo.width * photo.height))]
        for photo in tqdm(photos, desc="evaluate", unit="photo")
    )
    add_photos([scoring], photos, predictions, ([truth] for truth in truth_maps(dataset, split)))
    return scoring


def write_scores(path: Path, scoring: Scoring) -> dict[str, Any]:
    """Writes `scoring.result()` to `path`, and its rows beside it as .jsonl; returns the result."""
    found = scoring.result()
    write_json(path, found)
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in scoring.rows())
    write_text(path.with_suffix(".jsonl"), "".join(f"{line}\n" for line in lines))
    return found


def checked_seconds(dataset: DataSet, split: str, photos: Sequence[Photo]) -> float:
    """How long `check_truth` took; raises as it does."""
    started = time.perf_counter()
    check_truth(dataset, split, photos)
    return time.perf_counter() - started


def add_photos(
    scorings: Sequence[Scoring],
    photos: Sequence[Photo],
    predictions: Iterator[Sequence[np.ndarray]],
    truths: Iterator[Sequence[np.ndarray]],
) -> None:
    """Adds every photo to each of `scorings`, and an equal part of the time that each side takes.

    Args:
        scorings: to add to.
        photos: in order.
        predictions, truths: of each photo, one uint8 [H, W] for each of `scorings`.

    Raises:
        DataError: no pixel counts.
    """
    for photo in photos:
        started = time.perf_counter()
        predicted = next(predictions)
        between = time.perf_counter()
        for scoring, truth, labels in zip(scorings, next(truths), predicted, strict=True):
            scoring.update(photo.id, truth, labels)
        ended = time.perf_counter()
        for scoring in scorings:
            scoring.seconds["predict"] += (between - started) / len(scorings)
            scoring.seconds["score"] += (ended - between) / len(scorings)
    for scoring in scorings:
        if not scoring.confusion.counts.any():
            raise DataError(
                f"{scoring.about['split']}: every pixel of its masks is 255, or of a class not "
                "kept."
            )


def what_is_scored(
    kind: str, split: str, views: Views | MasksSettings, crf: CrfSettings | None
) -> dict[str, Any]:
    """What a result says first: "predictions" or "masks", of which photos, and how made."""
    return {
        "kind": kind,
        "split": split,
        "crf": crf and crf.model_dump(mode="json"),
        "scales": list(views.scales),
        "flip": views.flip,
    }

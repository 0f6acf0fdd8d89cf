"""Which evaluations a run has, and the making of the one that is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wsss_tf.data import DataSet
from wsss_tf.errors import RunError
from wsss_tf.files import sha256
from wsss_tf.reports.html.inputs import (
    Evaluation,
    PhotoScore,
    read_evaluation,
    read_photo_scores,
)
from wsss_tf.training import RunFolder, evaluate, write_scores
from wsss_tf.training.loop import CHECKPOINT

WITHOUT, WITH = "without CRF", "with CRF"
ENDINGS = {WITHOUT: "", WITH: "_crf"}
FLAGS = {WITHOUT: " --no-crf", WITH: " --crf"}


@dataclass
class Scores:
    """What is known of a split.

    Attributes:
        split: its name.
        predictions: evaluations by `ENDINGS`, those that are there.
        masks: evaluations of masks under known tags, by split.
        photos: scores of each photo, of the evaluation `shown`.
        shown: key of the evaluation that figures are of, as the recipe predicts; or None.
        problems: what is missing or damaged, and the command that mends it.
    """

    split: str
    predictions: dict[str, Evaluation] = field(default_factory=dict)
    masks: dict[str, Evaluation] = field(default_factory=dict)
    photos: list[PhotoScore] = field(default_factory=list)
    shown: str | None = None
    problems: list[str] = field(default_factory=list)


def read_scores(run: RunFolder, split: str) -> Scores:
    """The evaluations in RUN/report, but for those of an earlier checkpoint.

    A damaged one becomes one of the problems.
    """
    found = Scores(split)
    folder = run.stage("report")
    for name, ending in ENDINGS.items():
        again = evaluate_command(split, FLAGS[name])
        one = _read(folder / f"evaluate_{split}{ending}.json", again, found.problems)
        if one is not None and _is_of_now(run, one):
            found.predictions[name] = one
    for path in sorted(folder.glob("masks_*.json")):
        of = path.stem.removeprefix("masks_")
        again = f"wsss-tf evaluate RUN --masks --split {of}"
        one = _read(path, again, found.problems)
        if one is not None:
            found.masks[of] = one
    _add_photos(run, found)
    return found


def score_now(run: RunFolder, dataset: DataSet, split: str) -> None:
    """Scores the predictions of `split` as `wsss-tf evaluate` does, into RUN/report.

    Raises:
        WsssError: as `training.evaluate`.
    """
    scoring = evaluate(run, dataset, split)
    ending = ENDINGS[WITH if scoring.about["crf"] else WITHOUT]
    write_scores(run.stage("report") / f"evaluate_{split}{ending}.json", scoring)


def evaluate_command(split: str, flag: str = "") -> str:
    """The command that scores a split, as a user types it."""
    return f"wsss-tf evaluate RUN --split {split}{flag}"


def has_truth(dataset: DataSet, split: str) -> bool:
    """Whether any photo of the split has a mask to score with; none is opened."""
    return any(path.is_file() for path in dataset.truth(split).values())


def _is_of_now(run: RunFolder, one: Evaluation) -> bool:
    """Whether an evaluation is of the network that the run has, as far as it says."""
    checkpoint = run.stage("segment") / CHECKPOINT
    return one.checkpoint is None or (checkpoint.is_file() and sha256(checkpoint) == one.checkpoint)


def _add_photos(run: RunFolder, found: Scores) -> None:
    usual = WITH if run.recipe.inference.crf else WITHOUT
    found.shown = usual if usual in found.predictions else next(iter(found.predictions), None)
    if found.shown is None:
        return
    again = evaluate_command(found.split, FLAGS[found.shown])
    name = f"evaluate_{found.split}{ENDINGS[found.shown]}.jsonl"
    try:
        found.photos = read_photo_scores(run.stage("report") / name, again=again)
    except RunError as error:
        found.problems.append(str(error))
        return
    if not found.photos:
        found.problems.append(f"{name}: is missing, so no photo has a score. Make it: {again}")


def _read(path: Path, again: str, problems: list[str]) -> Evaluation | None:
    try:
        return read_evaluation(path, again=again)
    except RunError as error:
        problems.append(str(error))
        return None

"""The head of the report: the figures one looks for first, and how to read the tables."""

from __future__ import annotations

from wsss_tf.data import DataSet
from wsss_tf.reports.html.inputs import Evaluation
from wsss_tf.reports.html.published import published_notes
from wsss_tf.reports.html.scores import WITH, Scores
from wsss_tf.reports.html.tables import interval_text
from wsss_tf.training import RunFolder

SUPERVISION = {"tags": "tags alone", "foreground": "foreground masks", "multi_class": "class masks"}


def tiles(scores: Scores) -> list[tuple[str, str, str]]:
    """(name, figure, small print) of the figures at the top; without scores there are none."""
    found = []
    for name, one in scores.predictions.items():
        if one.miou is not None:
            found.append((f"mIoU {name}", _per_cent(one.miou), _interval(one)))
    shown = scores.predictions.get(scores.shown or "")
    if shown and shown.pixel_accuracy is not None:
        found.append(("Pixel accuracy", _per_cent(shown.pixel_accuracy), scores.shown or ""))
    for split, one in scores.masks.items():
        if one.miou is not None:
            words = "foreground masks" if _is_foreground(one) else "known tags"
            found.append((f"Masks, {split}", _per_cent(one.miou), f"mIoU, {words}"))
    return found


def subtitle(run: RunFolder, scores: Scores) -> str:
    """What the run learned from and what it is scored on, in a line."""
    learned = f"Trained from image tags, by {SUPERVISION[run.recipe.segment.loss]}"
    shown = scores.predictions.get(scores.shown or "")
    return f"{learned}; {shown.photos} photos of {scores.split} scored" if shown else learned


def notes(run: RunFolder, dataset: DataSet | None, scores: Scores) -> list[str]:
    """How to read the tables; none without scores."""
    evaluations = [*scores.predictions.values(), *scores.masks.values()]
    if not evaluations:
        return []
    found = ["IoU: intersection over union, from one confusion matrix over the whole split."]
    found.append("Pixels labelled 255 are ignored.")
    if any(value is None for one in evaluations for value in one.iou.values()):
        found.append(
            "A class with a dash is neither in the truth nor predicted: it does not count."
        )
    found += published_notes(run, scores)
    if run.recipe.data.keep is not None:
        found.append(f"{_not_kept(dataset)} The recipe does not keep them.")
    if any(_is_foreground(one) for one in scores.masks.values()):
        found.append("Foreground is every class of the pixel labels, also those that are not kept.")
    for name, one in scores.predictions.items():
        regions = name == WITH and (one.crf or {}).get("regions")
        if regions:
            found.append("The CRF uses regions.")
        if one.scales != [1.0] or one.flip:
            scales = ", ".join(f"{scale:g}" for scale in one.scales)
            found.append(f"Scored {name} at scales {scales}{' and mirrored' * one.flip}.")
    return found


def _not_kept(dataset: DataSet | None) -> str:
    ignored = "Pixels of classes that are not kept are ignored in the truth"
    if dataset is None:
        return f"{ignored}."
    left = [name for name in dataset.truth_labels.names if name not in dataset.labels.names]
    return f"{ignored}: {', '.join(left)}."


def _is_foreground(one: Evaluation) -> bool:
    return one.names == ["background", "foreground"]


def _per_cent(value: float) -> str:
    return f"{100 * value:.1f}"


def _interval(one: Evaluation) -> str:
    words = interval_text(one.miou_interval)
    return f"{100 * one.miou_interval.level:g} %: {words}" if words and one.miou_interval else ""

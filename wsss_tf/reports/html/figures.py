"""The charts of the report, drawn from what the run has."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from wsss_tf.errors import RunError
from wsss_tf.files import read_jsonl
from wsss_tf.reports.html.charts import bars_figure, confusion_figure, truth_and_prediction
from wsss_tf.reports.html.curves import training_figure, training_rows, trimap_figure
from wsss_tf.reports.html.quality import Quality
from wsss_tf.reports.html.scores import Scores
from wsss_tf.reports.html.svg import inline_svg
from wsss_tf.training import RunFolder

TRAINED = ("localize", "segment")


@dataclass(frozen=True)
class Chart:
    """A chart: its title, what it shows in a sentence, and its drawing, safe to put in a page."""

    title: str
    note: str
    svg: Markup


def charts(
    run: RunFolder, scores: Scores, quality: Quality, problems: list[str]
) -> dict[str, list[Chart]]:
    """The charts by section: "scores", "training", "masks". What is damaged goes to `problems`."""
    training = []
    for stage in TRAINED:
        try:
            table = training_rows(read_jsonl(run.stage(stage) / "metrics.jsonl"))
        except (RunError, OSError, UnicodeDecodeError) as error:
            problems.append(
                f"{stage}/metrics.jsonl cannot be read, so its curve is missing: {error}"
            )
            continue
        if len(table):
            note = f"Loss of {int(table[-1, 0]):,} steps; below it the learning rate."
            training.append(
                _chart(f"train-{stage}", f"Training: {stage}", note, training_figure(table))
            )
    masks = []
    if quality.coverage:
        note = "Mean share of a photo that a tagged class takes in the training masks."
        figure = bars_figure({"masks": quality.coverage}, unit="per cent of a photo")
        masks.append(_chart("coverage", "Coverage of the masks", note, figure))
    return {"scores": _score_charts(scores), "training": training, "masks": masks}


def _score_charts(scores: Scores) -> list[Chart]:
    found = []
    shown = scores.predictions.get(scores.shown or "")
    if shown and shown.confusion:
        note = f"Per cent of the pixels of each true class, {scores.shown}; each row is 100."
        figure = confusion_figure(shown.confusion, shown.names)
        found.append(_chart("confusion", "Confusion matrix", note, figure))
    curves = {name: one.trimap for name, one in scores.predictions.items() if one.trimap}
    if curves:
        note = "Scores of the pixels near an edge of the truth, by how near."
        found.append(_chart("trimap", "Accuracy near edges", note, trimap_figure(curves)))
    shares = truth_and_prediction(shown.confusion, shown.names) if shown and shown.confusion else {}
    if shares and len(shares["truth"]):
        note = "How much of the split each class takes; background left out."
        figure = bars_figure(shares, unit="per cent of all pixels")
        found.append(_chart("shares", "Too much or too little", note, figure))
    return found


def _chart(name: str, title: str, note: str, figure: Figure) -> Chart:
    # `inline_svg` escapes what it was given.
    return Chart(title, note, Markup(inline_svg(figure, name=name, description=f"{title}. {note}")))

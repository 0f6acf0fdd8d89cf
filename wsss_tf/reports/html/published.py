"""The paper's figures as columns of the report's table, where the run is on the paper's data."""

from __future__ import annotations

from wsss_tf.reports.html.inputs import Evaluation
from wsss_tf.reports.html.scores import Scores
from wsss_tf.reports.published import Published, published_for
from wsss_tf.training import RunFolder


def published_columns(run: RunFolder, scores: Scores) -> dict[str, Evaluation]:
    """Published figures in the form of evaluations, by the name of their column; none without
    scores of ours, or for other data than the paper's.
    """
    table = _table(run, scores)
    if table is None:
        return {}
    return {
        f"{one.name}, {table.table}": Evaluation(
            split=scores.split, photos=0, miou=one.miou, iou=dict(one.iou)
        )
        for one in table.columns
    }


def published_notes(run: RunFolder, scores: Scores) -> list[str]:
    """What the published columns are of, and how to read them; none where there are none."""
    table = _table(run, scores)
    if table is None:
        return []
    note = f" {table.note}" if table.note else ""
    return [
        f"{table.table} is that of {table.source}: figures on {table.of}. "
        f"Ours are on {_photos(scores)} photos.{note}"
    ]


def _table(run: RunFolder, scores: Scores) -> Published | None:
    one = next(iter(scores.predictions.values()), None)
    return published_for(run.recipe.data, one.names, scores.split) if one else None


def _photos(scores: Scores) -> str:
    counts = sorted({one.photos for one in scores.predictions.values()})
    return " and ".join(f"{count:,}" for count in counts)

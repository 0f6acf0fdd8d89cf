"""Tables of the ablation that a run is part of, from the JSON file that `wsss-tf ablate` writes."""

from __future__ import annotations

from pathlib import Path

from wsss_tf.errors import RunError
from wsss_tf.reports.html.inputs import Part, checked, read_json
from wsss_tf.reports.html.tables import DASH, Cell, Row, Table, score

AGAIN = "wsss-tf ablate RECIPE --out DIR"
TITLES = {
    "4": "Foreground masks of the training photos, mIoU in per cent",
    "5": "Class masks under known tags, mIoU in per cent",
    "6": "Networks on unseen photos, no tags, mIoU in per cent",
}


class AblationRow(Part):
    """A figure of an ablation; fractions."""

    table: str
    title: str
    settings: str = ""
    field_of_view: str | None = None
    crf: str = "none"
    miou: float | None = None
    low: float | None = None
    high: float | None = None
    published: float | None = None


class Ablation(Part):
    """What of ablation.json the report shows."""

    rows: list[AblationRow]


def read_ablation(path: Path) -> list[Table]:
    """The tables of an ablation.

    Args:
        path: of ablation.json.

    Raises:
        RunError: there is no such file, or it is no ablation.
    """
    content = read_json(path, again=AGAIN)
    if content is None:
        raise RunError(f"{path}: does not exist. Make it: {AGAIN}")
    rows = checked(Ablation, content, path.name, AGAIN).rows
    return [_table(key, rows) for key in dict.fromkeys(row.table for row in rows)]


def _table(key: str, rows: list[AblationRow]) -> Table:
    own = [row for row in rows if row.table == key]
    published = any(row.published is not None for row in own)
    lines = [
        Row(
            _name(row),
            "",
            (
                Cell(row.crf),
                score(row.miou),
                Cell(_interval(row)),
                *([Cell(score(row.published).text)] if published else []),
            ),
        )
        for row in own
    ]
    columns = ("CRF", "mIoU", "95 % interval", *(["published"] if published else []))
    return Table(TITLES.get(key, f"Table {key}"), columns, tuple(lines), head="set-up")


def _name(row: AblationRow) -> str:
    """Such as "fusion of blocks 4 and 5, paper" or "tags only, large"."""
    more = [part for part in (row.settings, row.field_of_view) if part and part != "recipe"]
    return ", ".join([row.title, *more])


def _interval(row: AblationRow) -> str:
    if row.low is None or row.high is None:
        return DASH
    return f"{100 * row.low:.1f} to {100 * row.high:.1f}"

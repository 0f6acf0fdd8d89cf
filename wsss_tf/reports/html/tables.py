"""Tables of the report: scores by class side by side, as rows of texts and fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsss_tf.labels import palette
from wsss_tf.reports.html.inputs import Evaluation, Interval

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """A score: its text, and the share of the cell that a bar fills, or None for no bar."""

    text: str
    share: float | None = None


@dataclass(frozen=True)
class Row:
    """A row: its name, the colour of its class as #rrggbb or "", and a cell for each column."""

    name: str
    colour: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        columns: their names; the first column, of row names, is not one of them.
        rows: one a class.
        totals: rows under a line: means, accuracies.
        head: of the first column.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...] = ()
    head: str = "class"


def colours(names: Sequence[str]) -> dict[str, str]:
    """The palette's colour of each class, "#rrggbb", by name; `names` is in the order of ids."""
    table = palette()
    return {name: "#{:02x}{:02x}{:02x}".format(*table[i]) for i, name in enumerate(names)}


def score_table(caption: str, columns: Mapping[str, Evaluation]) -> Table:
    """Scores in per cent, one column an evaluation; a dash where a class does not count.

    Args:
        caption: of the table.
        columns: evaluations by the name of their column, at least one. Classes that not all of
            them have get a dash.
    """
    found = list(columns.values())
    names = list(dict.fromkeys(name for one in found for name in one.names))
    painted = colours(found[0].names)
    rows = [
        Row(name, painted.get(name, ""), tuple(score(one.iou.get(name)) for one in found))
        for name in names
    ]
    return Table(caption, tuple(columns), tuple(rows), _totals(found))


def score(value: float | None) -> Cell:
    """0.5678 -> "56.8" and a bar of that share; None -> a dash."""
    return Cell(DASH) if value is None else Cell(f"{100 * value:.1f}", min(max(value, 0.0), 1.0))


def interval_text(interval: Interval | None) -> str:
    """ "53.1 to 60.2"; "" where there is none."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _totals(found: Sequence[Evaluation]) -> tuple[Row, ...]:
    levels = {one.miou_interval.level for one in found if one.miou_interval}
    level = f"{100 * max(levels):g} % interval over photos" if levels else ""
    lines = {
        "mIoU": [score(one.miou) for one in found],
        level: [Cell(interval_text(one.miou_interval)) for one in found],
        "pixel accuracy": [score(one.pixel_accuracy) for one in found],
        "mean class accuracy": [score(one.mean_class_accuracy) for one in found],
        "fg/bg mIoU": [score(one.foreground_miou) for one in found],
    }
    # An evaluation by an earlier version lacks some of them.
    return tuple(
        Row(name, "", tuple(Cell(cell.text) for cell in cells))
        for name, cells in lines.items()
        if name and any(cell.text not in ("", DASH) for cell in cells)
    )

"""The figures of an ablation as rows, as aligned text and as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass

_TITLES = {
    "4": "Table 4: foreground masks of the training photos",
    "5": "Table 5: multi-class masks under known tags",
    "6": "Table 6: networks on unseen photos, no tags",
}
_CRFS = {"none": "no CRF", "pairwise": "CRF", "regions": "CRF + regions"}


@dataclass(frozen=True)
class Row:
    """One figure; shares are in 0..1, None where there is none.

    Attributes:
        table: "4", "5" or "6".
        name: of the row; in Table 6 the set-up.
        title: of the row, for people.
        settings: "recipe" or "paper".
        field_of_view: of the network, in Table 6.
        crf: "none", "pairwise" or "regions".
        photos: how many were scored.
        miou: mean IoU; in Table 4 that of foreground and background.
        low, high: its bootstrap interval over photos.
        previous: the row that `difference` is to.
        difference, difference_low, difference_high: of mIoU, and its paired bootstrap interval.
        published: the paper's figure, for its own data set.
    """

    table: str
    name: str
    title: str
    settings: str
    field_of_view: str | None
    crf: str
    photos: int
    miou: float | None
    low: float | None
    high: float | None
    previous: str | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    published: float | None = None


def csv_text(rows: Sequence[Row]) -> str:
    """All rows, a column an attribute; an absent value is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Row))
    for row in rows:
        values = dataclasses.astuple(row)
        writer.writerow(f"{v:.6f}" if isinstance(v, float) else v for v in values)
    return text.getvalue()


def text_tables(rows: Sequence[Row]) -> str:
    """All tables, aligned, in per cent."""
    parts = []
    for table, title in _TITLES.items():
        found = [row for row in rows if row.table == table]
        if found:
            lines = _networks(found) if table == "6" else _masks(found)
            parts.append(f"{title}; mIoU in per cent, {found[0].photos} photos\n{_aligned(lines)}")
    if "6" in {row.table for row in rows}:
        parts.append("Brackets: 95 % of 1000 resamples of the photos.")
    return "\n\n".join(parts)


def _masks(rows: Sequence[Row]) -> list[list[str]]:
    crfs = [crf for crf in _CRFS if any(row.crf == crf for row in rows)]
    paper = any(row.settings == "paper" for row in rows)
    published = any(row.published is not None for row in rows)
    lines = [
        ["masks", *["settings"] * paper, *(_CRFS[crf] for crf in crfs), *["published"] * published]
    ]
    for settings, title in dict.fromkeys((row.settings, row.title) for row in rows):
        own = {row.crf: row for row in rows if (row.settings, row.title) == (settings, title)}
        known = [row.published for row in own.values() if row.published is not None]
        cells = [_per_cent(own[crf].miou) if crf in own else "-" for crf in crfs]
        shown = [_per_cent(known[0] if known else None)] * published
        lines.append([title, *[settings] * paper, *cells, *shown])
    return lines


def _networks(rows: Sequence[Row]) -> list[list[str]]:
    sharp = any(row.crf != "none" for row in rows)
    published = any(row.published is not None for row in rows)
    heading = ["set-up", "view", *["no CRF"] * sharp, "with CRF" if sharp else "no CRF", ""]
    lines = [[*heading, "gain", "", "over", *["published"] * published]]
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        plain, best = own[0], own[-1]
        lines.append(
            [
                best.title,
                str(best.field_of_view),
                *[_per_cent(plain.miou)] * sharp,
                _per_cent(best.miou),
                _interval(best.low, best.high),
                _per_cent(best.difference, sign="+"),
                _interval(best.difference_low, best.difference_high, sign="+"),
                best.previous or "",
                *[_per_cent(best.published)] * published,
            ]
        )
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _per_cent(value: float | None, *, sign: str = "") -> str:
    return "-" if value is None else f"{100 * value:{sign}.1f}"


def _interval(low: float | None, high: float | None, *, sign: str = "") -> str:
    if low is None or high is None:
        return ""
    return f"[{_per_cent(low, sign=sign)}, {_per_cent(high, sign=sign)}]"

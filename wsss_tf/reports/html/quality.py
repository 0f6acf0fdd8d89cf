"""The section on masks without truth, from what `wsss-tf masks` measured, and their coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsss_tf.errors import RunError
from wsss_tf.files import read_jsonl
from wsss_tf.reports.html.inputs import read_json
from wsss_tf.reports.html.pictures import Picture, file_picture
from wsss_tf.reports.html.tables import DASH, Cell, Row, Table, colours, score
from wsss_tf.training import RunFolder

AGAIN = "wsss-tf masks RUN/recipe.yaml --out RUN"
SHEET_SIDE = 1800


@dataclass
class Quality:
    """What can be told of the masks where there is no truth.

    Attributes:
        facts: (what, figure in words).
        table: coverage by class, or None.
        coverage: mean share of a photo that a class tagged there takes, by class.
        sheet: the masks that look worst, or None.
        problems: what is missing or damaged.
    """

    facts: list[tuple[str, str]] = field(default_factory=list)
    table: Table | None = None
    coverage: dict[str, float] = field(default_factory=dict)
    sheet: Picture | None = None
    problems: list[str] = field(default_factory=list)


def read_quality(run: RunFolder) -> Quality:
    """What RUN/report/mask_quality.json says, or masks/index.jsonl alone where it is missing."""
    found = Quality()
    report = run.stage("report")
    try:
        content = read_json(report / "mask_quality.json", again=AGAIN)
        if content is None:
            rows = read_jsonl(run.stage("masks") / "index.jsonl")
            found.coverage = index_coverage(rows, foreground=run.recipe.masks.kind == "foreground")
            found.problems.append(f"The masks have not been measured. Do so: {AGAIN}")
            return found
        found.coverage = _means(content)
        found.facts = _facts(content)
        found.table = _table(content, found.coverage)
    except (RunError, TypeError, ValueError, KeyError, AttributeError) as error:
        # Written by another version, or by hand: the rest of the report does not depend on it.
        found.problems.append(
            f"mask_quality.json or masks/index.jsonl is damaged ({error}): {AGAIN}"
        )
    found.sheet = file_picture(
        "The training photos whose masks look worst, step by step to the mask",
        report / "worst_masks.png",
        side=SHEET_SIDE,
    )
    return found


def index_coverage(rows: list[dict[str, Any]], *, foreground: bool = False) -> dict[str, float]:
    """Mean share of the photos tagged with a class that the class has in their masks, by name.

    Args:
        rows: of masks/index.jsonl: {"id", "tags", "coverage": {class: share}}.
        foreground: whether the masks have one class, "foreground", for whatever tag.
    """
    shares: dict[str, list[float]] = {}
    for row in rows:
        covered = row["coverage"]
        names = ["foreground"] * bool(row["tags"]) if foreground else list(row["tags"])
        for name in names:
            shares.setdefault(name, []).append(float(covered.get(name, 0.0)))
    return {name: sum(values) / len(values) for name, values in sorted(shares.items())}


def _means(content: Mapping[str, Any]) -> dict[str, float]:
    return {
        str(name): float(one["mean"])
        for name, one in content["coverage"].items()
        if one.get("mean") is not None
    }


def _facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    empty, tagged = content["empty"], content["tagged"]
    photos = f"{empty['photos']} of {tagged} photos, {empty['tags']} tags"
    found = [("A tagged class without a pixel", photos)]
    one = content.get("one_label")
    if one:
        words = f"{one['background']} background, {one['foreground']} foreground"
        found.append((f"Masks with at least {100 * one['share']:.0f} % of one label", words))
    if agreement := content.get("agreement"):
        found.append(("Agreement of CAMs and foreground map (IoU)", _summary(agreement)))
    if fallback := content.get("fallback"):
        photos = f"{fallback['photos']} of {content['sampled']} photos, {fallback['tags']} tags"
        found.append(("A class that has only its CAM's pixels", photos))
    for key, words in (
        ("changed", "Pixels whose label the CRF changed"),
        ("removed", "Foreground that the CRF removed"),
        ("added", "Foreground that the CRF added"),
    ):
        if summary := (content.get("crf") or {}).get(key):
            found.append((words, _summary(summary)))
    return found


def _summary(one: Mapping[str, Any]) -> str:
    """{"photos", "mean", "quartiles"} in per cent, in words."""
    low, middle, high = one["quartiles"]
    return (
        f"mean {100 * one['mean']:.1f} %, median {100 * middle:.1f} %, "
        f"half of the photos between {100 * low:.1f} and {100 * high:.1f} %"
    )


def _table(content: Mapping[str, Any], coverage: Mapping[str, float]) -> Table:
    painted = colours(["background", *map(str, content["coverage"])])
    rows = []
    for name, one in content["coverage"].items():
        mean = coverage.get(name)
        cells = (
            Cell(str(one["photos"])),
            Cell(str(one["empty"])),
            score(mean),
            Cell(_quartiles(one.get("quartiles"))),
        )
        rows.append(Row(str(name), painted.get(name, ""), cells))
    columns = ("photos", "without a pixel", "mean, %", "middle half, %")
    return Table("Share of the photos that a tagged class takes", columns, tuple(rows))


def _quartiles(quartiles: Any) -> str:
    if not quartiles:
        return DASH
    return f"{100 * quartiles[0]:.1f} to {100 * quartiles[2]:.1f}"

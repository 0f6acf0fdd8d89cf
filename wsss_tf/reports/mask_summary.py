"""Figures over the photos of a run from those of each, and both in words; see `mask_quality`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

ONE_LABEL = 0.99
"""Share of one label from which on a mask counts as nothing else."""
WORST = 12


def coverage_row(entry: Mapping[str, Any], *, foreground: bool) -> dict[str, Any]:
    """What a line of masks/index.jsonl says of its photo.

    Args:
        entry: {"id", "tags", "coverage": {name: share}}, with every name that has a pixel.
        foreground: whether the masks have the one class "foreground", for whatever tag.

    Returns:
        {"id", "tags", "coverage": {class: share} of the tagged classes, "foreground": share that is
        not background, "empty": tagged classes without a pixel}.
    """
    shares = entry["coverage"]
    classes = ["foreground"] if foreground else entry["tags"]
    return {
        "id": entry["id"],
        "tags": entry["tags"],
        "coverage": {name: shares.get(name, 0.0) for name in classes},
        "foreground": round(1.0 - shares.get("background", 0.0), 6),
        "empty": [name for name in classes if name not in shares],
    }


def quality_summary(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """The figures over photos, from "coverage" to "worst" of `mask_quality` but the sample's seed.

    Args:
        rows: of the photos with a tag, in order, with all keys of mask_quality.jsonl.
        classes: of the masks, without background.
    """
    sampled = [row for row in rows if row["sampled"]]
    ranked = sorted(rows, key=lambda row: -row["score"])[:WORST]
    return {
        "tagged": len(rows),
        "coverage": {name: _coverage(rows, name) for name in classes},
        "foreground": summary([row["foreground"] for row in rows]),
        "empty": _count([row["empty"] for row in rows]),
        "one_label": {
            "share": ONE_LABEL,
            "background": sum(row["foreground"] <= 1 - ONE_LABEL for row in rows),
            "foreground": sum(row["foreground"] >= ONE_LABEL for row in rows),
        },
        "sampled": len(sampled),
        "agreement": summary([row["agreement"] for row in sampled]),
        "fallback": _fallback(sampled),
        "crf": _crf(sampled),
        "worst": [{key: row[key] for key in ("id", "tags", "score", "reason")} for row in ranked],
    }


def summary(values: Sequence[float | None]) -> dict[str, Any] | None:
    """{"photos", "mean", "quartiles"} of the values that are not None; None if there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    quartiles = [float(value) for value in np.quantile(known, (0.25, 0.5, 0.75))]
    return {"photos": len(known), "mean": float(np.mean(known)), "quartiles": quartiles}


def quality_table(found: Mapping[str, Any]) -> str:
    """`mask_quality`'s result as text: a line a class, then lines over all."""
    width = max(len(name) for name in (*found["coverage"], "class"))
    lines = [f"{'class':<{width}}  photos  median cover  empty"]
    for name, row in found["coverage"].items():
        middle = row["quartiles"] and row["quartiles"][1]
        counts = f"{per_cent(middle):>12}  {row['empty']:>5}"
        lines.append(f"{name:<{width}}  {row['photos']:>6}  {counts}")
    one, empty = found["one_label"], found["empty"]
    lines.append(
        f"Of {found['tagged']} photos, {empty['photos']} lack a tagged class, {one['background']} "
        f"are nearly all background, {one['foreground']} nearly all foreground."
    )
    return "\n".join([*lines, *_sample_lines(found)])


def per_cent(share: float | None) -> str:
    """A share in 0..1 as text; a dash for None."""
    return "-" if share is None else f"{100 * share:.0f} %"


def _sample_lines(found: Mapping[str, Any]) -> list[str]:
    lines, crf = [], found["crf"]
    if found["agreement"]:
        lines.append(f"CAM and foreground map agree to {_mean(found['agreement'])} (mean IoU).")
    if found["fallback"]:
        lines.append(
            f"{found['fallback']['tags']} tagged classes won no pixel and have those of their CAM."
        )
    if crf:
        lines.append(
            f"The CRF changed {_mean(crf['changed'])} of the pixels, and removed "
            f"{_mean(crf['removed'])} of the foreground; of the rest {_mean(crf['added'])} is new."
        )
    lines = [f"  {line}" for line in lines]
    return [f"In a sample of {found['sampled']} photos:", *lines] if lines else []


def _mean(found: Mapping[str, Any] | None) -> str:
    return per_cent(found["mean"] if found else None)


def _coverage(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    shares = [row["coverage"][name] for row in rows if name in row["coverage"]]
    found = summary(shares) or {"photos": 0, "mean": None, "quartiles": None}
    return {"empty": sum(name in row["empty"] for row in rows), **found}


def _fallback(sampled: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    known = [row["fallback"] for row in sampled if row["fallback"] is not None]
    return _count(known) if known else None


def _crf(sampled: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    found = {
        name: summary([row[name] for row in sampled]) for name in ("changed", "removed", "added")
    }
    if not found["changed"]:
        return None
    worst = [max(row["core_lost"].values(), default=None) for row in sampled]
    return {**found, "core_lost": summary(worst)}


def _count(classes: Sequence[Sequence[str]]) -> dict[str, int]:
    return {"photos": sum(map(bool, classes)), "tags": sum(map(len, classes))}

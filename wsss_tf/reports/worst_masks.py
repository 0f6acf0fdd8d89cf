"""The photos whose masks look worst, judged without truth, and their contact sheet."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss_tf.data import DataSet
from wsss_tf.images import read_photo
from wsss_tf.reports.mask_summary import ONE_LABEL, per_cent
from wsss_tf.reports.method_sheet import mask_labels, step_pictures
from wsss_tf.reports.sheets import draw_sheet, shrunk
from wsss_tf.training import RunFolder, mask_maker
from wsss_tf.training.regions import region_source

SWALLOWED = 0.5
"""Share of a class's core that a CRF must give away for it to count as a fault."""
DISAGREE = 0.25
"""IoU of CAMs and foreground map below which they disagree."""


def fault(row: Mapping[str, Any]) -> tuple[float, str]:
    """How bad a mask looks, and why: the first of these that it has.

        4 to 5  a tagged class has no pixel: 4 + share of the tags
        3 to 4  a class won no pixel and has those of its CAM: 3 + share of the tags
                or the mask is at least 99 % background, or foreground: 3 + |2 foreground - 1|
        2 to 3  the CRF gave away at least half of a class's core: 2 + that share
        1 to 2  CAMs and foreground map agree to less than a quarter: 2 - agreement
        0 to 1  none of these: |2 foreground - 1|

    What the CRF removed of the foreground is no fault: trimming a coarse map to the object's
    outline removes most of it. On scenes, whose truth is known, masks with more than half removed
    were better than the others, those with half of a core given away worse, and those of a class
    that won no pixel worst.

    Args:
        row: a line of mask_quality.jsonl, but for these two.

    Returns:
        The score, and the reason in a few words.
    """
    count = max(len(row["coverage"]), 1)
    if row["empty"]:
        return 4.0 + len(row["empty"]) / count, f"no pixel for {', '.join(row['empty'])}"
    if row["fallback"]:
        names = ", ".join(row["fallback"])
        return 3.0 + len(row["fallback"]) / count, f"{names}: from the CAM alone"
    share = row["foreground"]
    side, most = ("foreground", share) if share > 0.5 else ("background", 1.0 - share)
    uneven, reason = abs(2.0 * share - 1.0), f"{per_cent(most)} {side}"
    if most >= ONE_LABEL:
        return 3.0 + uneven, reason
    lost = row["core_lost"] or {}
    name = max(lost, key=lambda name: lost[name], default=None)
    if name is not None and lost[name] >= SWALLOWED:
        return 2.0 + lost[name], f"CRF took {per_cent(lost[name])} of the core of {name}"
    agreement = row["agreement"]
    if agreement is not None and agreement < DISAGREE:
        return 2.0 - agreement, f"CAM and foreground map agree to {per_cent(agreement)}"
    return uneven, reason


def worst_sheet(
    path: Path, run: RunFolder, dataset: DataSet, worst: Sequence[Mapping[str, Any]]
) -> Path:
    """Draws photos through the steps to their masks, with what is wrong in the caption; no truth.

    Args:
        path: of the picture.
        run, dataset: with the photos in its training split.
        worst: at least one, each with "id", "tags" and "reason".

    Returns:
        `path`.
    """
    photos = {photo.id: photo for photo in dataset.split(run.recipe.data.train_split)}
    maker = mask_maker(run, dataset.labels)
    regions = region_source(run, run.recipe.masks.crf, keep=True)
    pictures = []
    for row in worst:
        photo = photos[row["id"]]
        pixels = read_photo(photo.path, max_pixels=run.recipe.data.max_pixels)
        steps = step_pictures(maker, pixels, dataset.labels.tag_vector(photo.tags), regions)
        pictures.append([shrunk(picture) for picture in steps.values()])
    return draw_sheet(
        path,
        pictures,
        titles=list(steps),
        captions=[_caption(row) for row in worst],
        labels=mask_labels(run, dataset),
    )


def _caption(row: Mapping[str, Any]) -> str:
    about = f"{row['id']}: {', '.join(row['tags'])}"
    return "\n".join(line for part in (about, row["reason"]) for line in textwrap.wrap(part, 30))

"""What can be told of a run's masks where there is no truth: RUN/report/mask_quality.json.

    format, masks, wanted   version of these keys, digest of masks/index.jsonl, size of the sample
                            asked for: where they are as before, nothing is measured again
    kind, split, photos     masks.kind, the split that has the masks, its number of photos
    tagged                  photos with a tag, which all the rest is about
    coverage                {class: {empty, photos, mean, quartiles}}: photos tagged with the class,
                            those where it has no pixel, its share of their pixels
    foreground              {photos, mean, quartiles} of the share that is not background
    empty                   {photos, tags}: photos with a tagged class that has no pixel, such tags
    one_label               {share, background, foreground}: masks of at least `share` one of them
    sampled, seed           photos that were taken through the networks again, for the keys below
    agreement               {photos, mean, quartiles} of the IoU of CAMs and foreground map
    fallback                {photos, tags}: as empty, of classes that won no pixel and got those of
                            their CAM
    crf                     {changed, removed, added, core_lost}, each as agreement: share of the
                            pixels, of the foreground before and of that after, see `label_change`;
                            the photo's worst class of `core_lost`
    worst                   [{id, tags, score, reason}], worst first, see `fault`

Shares are in 0..1, quartiles are [first, median, third]. agreement and fallback are null for
foreground masks, crf without a CRF, all three without a sample, and a mean over no photo always.
Beside it, mask_quality.jsonl has a line for each tagged photo: {id, tags, coverage, foreground,
empty, sampled, agreement, fallback, changed, removed, added, core_lost, score, reason}. Foreground
masks have the one class "foreground", for whatever tag.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wsss_tf.data import DataSet, Photo
from wsss_tf.errors import RunError
from wsss_tf.files import read_jsonl, remove, sha256, write_json, write_text
from wsss_tf.images import read_photo
from wsss_tf.reports.mask_measures import MEASURES, step_measures
from wsss_tf.reports.mask_summary import coverage_row, quality_summary
from wsss_tf.reports.method_sheet import mask_labels, mask_steps
from wsss_tf.reports.worst_masks import fault, worst_sheet
from wsss_tf.training import RunFolder, mask_maker, open_run_data
from wsss_tf.training.regions import region_source

FORMAT, SEED, SAMPLE = 1, 0, 100
SHEET = "worst_masks.png"
_UNMEASURED = dict.fromkeys(MEASURES)


def mask_quality(run: RunFolder, *, photos: int = SAMPLE) -> dict[str, Any]:
    """Measures `run`'s masks; writes mask_quality.json, .jsonl and worst_masks.png to its report.

    No pixel label is opened. Where the files are there, of the same masks and as many photos, they
    stay as they are.

    Args:
        run: with its masks made.
        photos: tagged photos, drawn by a fixed seed, to take through the networks again; fewer if
            there are fewer. With 0 all figures come from masks/index.jsonl.

    Returns:
        The content of mask_quality.json, see this module.

    Raises:
        ValueError: `photos` is negative.
        RunError: there are no masks, or they are of photos that the data no longer have.
        DataError: the data set cannot be opened, or a photo cannot be read.
    """
    if photos < 0:
        raise ValueError(f"`photos` must be 0 or more. Received: photos={photos}.")
    index = run.stage("masks") / "index.jsonl"
    if not index.is_file():
        raise RunError(
            f"{index}: is missing. Make the masks: wsss-tf masks RUN/recipe.yaml --out RUN."
        )
    target = run.stage("report") / "mask_quality.json"
    key = {"format": FORMAT, "masks": sha256(index), "wanted": photos}
    known = _read(target)
    drawn = target.with_name(SHEET).is_file() or (known and not known["worst"])
    if known and drawn and known.items() >= key.items():
        return known
    dataset = open_run_data(run, run.recipe.data.train_split)
    entries = read_jsonl(index)
    rows = _rows(run, dataset, entries, photos)
    about = {
        **key,
        "kind": run.recipe.masks.kind,
        "split": run.recipe.data.train_split,
        "photos": len(entries),
        "seed": SEED,
    }
    found = {**about, **quality_summary(rows, mask_labels(run, dataset).tags)}
    _write(run, dataset, rows, found)
    return found


def _rows(
    run: RunFolder, dataset: DataSet, entries: Sequence[Mapping[str, Any]], count: int
) -> list[dict[str, Any]]:
    """Lines of mask_quality.jsonl, `count` of them measured."""
    photos = {photo.id: photo for photo in dataset.split(run.recipe.data.train_split)}
    gone = next((entry["id"] for entry in entries if entry["id"] not in photos), None)
    if gone is not None:
        raise RunError(
            f"{run.stage('masks')}: has a mask of {gone!r}, which the data no longer have. "
            "Restore the photo, or make masks in a new folder."
        )
    foreground = run.recipe.masks.kind == "foreground"
    rows = [coverage_row(entry, foreground=foreground) for entry in entries if entry["tags"]]
    sample = sampled_places(len(rows), count)
    measures = _measured(run, dataset, [photos[rows[place]["id"]] for place in sample])
    by_place = dict(zip(sample, measures, strict=True))
    for place, row in enumerate(rows):
        row.update(sampled=place in by_place, **by_place.get(place, _UNMEASURED))
        row["score"], row["reason"] = fault(row)
    return rows


def sampled_places(total: int, count: int) -> list[int]:
    """`count` of the numbers below `total`, or all of them, ascending; always the same."""
    drawn = np.random.default_rng(SEED).choice(total, min(total, count), replace=False)
    return sorted(int(place) for place in drawn)


def _measured(run: RunFolder, dataset: DataSet, photos: Sequence[Photo]) -> list[dict[str, Any]]:
    if not photos:
        return []
    maker = mask_maker(run, dataset.labels)
    regions = region_source(run, run.recipe.masks.crf, keep=True)
    found = []
    for photo in tqdm(photos, desc="quality", unit="photo"):
        pixels = read_photo(photo.path, max_pixels=run.recipe.data.max_pixels)
        tags = dataset.labels.tag_vector(photo.tags)
        _, steps, _ = mask_steps(maker, pixels, tags, regions)
        measures = step_measures(steps, tags, cam_threshold=run.recipe.masks.cam_threshold)
        found.append(_named(measures, mask_labels(run, dataset).names))
    return found


def _named(measures: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The measures with classes in place of label ids."""
    fallback, lost = measures["fallback"], measures["core_lost"]
    return {
        **measures,
        "fallback": None if fallback is None else [names[label] for label in fallback],
        "core_lost": None if lost is None else {names[k]: share for k, share in lost.items()},
    }


def _write(
    run: RunFolder, dataset: DataSet, rows: Sequence[Mapping[str, Any]], found: dict[str, Any]
) -> None:
    target = run.stage("report") / "mask_quality.json"
    remove(target)  # Last written and first removed, it vouches for the others.
    if found["worst"]:
        worst_sheet(target.with_name(SHEET), run, dataset, found["worst"])
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_text(target.with_suffix(".jsonl"), "".join(lines))
    write_json(target, found)


def _read(path: Path) -> dict[str, Any] | None:
    """What is in a file of ours; None where it is missing or torn."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None

"""Stage masks: every training photo gets a label map from its tags and the networks' priors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wsss_tf.data import DataSet, Photo, named_errors, photo_dataset
from wsss_tf.files import write_text
from wsss_tf.images import enlarged, read_label_map, write_label_map
from wsss_tf.labels import LabelSpace
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import load_backbone
from wsss_tf.priors import Views
from wsss_tf.training.crf import CRF_SIDE, dense_crf
from wsss_tf.training.interrupt import stop_requested
from wsss_tf.training.localize import load_cam_network
from wsss_tf.training.regions import (
    RegionsInPipeline,
    fill_regions,
    region_source,
    shared_files,
)
from wsss_tf.training.run_folder import RunFolder

STAGE = "masks"
# Masks of larger photos are made at this longer side, or with a CRF at its own, and enlarged: some
# hundred MB, not many GB.
MAX_SIDE = 2048


def make_masks(run: RunFolder, dataset: DataSet) -> None:
    """Writes masks/<id>.png for every training photo, then masks/index.jsonl; skips what is there.

    Raises:
        KeyboardInterrupt: the user asked to stop; finished masks are kept.
    """
    folder = run.stage(STAGE)
    folder.mkdir(parents=True, exist_ok=True)
    photos = dataset.photos[run.recipe.data.train_split]
    missing = [photo for photo in photos if not mask_path(folder, photo).exists()]
    if missing:
        fill_regions(run, run.recipe.masks.crf, missing)
        run.record_files(shared_files(run, run.recipe.masks.crf, missing), kind="kept")
        with stop_requested() as stop:
            for photo, mask in _made(run, dataset, missing):
                write_label_map(mask_path(folder, photo), mask)
                if stop():
                    raise KeyboardInterrupt
    names = ("background", "foreground") if is_foreground(run) else dataset.labels.names
    rows = [_index_row(photo, read_label_map(mask_path(folder, photo)), names) for photo in photos]
    write_text(folder / "index.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def is_made(run: RunFolder) -> bool:
    """Whether every mask of the stage is there: its index is written last."""
    return (run.stage(STAGE) / "index.jsonl").exists()


def is_foreground(run: RunFolder) -> bool:
    """Whether the masks tell object from background only."""
    return run.recipe.masks.kind == "foreground"


def mask_path(folder: Path, photo: Photo) -> Path:
    """Where the mask of `photo` is."""
    return folder / f"{photo.id}.png"


def mask_maker(run: RunFolder, labels: LabelSpace) -> MaskMaker:
    """The mask function that `run`'s recipe describes, with its trained CAM network."""
    settings, backbone = run.recipe.masks, run.recipe.backbone
    activations = activation_network(
        width=backbone.width, dilated=settings.activations == "dilated", blocks=settings.blocks
    )
    load_backbone(activations, backbone.weights)
    return MaskMaker(
        activations,
        None if is_foreground(run) else load_cam_network(run, labels.num_tags),
        kind=settings.kind,
        side=settings.side,
        views=Views(settings.scales, settings.flip),
        scaling=settings.scaling,
        crf=dense_crf(settings.crf) if settings.crf else None,
        unary=settings.crf.unary if settings.crf else "log",
        combination=settings.combination,
        alpha=settings.alpha,
        cam_threshold=settings.cam_threshold,
        background=settings.background,
        background_score=settings.background_score,
    )


def stage_side(maker: MaskMaker) -> int:
    """Longer side to which the stage reduces a larger photo, in pixels."""
    return MAX_SIDE if maker.crf is None else CRF_SIDE


def _made(
    run: RunFolder, dataset: DataSet, photos: Sequence[Photo]
) -> Iterator[tuple[Photo, np.ndarray]]:
    maker = mask_maker(run, dataset.labels)
    examples = photo_dataset(photos, dataset.labels, side=stage_side(maker))
    regions = region_source(run, run.recipe.masks.crf, keep=True)
    added = regions and RegionsInPipeline(
        regions, [photo.path for photo in photos], max_pixels=run.recipe.data.max_pixels
    )
    if added:
        examples = examples.map(added).prefetch(1)
    masks = examples.map(
        lambda example: {
            "index": example["index"],
            "mask": maker(example["photo"], example["tags"], example.get("regions")),
        }
    )
    named = named_errors(masks.prefetch(1), photos)
    try:
        for example in tqdm(named, total=len(photos), desc=STAGE, unit="photo"):
            photo = photos[int(example["index"])]
            yield photo, enlarged(example["mask"].numpy(), (photo.height, photo.width))
    except tf.errors.OpError:
        if added and added.error:
            raise added.error from None
        raise


def _index_row(photo: Photo, mask: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(mask.ravel(), minlength=256)[: len(names)] / mask.size
    coverage = {name: round(float(n), 6) for name, n in zip(names, counts, strict=True) if n}
    return {"id": photo.id, "tags": list(photo.tags), "coverage": coverage}

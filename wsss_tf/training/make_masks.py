"""Stage masks: every training photo gets a label map from its tags and the networks' priors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wsss_tf.config import MasksSettings
from wsss_tf.data import DataSet, Photo, named_errors, photo_dataset
from wsss_tf.files import write_text
from wsss_tf.images import enlarged, read_label_map, write_label_map
from wsss_tf.labels import LabelSpace
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.joint import joint_network
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
# The classes of masks that tell object from background only.
FOREGROUND = ("background", "foreground")


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
            for photo, mask in made_masks(run, dataset, missing):
                write_label_map(mask_path(folder, photo), mask)
                if stop():
                    raise KeyboardInterrupt
    names = FOREGROUND if is_foreground(run) else dataset.labels.names
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


def mask_maker(
    run: RunFolder, labels: LabelSpace, settings: MasksSettings | None = None
) -> MaskMaker:
    """The mask function that `settings` describe, with `run`'s trained CAM network.

    Args:
        run: needs no CAM network for masks of kind foreground.
        labels: of the tags.
        settings: None for those of `run`'s recipe.
    """
    settings, backbone = settings or run.recipe.masks, run.recipe.backbone
    activations = activation_network(
        width=backbone.width, dilated=settings.activations == "dilated", blocks=settings.blocks
    )
    load_backbone(activations, backbone.weights)
    multi_class = settings.kind == "multi_class"
    cams = load_cam_network(run, labels.num_tags) if multi_class else None
    return MaskMaker(
        activations,
        cams,
        kind=settings.kind,
        joint=joint_network(activations, cams) if cams else None,
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


def made_masks(
    run: RunFolder,
    dataset: DataSet,
    photos: Sequence[Photo],
    settings: MasksSettings | None = None,
    *,
    keep_regions: bool = True,
) -> Iterator[tuple[Photo, np.ndarray]]:
    """Makes the masks of any photos of a data set from their tags.

    Args:
        run: whose trained CAM network makes masks of kind multi_class.
        dataset, photos: of which to make masks, in order.
        settings: of the masks; None for those of `run`'s recipe.
        keep_regions: whether to read and write the regions of the CRF in the run's
            `regions_folder`, where `fill_regions` finds them in parallel. No mask changes.

    Yields:
        Each photo, and its mask, uint8 [H, W] in the photo's own grid: 0 background, then 1 for
        kind foreground and the ids of `dataset.labels` for multi_class.

    Raises:
        DataError: a photo cannot be read.
        CheckpointError: the run has no trained CAM network, and the masks need one.
    """
    settings = settings or run.recipe.masks
    maker = mask_maker(run, dataset.labels, settings)
    examples = photo_dataset(photos, dataset.labels, side=stage_side(maker))
    regions = region_source(run, settings.crf, keep=keep_regions)
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

"""The method in pictures: photo, activations, CAMs, regions, CRF, mask, predictions, truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from wsss_tf.data import DataSet, Photo, truth_pairs
from wsss_tf.images import read_photo
from wsss_tf.labels import LabelSpace
from wsss_tf.masks import MaskMaker
from wsss_tf.priors import scaled_cams
from wsss_tf.regions.pictures import outlines
from wsss_tf.reports.sheets import draw_sheet, heat, labelled, shrunk
from wsss_tf.training import (
    Predictor,
    RunFolder,
    mask_maker,
    open_run_data,
    photo_within,
    stage_side,
)
from wsss_tf.training.crf import on_cpu
from wsss_tf.training.regions import RegionSource, region_source


def step_pictures(
    maker: MaskMaker, photo: np.ndarray, tags: np.ndarray, regions: RegionSource | None = None
) -> dict[str, np.ndarray]:
    """Pictures of the steps from a photo to its mask, of the size at which the stage makes it.

    Args:
        maker: of kind "multi_class" or "foreground".
        photo: uint8 [H, W, 3].
        tags: float [K]; the CAM shown is the highest over the tags.
        regions: of the maker's CRF, see `region_source`.

    Returns:
        uint8 [h, w, 3] by title, in order: photo, P_f, CAMs (absent for kind "foreground"), the
        probability of not being background, the outlines of the regions and that probability
        after the CRF (absent without them), and the mask.
    """
    photo, steps, layers = mask_steps(maker, photo, tags, regions)
    pictures = {"photo": photo, "activations": heat(photo, steps["foreground"].numpy())}
    if "cams" in steps:
        highest = _highest_cam(steps["cams"].numpy(), tags, photo.shape[:2])
        pictures["CAMs"] = heat(photo, highest)
    pictures["fused map"] = _not_background(photo, steps["probabilities"])
    if layers is not None:
        pictures["regions"] = outlines(photo, layers)
    if "refined" in steps:
        pictures["CRF"] = _not_background(photo, steps["refined"])
    return {**pictures, "mask": labelled(photo, steps["mask"].numpy())}


def mask_steps(
    maker: MaskMaker, photo: np.ndarray, tags: np.ndarray, regions: RegionSource | None = None
) -> tuple[np.ndarray, dict[str, tf.Tensor], np.ndarray | None]:
    """The steps from a photo to its mask, of the size at which the stage makes it.

    Args as `step_pictures`.

    Returns:
        The photo at that size, uint8 [h, w, 3]; `MaskMaker.intermediates` of it; its regions, int32
        [layers, h, w], or None without them.
    """
    whole, photo = photo, photo_within(photo, stage_side(maker)).numpy()
    layers = regions(whole, photo.shape[:2]) if regions else None
    with on_cpu():
        return photo, maker.intermediates(photo, tags, layers), layers


def method_sheet(path: Path, runs: Mapping[str, RunFolder], *, rows: int = 6) -> Path:
    """Draws unseen photos through the whole method, with what each run predicts, and the truth.

    Args:
        path: of the picture.
        runs: finished runs on the same data by name; the last makes the masks shown.
        rows: photos; those with most tags come first.

    Returns:
        `path`.
    """
    run = list(runs.values())[-1]
    split = run.recipe.data.eval_split
    dataset = open_run_data(run, split)
    chosen = _most_tags(dataset.split(split), rows)
    maker = mask_maker(run, dataset.labels)
    predictors = [Predictor(run, keep_regions=True) for run in runs.values()]
    regions = region_source(run, run.recipe.masks.crf, keep=True)
    pictures = []
    for photo, pixels, truth in _with_truth(dataset, split, chosen):
        steps = step_pictures(maker, pixels, dataset.labels.tag_vector(photo.tags), regions)
        with on_cpu():
            predictions = [labelled(pixels, predictor(pixels)) for predictor in predictors]
        row = [*steps.values(), *predictions, labelled(pixels, truth)]
        pictures.append([shrunk(picture) for picture in row])
    titles = [*steps, *(f"from {name.replace('_', '-')}" for name in runs), "truth"]
    captions = [", ".join(photo.tags) for photo in chosen]
    return draw_sheet(path, pictures, titles=titles, captions=captions, labels=dataset.labels)


def mask_sheet(run: RunFolder, *, rows: int = 12) -> Path:
    """Draws RUN/report/masks.png: training photos beside their masks, evenly spread; no truth."""
    dataset = open_run_data(run, run.recipe.data.train_split)
    photos = dataset.split(run.recipe.data.train_split)
    chosen = [
        photos[i] for i in np.linspace(0, len(photos) - 1, min(rows, len(photos))).astype(int)
    ]
    maker = mask_maker(run, dataset.labels)
    regions = region_source(run, run.recipe.masks.crf, keep=True)
    pictures = []
    for photo in chosen:
        pixels = read_photo(photo.path, max_pixels=run.recipe.data.max_pixels)
        steps = step_pictures(maker, pixels, dataset.labels.tag_vector(photo.tags), regions)
        pictures.append([shrunk(picture) for picture in steps.values()])
    return draw_sheet(
        run.stage("report") / "masks.png",
        pictures,
        titles=list(steps),
        captions=[", ".join(photo.tags) for photo in chosen],
        labels=mask_labels(run, dataset),
    )


def mask_labels(run: RunFolder, dataset: DataSet) -> LabelSpace:
    """The classes of the ids in `run`'s masks."""
    foreground = run.recipe.masks.kind == "foreground"
    return LabelSpace(("background", "foreground")) if foreground else dataset.labels


def _most_tags(photos: Sequence[Photo], count: int) -> list[Photo]:
    chosen = sorted(photos, key=lambda photo: -len(photo.tags))[:count]
    return [photo for photo in photos if photo in chosen]


def _with_truth(
    dataset: DataSet, split: str, chosen: Sequence[Photo]
) -> Iterator[tuple[Photo, np.ndarray, np.ndarray]]:
    by_id = {photo.id: photo for photo in chosen}
    for name, pixels, truth in truth_pairs(dataset, split):
        if name in by_id:
            yield by_id[name], pixels, truth


def _not_background(photo: np.ndarray, probabilities: tf.Tensor) -> np.ndarray:
    return heat(photo, 1.0 - probabilities.numpy()[..., 0])


def _highest_cam(cams: np.ndarray, tags: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    scaled = np.asarray(scaled_cams(cams[None], size))[0]
    return np.max(scaled * tags, axis=-1)

"""The methods of `region_masks.py`, and the tables of their masks' scores."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from region_masks_cases import Cases, Example
from reporting import Row
from tqdm import tqdm

from wsss_tf.config import CrfSettings
from wsss_tf.crf import DenseCRF, unary_energies
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.regions import METHODS, RegionCache, RegionMethod
from wsss_tf.training.crf import dense_crf

COUNTS = (25, 100, 400)
POOLED = COUNTS.index(100)
# Weights, tolerances, starts.
GRID = ((1.0, 3.0), (0.03, 0.3, 1.0), (0.0, 0.8))

# Bilateral kernels: pixels of a photo of 500, levels, weight.
KERNELS = tuple(itertools.product((30.0, 50.0, 80.0), (5.0, 7.0, 13.0), (3.0, 6.0, 10.0)))
KERNEL_SIDE = 500

Layers = Callable[[str], np.ndarray]
"""From the name of a method to its int32 [layers, H, W] of the photo at hand."""
Method = Callable[[Example, Layers], np.ndarray]
"""From a photo to its probabilities, sharpened: float32 [H, W, L]."""


def plain(example: Example, layers: Layers) -> np.ndarray:
    return example.probabilities


def pooled(example: Example, layers: Layers, *, regions: str) -> np.ndarray:
    """Mean probabilities of the region that a pixel is in."""
    labels, probabilities = layers(regions)[POOLED], example.probabilities
    pixels = np.maximum(np.bincount(labels.ravel()), 1)
    channels = np.moveaxis(probabilities, -1, 0)
    means = [np.bincount(labels.ravel(), weights=p.ravel()) / pixels for p in channels]
    return np.stack(means, axis=-1).astype(np.float32)[labels]


def crf_method(settings: CrfSettings, regions: str = "none") -> Method:
    """The CRF that `settings` describe, in mode fast, as a mask is made with it."""
    crf = dense_crf(settings.model_copy(update={"mode": "fast"}))

    def sharpened(example: Example, layers: Layers) -> np.ndarray:
        given = example.probabilities
        if given.shape[-1] < 2:  # A photo without tags.
            return given
        unary = unary_energies(given, form=settings.unary)
        if regions == "none":
            return crf(example.photo, unary).numpy()
        of_regions = {"regions": layers(regions), "region_probabilities": given}
        return crf(example.photo, unary, **of_regions).numpy()

    return sharpened


def with_region_options(settings: CrfSettings, values: dict[str, float | None]) -> CrfSettings:
    """The CRF with these options of its region term; the layer's default where one is None."""
    defaults = DenseCRF().get_config()
    names = {f"region_{name}": value for name, value in values.items()}
    chosen = {name: defaults[name] if value is None else value for name, value in names.items()}
    return settings.model_copy(update=chosen)


def by_method(
    settings: CrfSettings, names: Sequence[str], values: dict[str, float | None]
) -> dict[str, Method]:
    """The rows of photos, by their titles: `names` of regions, `values` as below."""
    settings = with_region_options(settings, values)
    # The CRF without regions is what the others are compared with.
    names = list(dict.fromkeys(["none", *names]))
    rows: dict[str, Method] = {"no CRF": plain}
    rows |= {name: crf_method(settings, name) for name in names}
    pools = [name for name in names if name != "none"]
    return rows | {f"{name}, pooled": functools.partial(pooled, regions=name) for name in pools}


def by_setting(settings: CrfSettings) -> dict[str, Method]:
    """The rows of scenes, by their titles."""
    rows: dict[str, Method] = {"no CRF": plain, "none": crf_method(settings)}
    rows["crisp, pooled"] = functools.partial(pooled, regions="crisp")
    for values in itertools.product(*GRID):
        named = dict(zip(("weight", "tolerance", "start"), values, strict=True))
        title = ", ".join(f"{name} {value:g}" for name, value in named.items())
        rows[title] = crf_method(with_region_options(settings, named), "crisp")
    return rows


def by_kernel(settings: CrfSettings) -> dict[str, Method]:
    """The rows of scenes with another bilateral kernel each, by their titles."""
    rows: dict[str, Method] = {"no CRF": plain, "none": crf_method(settings)}
    for kernel in KERNELS:
        rows[" / ".join(f"{number:g}" for number in kernel)] = _kernel_method(settings, kernel)
    return rows


def _kernel_method(settings: CrfSettings, kernel: tuple[float, float, float]) -> Method:
    """The CRF with a kernel of another size, which is brought to that of each photo."""

    @functools.cache
    def at(side: int) -> Method:
        values = {"bilateral_sigma": kernel[0] * side / KERNEL_SIDE, "color_sigma": kernel[1]}
        return crf_method(settings.model_copy(update={**values, "bilateral_weight": kernel[2]}))

    return lambda example, layers: at(max(example.photo.shape[:2]))(example, layers)


def rows_of(cases: Cases, methods: dict[str, Method], cache: Path | None) -> list[Row]:
    """Scores all methods, photo by photo; "none" is among them."""
    found = {name: RegionMethod(method=name, counts=COUNTS) for name in METHODS}
    sources = {name: RegionCache(cache, way) if cache else way for name, way in found.items()}
    matrices = {name: ConfusionMatrix(cases.num_classes) for name in methods}
    changed, pixels = dict.fromkeys(methods, 0), 0
    for example in tqdm(cases.examples, total=cases.count, unit="photo"):
        layers = functools.cache(lambda name, photo=example.photo: sources[name].layers(photo))
        masks = {name: example.label_map(run(example, layers)) for name, run in methods.items()}
        for name, mask in masks.items():
            matrices[name].update(example.truth, mask)
            changed[name] += int(np.count_nonzero(mask != masks["none"]))
        pixels += example.truth.size
    return [
        {"regions": name, **_scores(matrix), "changed, %": 100 * changed[name] / pixels}
        for name, matrix in matrices.items()
    ]


def _scores(matrix: ConfusionMatrix) -> Row:
    iou = matrix.iou()
    found = {"mIoU": matrix.miou(), "background": iou[0], "foreground": np.nanmean(iou[1:])}
    return {name: float(value) for name, value in found.items()}


def means(tables: list[list[Row]]) -> list[Row]:
    """Row by row the mean mIoU, and what it is above that of no regions in each table."""
    bases = [next(row["mIoU"] for row in rows if row["regions"] == "none") for rows in tables]
    return [
        {
            "regions": rows[0]["regions"],
            "mIoU": sum(row["mIoU"] for row in rows) / len(rows),
            **{
                f"gain, run {number}": row["mIoU"] - base
                for number, (row, base) in enumerate(zip(rows, bases, strict=True), 1)
            },
        }
        for rows in zip(*tables, strict=True)
    ]

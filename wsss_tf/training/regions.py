"""The regions of a recipe's CRFs: found once a photo, and kept in the run or where it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.config import CrfSettings
from wsss_tf.data import Photo
from wsss_tf.errors import DataProblems
from wsss_tf.images import read_photo
from wsss_tf.regions import RegionCache, RegionMethod, fill_cache
from wsss_tf.regions.grids import nearest
from wsss_tf.training.interrupt import stop_at_once
from wsss_tf.training.run_folder import RunFolder

RegionSource = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.int32]]
"""(photo uint8 [H, W, 3] at full size, (h, w)) -> int32 [layers, h, w]."""


def region_source(
    run: RunFolder, settings: CrfSettings | None, *, keep: bool
) -> RegionSource | None:
    """What finds the regions of photos for a CRF.

    Args:
        run: the regions are kept in its `regions_folder`.
        settings: of the CRF.
        keep: whether to read and write there; else each call finds them anew.

    Returns:
        None where the CRF has no regions, or there is no CRF.
    """
    if settings is None or settings.regions is None:
        return None
    method = RegionMethod(**settings.regions.model_dump())
    if keep:
        return RegionCache(run.regions_folder, method).layers
    return lambda photo, size: nearest(method.layers(photo), size)


def fill_regions(run: RunFolder, settings: CrfSettings | None, photos: Iterable[Photo]) -> None:
    """Finds and keeps the regions that `region_source` lacks, in as many processes as CPUs.

    Raises:
        DataProblems: photos that could not be done; the others are.
        KeyboardInterrupt: the user asked to stop; what is found is kept.
    """
    if settings is None or settings.regions is None:
        return
    with stop_at_once():
        problems = fill_cache(
            [photo.path for photo in photos],
            run.regions_folder,
            RegionMethod(**settings.regions.model_dump()),
            max_pixels=run.recipe.data.max_pixels,
        )
    if problems:
        raise DataProblems([str(problem) for problem in problems])


def shared_files(
    run: RunFolder, settings: CrfSettings | None, photos: Iterable[Photo]
) -> Iterator[Path]:
    """The files of photos' regions where the CRF has regions, and runs share the folder."""
    if settings is None or settings.regions is None or run.owns(run.regions_folder):
        return
    cache = RegionCache(run.regions_folder, RegionMethod(**settings.regions.model_dump()))
    for photo in photos:
        yield cache.file(read_photo(photo.path, max_pixels=run.recipe.data.max_pixels))


def can_keep_regions(run: RunFolder) -> bool:
    """Whether the folder that keeps regions may be written to; a finished run need not be."""
    folder = run.regions_folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


class RegionsInPipeline:
    """Adds the regions of photos to the examples of a `photo_dataset`; map it over them.

    Args:
        source: of the regions.
        paths: of the photos, by index.
        max_pixels: of the largest photo that is read.
        name: of the regions in an example.

    Attributes:
        error: what the source raised, which `tf.data` reports in words of its own; else None.
    """

    def __init__(
        self, source: RegionSource, paths: list[Path], *, max_pixels: int, name: str = "regions"
    ) -> None:
        self.source, self.paths, self.max_pixels = source, paths, max_pixels
        self.name = name
        self.error: Exception | None = None

    def __call__(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Adds the regions, int32 [layers, H, W] in the grid of the example's photo."""
        size = tf.shape(example["photo"])[:2]
        # Not for export: only the masks stage, which has files, goes this way.
        layers = tf.numpy_function(self._layers, [example["index"], size], tf.int32)
        return {**example, self.name: tf.ensure_shape(layers, [None, None, None])}

    def _layers(self, index: Any, size: Any) -> NDArray[np.int32]:
        try:
            # The photo of the example may be reduced, and files go by the pixels of the whole one.
            photo = read_photo(self.paths[int(index)], max_pixels=self.max_pixels)
            return self.source(photo, (int(size[0]), int(size[1])))
        except Exception as error:
            self.error = error
            raise

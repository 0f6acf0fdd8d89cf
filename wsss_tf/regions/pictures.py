"""The regions of photos as pictures in a folder: ids of each layer, boundaries, outlines."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from wsss_tf.errors import DataError
from wsss_tf.files import remove
from wsss_tf.images import (
    MAX_PIXELS,
    read_note,
    read_photo,
    region_edges,
    write_grey,
    write_photo,
)
from wsss_tf.regions.method import RegionMethod
from wsss_tf.regions.pool import map_files
from wsss_tf.regions.tree import RegionTree

_LINE = np.array([255, 230, 40], np.float32)
_FAINTEST = 0.45
_THICKEST = 3.0
# A photo of this longer side is drawn with the finest line one pixel wide.
_LINE_SIDE = 1200


def write_regions(
    photos: Sequence[Path],
    out: Path,
    method: RegionMethod,
    *,
    processes: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Generator[tuple[Path, bool | DataError], None, None]:
    """Writes the regions of each photo into `out`, in several processes; keeps what is there.

        <stem>_<count>.png     region ids, 16-bit grey, one file a layer
        <stem>_boundaries.png  8-bit grey, the strongest boundary of the photo white
        <stem>_outlines.jpg    the photo under the outlines, those of coarse layers thick and bright

    Files are kept where they were made of the same pixels with the same method and counts, whatever
    their dates; otherwise they are written again.

    Args:
        photos: of different names, as `images.list_photos` gives them.
        out: made if missing.
        method: how regions are found.
        processes: how many work; None: one a CPU. One, or one photo, works in this process.
        max_pixels: of the largest photo that is read.

    Returns:
        A generator of each photo, as it is done, and True where its files were written, False where
        they were there, or the error that kept it from being read; the others go on.

    Raises:
        DataError: a photo lies in `out`; a picture could take its place.
        RunError: `out` cannot be written to, or no process can be started.
    """
    for path in photos:
        if path.resolve().parent == out.resolve():
            raise DataError(f"{path}: lies in --out, where pictures are written. Choose another.")
    work = functools.partial(_write, out=out, method=method, max_pixels=max_pixels)
    return map_files(work, photos, processes=processes)


def outlines(photo: NDArray[np.uint8], layers: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Draws the outlines of regions over their photo.

    Args:
        photo: uint8 [H, W, 3] RGB.
        layers: int [layers, H, W], coarse to fine; the coarser, the thicker and brighter its lines.

    Returns:
        uint8 [H, W, 3].
    """
    unit = max(photo.shape[0], photo.shape[1]) / _LINE_SIDE
    share = np.zeros(photo.shape[:2], np.float32)
    for index, labels in enumerate(layers):
        coarse = 1.0 if len(layers) == 1 else 1.0 - index / (len(layers) - 1)
        width = max(round(max(unit, 1.0) * (1.0 + (_THICKEST - 1.0) * coarse)), 1)
        line = ndi.maximum_filter(region_edges(labels), size=width)
        share = np.maximum(share, line * np.float32(_FAINTEST + (1.0 - _FAINTEST) * coarse))
    drawn = photo + share[..., None] * (_LINE - photo)
    return np.rint(drawn).astype(np.uint8)


def _write(path: Path, *, out: Path, method: RegionMethod, max_pixels: int) -> bool:
    """Writes the files of one photo; False where they were there."""
    photo = read_photo(path, max_pixels=max_pixels)
    key = sha256(f"{method.key(photo)} {method.counts}".encode()).hexdigest()
    ids = [out / f"{path.stem}_{count}.png" for count in method.counts]
    drawn, seal = out / f"{path.stem}_outlines.jpg", out / f"{path.stem}_boundaries.png"
    if all(file.is_file() for file in (*ids, drawn)) and _note(seal) == key:
        return False
    # Last written and first removed, it vouches for the others.
    remove(seal)
    arrays = method.arrays(photo)
    layers = method.cut(arrays, photo.shape[:2])
    for file, labels in zip(ids, layers, strict=True):
        write_grey(file, labels.astype(np.uint16))
    write_photo(drawn, outlines(photo, layers))
    write_grey(seal, _boundaries(method, arrays, layers), note=key)
    return True


def _note(path: Path) -> str:
    try:
        return read_note(path)
    except DataError:
        return ""


def _boundaries(
    method: RegionMethod, arrays: dict[str, NDArray], layers: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Heights of the crisp tree's boundaries; of other methods, in how many layers one is."""
    heights: Any
    if method.method == "crisp":
        heights = RegionTree.from_arrays(arrays).ultrametric()
    else:
        heights = np.mean([region_edges(labels) for labels in layers], axis=0)
    top = float(heights.max())
    return np.rint(heights * (255.0 / top if top > 0 else 0.0)).astype(np.uint8)

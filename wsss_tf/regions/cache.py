"""Regions that are found once: files of a folder, each named by what its regions hang on."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wsss_tf.errors import DataError
from wsss_tf.files import atomic_write
from wsss_tf.images import read_photo
from wsss_tf.regions.grids import nearest
from wsss_tf.regions.method import RegionMethod
from wsss_tf.regions.pool import map_files

logger = logging.getLogger(__name__)


class RegionCache:
    """Layers of regions, kept in the files of a folder; runs and processes may share it.

    A file's name stands for the photo's pixels and for the method, so nothing in it gets old; what
    is damaged is found anew, with a warning. Versions of scipy and scikit-image, and the kind of
    processor, are not in the name: other ones may draw a few boundaries in a thousand elsewhere.

    Args:
        folder: made when the first file is written.
        method: how regions are found. Crisp ones keep their tree: any counts, one file.
    """

    def __init__(self, folder: str | os.PathLike[str], method: RegionMethod) -> None:
        self.folder = Path(folder)
        self.method = method

    def file(self, photo: NDArray[np.uint8]) -> Path:
        """Where the regions of a photo, as for `layers`, are kept; the file need not be there."""
        return self.folder / f"{self.method.key(photo)}.npz"

    def layers(
        self, photo: NDArray[np.uint8], size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """The regions of a photo, from its file, or found and written.

        Args:
            photo: uint8 [H, W, 3] RGB, at full size: the digest of its pixels finds the file.
            size: (height, width) of the layers, each pixel from its nearest; None: the photo's.

        Returns:
            int32 [layers, height, width].

        Raises:
            RunError: the folder cannot be written to.
        """
        path, shape = self.file(photo), photo.shape[:2]
        key = path.stem
        layers = self._kept(path, key, shape)
        if layers is None:
            arrays = self.method.arrays(photo)
            content: dict[str, Any] = {"key": np.array(key), **arrays}
            with atomic_write(path) as file:
                np.savez_compressed(file, **content)
            layers = self.method.cut(arrays, shape)
        return layers if size is None else nearest(layers, size)

    def _kept(self, path: Path, key: str, shape: tuple[int, int]) -> NDArray[np.int32] | None:
        """The layers in the file; None where it is missing, damaged or another's."""
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as loaded:
                arrays = dict(loaded)
            if str(arrays.pop("key")) != key:
                raise ValueError("it holds the regions of something else")
            return self.method.cut(arrays, shape)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 (numpy meets damage with errors of any kind)
            logger.warning("%s: cannot be used, and is made again: %s", path, error)
            return None


def fill_cache(
    paths: Sequence[Path],
    folder: str | os.PathLike[str],
    method: RegionMethod,
    *,
    max_pixels: int,
    processes: int | None = None,
) -> list[DataError]:
    """Finds what regions of photos a cache lacks, in several processes, with a bar on stderr.

    Args:
        paths: the photos, read as `images.read_photo` does.
        folder: that of a `RegionCache`.
        method: likewise.
        max_pixels: of the largest photo that is read.
        processes: how many work; None: one a CPU. One, or one photo, works in this process.

    Returns:
        One error for each photo that could not be read or done; the others are there.

    Raises:
        RunError: the folder cannot be written to, or no process can be started.
        KeyboardInterrupt: the user asked to stop; what was written is kept.
    """
    work = functools.partial(_fill, cache=RegionCache(folder, method), max_pixels=max_pixels)
    # Closed here, as an error's traceback would hold the processes longer than this function.
    with contextlib.closing(map_files(work, paths, processes=processes)) as done:
        bar = tqdm(done, total=len(paths), desc="regions", unit="photo")
        return [outcome for _, outcome in bar if isinstance(outcome, DataError)]


def _fill(path: Path, *, cache: RegionCache, max_pixels: int) -> None:
    cache.layers(read_photo(path, max_pixels=max_pixels))

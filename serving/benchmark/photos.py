"""The photos of a benchmark in every size that is asked for, as files that workers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wsss_tf.errors import RunError
from wsss_tf.images import read_photo
from wsss_tf.serving.benchmark.cases import Size

MAX_PHOTOS = 16
"""Every form looks at each of them once before it is timed."""
_GENERATED = 4
_BLOCK = 25


def chosen(paths: Sequence[Path]) -> list[Path]:
    """At most `MAX_PHOTOS`, evenly from all."""
    count = min(len(paths), MAX_PHOTOS)
    return [paths[index * len(paths) // count] for index in range(count)]


def write_arrays(
    paths: Sequence[Path], sizes: Iterable[Size], folder: Path
) -> dict[Size, list[Path]]:
    """Writes each photo in each size, uint8 [H, W, 3] in a .npy file.

    A photo is reduced or enlarged until it covers the size, and cut around its middle.

    Args:
        paths: of photos; none stands for generated pictures.
        sizes: heights and widths.
        folder: an empty one.

    Returns:
        The files of each size, in the order of `paths`.

    Raises:
        DataError: a photo cannot be read.
        RunError: the folder cannot be written to.
    """
    written: dict[Size, list[Path]] = {size: [] for size in sizes}
    for index in range(len(paths) or _GENERATED):
        photo = read_photo(paths[index]) if paths else None
        for size, files in written.items():
            pixels = generated(size, index) if photo is None else fitted(photo, size)
            files.append(folder / f"{size[0]}x{size[1]}_{index:03}.npy")
            try:
                np.save(files[-1], pixels)
            except OSError as error:
                raise RunError(
                    f"{files[-1]}: cannot be written: {error.strerror}. Free space, or name "
                    "another folder for temporary files in TMPDIR."
                ) from error
    return written


def fitted(photo: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """A photo at (height, width): uint8 [H, W, 3] -> uint8 [*size, 3]."""
    if photo.shape[:2] == size:
        return photo
    picture = ImageOps.fit(Image.fromarray(photo), (size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def generated(size: Size, seed: int) -> NDArray[np.uint8]:
    """Blocks of colour with noise: uint8 [*size, 3]."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 200, (*(-(-side // _BLOCK) for side in size), 3))
    pixels = blocks.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[: size[0], : size[1]]
    return (pixels + generator.integers(0, 56, pixels.shape)).astype(np.uint8)

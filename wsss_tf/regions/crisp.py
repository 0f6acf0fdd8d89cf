"""Crisp boundaries and regions of a photo, from start to end."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from wsss_tf.regions.affinity import affinity_matrix
from wsss_tf.regions.features import block_mean, feature_maps
from wsss_tf.regions.grids import bilinear, nearest
from wsss_tf.regions.merging import merge
from wsss_tf.regions.oriented import boundary_energy, spectral_strength
from wsss_tf.regions.settings import SpectralScale, spectral_scales
from wsss_tf.regions.spectral import eigenvectors
from wsss_tf.regions.thinning import thinned
from wsss_tf.regions.tree import RegionTree
from wsss_tf.regions.watershed import basins

# Larger photos are worked at a whole fraction of their size: time and memory stay bounded.
MAX_PIXELS = 2_000_000
# Smaller photos get a border while slow modes are sought: filters and grids need some room.
_LEAST_SIDE = 32
# Colours are looked at in blocks of this side: finer ones see the grain of photos.
_COLOUR_SCALE = 2

# BLAS has one limit a process: of two calls at once, the one that ends first would lift it for the
# other, which would leave BLAS with one thread for good.
_ONE_CALL = threading.Lock()

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _one_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Runs a function with BLAS on one thread: the same bits however many cores there are."""

    @functools.wraps(function)
    def limited(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _ONE_CALL, _libraries().limit(limits=1):
            return function(*args, **kwargs)

    return limited


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@_one_thread
def boundary_map(photo: NDArray[np.uint8], *, preset: str = "default") -> NDArray[np.float32]:
    """How likely a boundary between things runs through each pixel, thinned to its crest.

    Photos above 2 megapixels are worked at a half, a third, ... of their size, and crests are as
    many pixels thick.

    Args:
        photo: uint8 [H, W, 3], RGB, of any size.
        preset: "fast", "default" or "accurate".

    Returns:
        float32 [H, W] in 0..1: e / (1 + e) of the boundary energy e across the best of eight
        directions, 0 beside a crest.

    Raises:
        ValueError: for another photo or preset.

    Source: Isola, Zoran, Krishnan, Adelson, "Crisp boundary detection using pointwise mutual
    information", ECCV 2014; see `oriented.boundary_energy` for what is added.
    """
    _, energy = _energy(photo, preset)
    return nearest(thinned(energy), photo.shape[:2])


@_one_thread
def region_tree(photo: NDArray[np.uint8], *, preset: str = "default") -> RegionTree:
    """The regions of a photo at every fineness.

    Photos above 2 megapixels are worked at a half, a third, ... of their size; labels come at the
    photo's own.

    Args:
        photo: uint8 [H, W, 3], RGB, of any size.
        preset: "fast", "default" or "accurate".

    Raises:
        ValueError: for another photo or preset.

    Source: as `boundary_map`; Arbelaez et al., PAMI 2011, for the watershed and the tree.
    """
    worked, energy = _energy(photo, preset)
    finest = basins(worked, energy)
    return RegionTree(finest.labels, *merge(finest), photo.shape[:2])


def regions(
    photo: NDArray[np.uint8], n: Sequence[int] = (25, 100, 400), *, preset: str = "default"
) -> NDArray[np.int32]:
    """Layers of regions of a photo, the coarser unions of the finer: for a CRF's region term.

    Args:
        photo: uint8 [H, W, 3], RGB, of any size.
        n: how many regions each layer has; where the photo has fewer finest ones, these.
        preset: "fast", "default" or "accurate".

    Returns:
        int32 [layers, H, W], ids from 0 in each layer.

    Raises:
        ValueError: for another photo or preset, no number of regions, or one below 1.
    """
    return region_tree(photo, preset=preset).layers(n)


def _energy(photo: NDArray[np.uint8], preset: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The photo as it is worked, uint8 [h, w, 3], and its energy, float32 [8, h, w]."""
    _check(photo)
    scales = spectral_scales(preset)
    worked = _bounded(photo)
    height, width = worked.shape[:2]
    missing = [max(_LEAST_SIDE - side, 0) for side in (height, width)]
    room = np.pad(worked, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    coarse = _coarse_energy(room, scales)
    return worked, bilinear(coarse, (height, width), block=_COLOUR_SCALE)


def _coarse_energy(
    photo: NDArray[np.uint8], scales: Sequence[SpectralScale]
) -> NDArray[np.float32]:
    """The energy in the grid of the colours."""
    colours = block_mean(photo.astype(np.float32) / 255.0, _COLOUR_SCALE)
    grid = colours.shape[:2]
    spectral = []
    for part in scales:
        maps = feature_maps(photo, part.scale)
        affinity = affinity_matrix(maps, radius=part.radius, codes=part.codes)
        values, vectors = eigenvectors(
            affinity, maps[0].shape[:2], count=part.eigenvectors, nodes=part.nodes
        )
        strength = spectral_strength(values, vectors)
        spectral.append(bilinear(strength, grid, block=part.scale / _COLOUR_SCALE))
    return boundary_energy(spectral, colours)


def _bounded(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    part = 1
    # A photo of one row is worked with the border it gets: that counts too.
    while max(-(-height // part), _LEAST_SIDE) * max(-(-width // part), _LEAST_SIDE) > MAX_PIXELS:
        part += 1
    if part == 1:
        return photo
    rows = [block_mean(photo[top : top + part], part) for top in range(0, height, part)]
    return np.rint(np.concatenate(rows)).astype(np.uint8)


def _check(photo: NDArray[np.uint8]) -> None:
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8:
        raise ValueError(
            "`photo` must be a uint8 array of values 0..255. Received: "
            f"{getattr(photo, 'dtype', type(photo).__name__)}. "
            "skimage.util.img_as_ubyte converts other types."
        )
    if photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(
            "`photo` must have the shape [height, width, 3], RGB, with a pixel or more. "
            f"Received: photo.shape={photo.shape}. "
            "skimage.color.gray2rgb and rgba2rgb convert grey photos and those with transparency."
        )

"""The modes `lattice` and `fast`: mean field of one photo on pixels, or on blocks first."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from wsss_tf.crf.bilateral import BilateralTerm
from wsss_tf.crf.blocks import Blocks
from wsss_tf.crf.higher_order import RegionTerm
from wsss_tf.crf.mean_field import Message, RegionMessage, mean_field, update
from wsss_tf.crf.settings import CrfSettings
from wsss_tf.crf.spatial import SpatialTerm

_CELL = 0.3
_CELL_OF_BLOCKS = 0.5
_CELL_OF_NARROW_COLORS = 0.8
"""Sides of colour cells in standard deviations: in mode lattice, and in fast by color_sigma."""

_NARROW_COLORS = 8.0
"""A color_sigma below. Textured photos then fill so many vertices that filtering them costs more
than the pixels do: larger cells pay, and blocks of 4 x 4 do not."""

_FINE_UPDATES = 3
"""Of the updates on blocks, how many are on those of 2 x 2 pixels; the others are on 4 x 4."""

_PIXELS_OF_SIGMA = 0.7
"""A block is at most sigma / 0.7 wide: the kernel must reach the next block."""


def lattice_mean_field(
    photo: tf.Tensor,
    unary: tf.Tensor,
    settings: CrfSettings,
    regions: tf.Tensor | None = None,
    region_probabilities: tf.Tensor | None = None,
) -> tf.Tensor:
    """Marginals of one photo, all iterations at full size.

    Args:
        photo: uint8 [H, W, 3].
        unary: float32 [H, W, L], energies.
        settings: the parameters.
        regions: int [layers, H, W], None without the region term.
        region_probabilities: float32 [H, W, L], P of Eq. 8.

    Returns:
        float32 [H, W, L], sums to 1 over labels.
    """
    shape = tf.shape(unary)
    pixels = Blocks(shape[:2], 0)
    terms = [_bilateral(photo, settings, _CELL), _spatial_of_pixels(pixels, settings)]
    q = mean_field(
        tf.reshape(unary, [-1, shape[2]]),
        [term for term in terms if term],
        first=1,
        last=settings.iterations,
        of=settings.iterations,
        region_message=_regions(pixels, settings, regions, region_probabilities),
    )
    return tf.reshape(q, shape)


def fast_mean_field(
    photo: tf.Tensor,
    unary: tf.Tensor,
    settings: CrfSettings,
    regions: tf.Tensor | None = None,
    region_probabilities: tf.Tensor | None = None,
) -> tf.Tensor:
    """Marginals of one photo, all updates but the last on blocks of 4 x 4, then 2 x 2 pixels.

    Narrow colour kernels have blocks of 2 x 2 alone, and narrow spatial ones none. Objects that
    are a few blocks wide, on photos of some 30 pixels, may be lost: take `lattice` there.
    The pixels of a block share one Q until the last update, but each keeps its own colour in the
    kernel. Kernels on a smaller photo instead mix colours across edges and textures, which on a
    photo where labels still spread at the last iteration made the error four times as large.

    Args, returns: as `lattice_mean_field`.
    """
    levels = _levels(settings)
    if not levels:
        return lattice_mean_field(photo, unary, settings, regions, region_probabilities)
    size, labels = tf.shape(unary)[:2], tf.shape(unary)[2]
    narrow = settings.color_sigma < _NARROW_COLORS
    bilateral = _bilateral(photo, settings, _CELL_OF_NARROW_COLORS if narrow else _CELL_OF_BLOCKS)
    blocks = Blocks(size, levels[0])
    q: Any = None
    between = spatial = None
    first = 1
    for level in levels:
        coarser, blocks = blocks, Blocks(size, level)
        last = settings.iterations - 1 - (_FINE_UPDATES if level == 2 else 0)
        between = bilateral and bilateral.between(blocks)
        spatial = _spatial(blocks, settings)
        q = mean_field(
            blocks.mean(unary),
            [term for term in (between, spatial) if term],
            first=first,
            last=last,
            of=settings.iterations,
            start=None if q is None else coarser.spread(q, blocks),
            region_message=_regions(blocks, settings, regions, region_probabilities, until=last),
        )
        first = last + 1
    pixels = Blocks(size, 0)
    messages = [between.to_pixels(q)] if between else []
    if spatial:
        messages.append(blocks.spread(spatial(q), pixels))
    term = _regions(pixels, settings, regions, region_probabilities)
    from_regions = term and term(blocks.spread(q, pixels), tf.constant(1.0))
    q = update(tf.reshape(unary, [-1, labels]), messages, from_regions)
    return tf.reshape(q, tf.shape(unary))


def _levels(settings: CrfSettings) -> list[int]:
    """Levels of the blocks to iterate on, coarse to fine; none where pixels are coarse enough."""
    sigmas = [settings.spatial_sigma] if settings.spatial_weight else []
    sigmas += [settings.bilateral_sigma] if settings.bilateral_weight else []
    widest = min(sigmas, default=1.0) / _PIXELS_OF_SIGMA
    if widest < 2 or settings.iterations < 2:
        return []
    wide = widest >= 4 and settings.color_sigma >= _NARROW_COLORS
    return [2, 1] if wide and settings.iterations > _FINE_UPDATES + 1 else [1]


def _bilateral(photo: tf.Tensor, settings: CrfSettings, cell: float) -> BilateralTerm | None:
    if not settings.bilateral_weight:
        return None
    return BilateralTerm(
        photo,
        sigma=settings.bilateral_sigma,
        color_sigma=settings.color_sigma,
        weight=settings.bilateral_weight,
        cell=cell,
    )


def _spatial(blocks: Blocks, settings: CrfSettings) -> SpatialTerm | None:
    if not settings.spatial_weight:
        return None
    return SpatialTerm(
        blocks.size,
        sigma=settings.spatial_sigma,
        weight=settings.spatial_weight,
        block=blocks.side,
    )


def _spatial_of_pixels(pixels: Blocks, settings: CrfSettings) -> Message | None:
    """The spatial term of pixels.

    Beside a bilateral kernel of no less weight, a wide one goes by blocks of 2 x 2: on real photos
    that left the error against exact mean field as it was, and takes half the time.
    """
    wide = settings.spatial_sigma >= 2 * _PIXELS_OF_SIGMA
    if not wide or settings.spatial_weight > settings.bilateral_weight:
        return _spatial(pixels, settings)
    blocks = Blocks(pixels.size, 1)
    term = _spatial(blocks, settings)
    if term is None:
        return None

    def message(q: tf.Tensor) -> tf.Tensor:
        grid = tf.reshape(q, [pixels.size[0], pixels.size[1], tf.shape(q)[1]])
        return blocks.spread(term(blocks.mean(grid)), pixels)

    return message


def _regions(
    blocks: Blocks,
    settings: CrfSettings,
    regions: tf.Tensor | None,
    probabilities: tf.Tensor | None,
    *,
    until: int | None = None,
) -> RegionMessage | None:
    """The region term on blocks, each of which is in the regions of its first pixel.

    None where there is none, and where it has no say yet in the updates up to `until`.
    """
    last = settings.iterations if until is None else until
    silent = last <= settings.region_start * settings.iterations
    if regions is None or not settings.region_weight or silent:
        return None
    side = blocks.side
    return RegionTerm(
        regions[:, ::side, ::side],
        tf.reshape(
            blocks.mean(probabilities), [*tf.unstack(blocks.size), tf.shape(probabilities)[2]]
        ),
        weight=settings.region_weight,
        max_cost=settings.region_max_cost,
        tolerance=settings.region_tolerance,
        start=settings.region_start,
    ).message

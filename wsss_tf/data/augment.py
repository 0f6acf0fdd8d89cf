"""Random scale, crop and flip of a photo and its mask, in step: one window cut from both."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from wsss_tf.config import AugmentSettings

PADDING = (124, 117, 104)
"""RGB beyond the end of a photo: the mean that the networks subtract, rounded."""


class Window(NamedTuple):
    """A square of a scaled photo.

    Attributes:
        scaled: int32 [2], height and width that the whole photo is scaled to.
        offset: int32 [2], top and left of the window in it; negative where padding comes first.
        flip: bool [], mirror left and right.
        crop: side of the window in pixels.
    """

    scaled: tf.Tensor
    offset: tf.Tensor
    flip: tf.Tensor
    crop: int


def reduced_size(size: tf.Tensor, side: int | None) -> tf.Tensor:
    """Height and width, int32 [2], with the longer one at most `side`; never larger than `size`."""
    return tf.cast(tf.maximum(tf.round(_reduced(size, side)), 1.0), tf.int32)


def random_window(size: tf.Tensor, seed: tf.Tensor, *, augment: AugmentSettings) -> Window:
    """Draws a window: a function of its arguments alone.

    Args:
        size: int32 [2], height and width of the photo.
        seed: int [2], for the stateless generators.
        augment: crop, range of scales, flip, and the side that a photo is first reduced to.
    """
    draws = tf.random.stateless_uniform([4], seed, alg="philox")
    low, high = augment.scale
    factor = low + (high - low) * draws[0]
    scaled = tf.cast(tf.maximum(tf.round(_reduced(size, augment.side) * factor), 1.0), tf.int32)
    room = scaled - augment.crop
    # A photo smaller than the window lies anywhere within it: `room` is negative, as is the offset.
    choices = tf.cast(tf.abs(room) + 1, tf.float32)
    shift = tf.minimum(tf.cast(draws[1:3] * choices, tf.int32), tf.abs(room))
    flip = tf.logical_and(augment.flip, draws[3] < 0.5)
    return Window(scaled, tf.minimum(room, 0) + shift, flip, augment.crop)


def cut_photo(photo: tf.Tensor, window: Window) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales a photo and cuts the window out of it, in one resampling.

    Args:
        photo: uint8 [H, W, 3].
        window: what to cut.

    Returns:
        uint8 [crop, crop, 3], bilinear (antialiased where it shrinks), with PADDING where the photo
        ends, and bool [crop, crop]: True on the photo.
    """
    crop = window.crop
    pixels = tf.raw_ops.ScaleAndTranslate(
        images=photo[None],
        size=[crop, crop],
        scale=tf.cast(window.scaled, tf.float32) / tf.cast(tf.shape(photo)[:2], tf.float32),
        translation=-tf.cast(window.offset, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]
    rounded = tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
    valid = _valid(window)
    filled = tf.where(valid[..., None], rounded, tf.constant(PADDING, tf.uint8))
    return _flipped(filled, window), _flipped(valid, window)


def cut_nearest(values: tf.Tensor, window: Window) -> tf.Tensor:
    """Cuts the window from [H, W, ...] by nearest neighbour, on the pixel grid of `cut_photo`.

    Returns:
        [crop, crop, ...]; beyond the end of the photo its last row or column goes on.
    """
    size = tf.shape(values)[:2]
    rows = _nearest(window.offset[0], window.scaled[0], size[0], window.crop)
    columns = _nearest(window.offset[1], window.scaled[1], size[1], window.crop)
    return _flipped(tf.gather(tf.gather(values, rows), columns, axis=1), window)


def _reduced(size: tf.Tensor, side: int | None) -> tf.Tensor:
    size = tf.cast(size, tf.float32)
    if side is None:
        return size
    return size * tf.minimum(1.0, side / tf.reduce_max(size))


def _valid(window: Window) -> tf.Tensor:
    positions = tf.range(window.crop)[:, None] + window.offset
    inside = tf.logical_and(positions >= 0, positions < window.scaled)
    return tf.logical_and(inside[:, 0][:, None], inside[:, 1][None, :])


def _nearest(offset: tf.Tensor, scaled: tf.Tensor, size: tf.Tensor, crop: int) -> tf.Tensor:
    # floor((position + 1/2) * size / scaled) in whole numbers, which have no ties to round.
    position = tf.cast(tf.range(crop) + offset, tf.int64)
    size, scaled = tf.cast(size, tf.int64), tf.cast(scaled, tf.int64)
    return tf.clip_by_value((2 * position + 1) * size // (2 * scaled), 0, size - 1)


def _flipped(values: tf.Tensor, window: Window) -> tf.Tensor:
    return tf.cond(window.flip, lambda: tf.reverse(values, [1]), lambda: values)

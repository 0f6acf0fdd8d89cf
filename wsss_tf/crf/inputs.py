"""Checks of what `DenseCRF` is given, and the errors they raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from wsss_tf.crf.keys import TOO_MANY

_FINITE = "`unary` must be finite. Received: NaN or infinite energies; give P = 0 a floor."
_SIZES = "`unary` must have the height and width of `photo`. Received: others."
_LABELS = "`unary` must have at least 2 labels. Received: fewer, and so nothing to choose."
_EMPTY = "`photo` must have at least one pixel. Received: none."
_IDS = "`regions` must have ids from 0 to 2^31 - 1. Received: a smaller or a larger one."
_REGION_SIZES = "`regions` must have the size of `photo`, [layers, H, W]. Received: another one."
_REGION_P = (
    "`region_probabilities` must be finite and shaped as `unary`. Received: NaN or another shape."
)
_RECTANGLE = (
    "`valid` must be True in one rectangle of a photo and False in its padding. "
    "Received: another pattern."
)
_BATCH = "`photo` and all other inputs must be of one batch size. Received: different ones."
_MESSAGES = (
    _BATCH,
    _FINITE,
    _SIZES,
    _LABELS,
    _EMPTY,
    _IDS,
    _REGION_SIZES,
    _REGION_P,
    _RECTANGLE,
    TOO_MANY,
)


def check_types(
    photo: tf.Tensor,
    unary: tf.Tensor,
    regions: tf.Tensor | None,
    region_probabilities: tf.Tensor | None,
    valid: tf.Tensor | None,
) -> None:
    """What is known without values: types, ranks, and sizes as far as they are static.

    Raises:
        ValueError: that names the argument.
    """
    _require(photo.dtype == tf.uint8, "`photo` must be uint8, 0..255", photo=photo)
    rank = photo.shape.rank
    shaped = rank in (3, 4) and photo.shape[-1] == 3
    _require(shaped, "`photo` must have the shape [H, W, 3] or [B, H, W, 3]", photo=photo)
    ranked = unary.shape.rank == rank
    _require(ranked, "`unary` must have the rank of `photo`", photo=photo, unary=unary)
    fits = photo.shape[:-1].is_compatible_with(unary.shape[:-1])
    _require(fits, _SIZES, photo=photo, unary=unary)
    labels = unary.shape[-1]
    _require(labels is None or labels > 1, _LABELS, unary=unary)
    _require(0 not in photo.shape[-3:-1], _EMPTY, photo=photo)
    if regions is not None:
        _require(regions.dtype.is_integer, "`regions` must be integers", regions=regions)
        layered = regions.shape.rank == rank
        layered = layered and regions.shape[-2:].is_compatible_with(photo.shape[-3:-1])
        layered = layered and regions.shape[:-3].is_compatible_with(photo.shape[:-3])
        _require(layered, _REGION_SIZES, photo=photo, regions=regions)
    if region_probabilities is not None:
        fits = region_probabilities.shape.is_compatible_with(unary.shape)
        _require(fits, _REGION_P, region_probabilities=region_probabilities, unary=unary)
    if valid is not None:
        fits = valid.dtype == tf.bool and valid.shape.is_compatible_with(photo.shape[:-1])
        _require(fits, "`valid` must be bool, of the height and width of `photo`", valid=valid)


def checked_sizes(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The inputs of one photo by name, with the sizes that were unknown asserted in the graph."""
    shapes = {name: tf.shape(value) for name, value in inputs.items()}
    size = shapes["photo"][:2]
    checks = [
        tf.debugging.assert_equal(size, shapes["unary"][:2], _SIZES),
        tf.debugging.assert_greater(shapes["unary"][2], 1, _LABELS),
        tf.debugging.assert_positive(tf.reduce_prod(size), _EMPTY),
    ]
    if "regions" in inputs:
        checks.append(tf.debugging.assert_equal(size, shapes["regions"][1:], _REGION_SIZES))
    if "region_probabilities" in inputs:
        shape = shapes["region_probabilities"]
        checks.append(tf.debugging.assert_equal(shape, shapes["unary"], _REGION_P))
    if "valid" in inputs:
        checks.append(tf.debugging.assert_equal(size, shapes["valid"], _RECTANGLE))
    return _after(checks, inputs)


def checked_values(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The inputs of one photo without padding, with what only values tell asserted."""
    checks = [tf.debugging.assert_all_finite(inputs["unary"], _FINITE)]
    if "regions" in inputs:
        regions = inputs["regions"]
        checks.append(tf.debugging.assert_non_negative(regions, _IDS))
        checks.append(tf.debugging.assert_less(regions, tf.constant(2**31, regions.dtype), _IDS))
    if "region_probabilities" in inputs:
        given = inputs["region_probabilities"]
        checks.append(tf.debugging.assert_all_finite(given, _REGION_P))
    return _after(checks, inputs)


def checked_batch(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Batches of inputs by name, asserted to be of one size."""
    number = tf.shape(inputs["photo"])[0]
    checks = [
        tf.debugging.assert_equal(tf.shape(value)[0], number, _BATCH) for value in inputs.values()
    ]
    return _after(checks, inputs)


def _after(checks: list[tf.Operation | None], inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    with tf.control_dependencies([check for check in checks if check is not None]):
        return {name: tf.identity(value) for name, value in inputs.items()}


def box_of(valid: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where a photo lies in its padding: bool [H, W] -> int32 [2] first pixel, int32 [2] size."""
    places = tf.cast(tf.where(valid), tf.int32)
    first = tf.reduce_min(places, axis=0)
    size = tf.reduce_max(places, axis=0) - first + 1
    whole = tf.debugging.assert_equal(tf.reduce_prod(size), tf.shape(places)[0], _RECTANGLE)
    with tf.control_dependencies([] if whole is None else [whole]):
        return tf.identity(first), tf.identity(size)


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Raises the checks of values as ValueError, which TensorFlow cannot inside a graph."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        for message in _MESSAGES:
            if message in error.message:
                raise ValueError(message) from None
        raise


def _require(holds: bool, message: str, **received: tf.Tensor) -> None:
    """Raises the rule of a message with what is known of the tensors."""
    if not holds:
        rule = message.partition(". Received")[0]
        what = ", ".join(f"{k}={v.dtype.name} {v.shape}" for k, v in received.items())
        raise ValueError(f"{rule}. Received: {what}.")

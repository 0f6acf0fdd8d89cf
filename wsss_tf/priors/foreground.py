"""Foreground probability from a network's own activations: objects excite it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from wsss_tf.priors.resizing import resize

SCALINGS = ("min_max", "centred", "balanced")
# A map whose spread is below this share of its magnitude is flat: what is left is rounding.
_FLAT = 1e-6


def foreground_probability(
    activations: Sequence[Any], size: Any, *, scaling: str = "min_max"
) -> Any:
    """Probability that a pixel is foreground, from the activations of one or more blocks.

    Each block is averaged over its channels and resized, the blocks are summed, and the sum is
    scaled to 0..1, photo by photo.

    Args:
        activations: float [B, h, w, C] for each block; sizes and channels may differ.
        size: (height, width) of the result, usually the photo's.
        scaling: "min_max" maps the smallest value to 0 and the largest to 1, as in the paper. A
            flat map gives 0. "centred" is sigmoid(2 (s - mean) / std): its mean maps to 0.5, so
            about half a photo is foreground before a CRF. A flat map gives 0.5. "balanced" is the
            same for blocks that were first brought to mean 0 and standard deviation 1 each, so
            that they weigh alike; block 4 of VGG-16 is stronger than block 5 by far.

    Returns:
        float32 [B, height, width] in [0, 1].

    Raises:
        ValueError: for no activations or an unknown scaling.

    Source: Saleh et al., TPAMI 2017, section 3.1.1; "centred" and "balanced" are ours.
    """
    if not activations:
        raise ValueError(
            "`activations` must hold at least one block. Received: none. "
            "The method's own are blocks 4 and 5."
        )
    check_choice("scaling", scaling, SCALINGS)
    maps = [resize(channel_mean(block), size)[..., 0] for block in activations]
    if scaling == "min_max":
        return _min_max(sum(maps))
    if scaling == "balanced":
        maps = [_standardised(one) for one in maps]
    return ops.sigmoid(2.0 * _standardised(sum(maps)))


def channel_mean(activation: Any) -> Any:
    """Mean over the channels, float32 [B, h, w, 1] of [B, h, w, C]."""
    return ops.mean(ops.cast(activation, "float32"), axis=-1, keepdims=True)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}.")


def _min_max(maps: Any) -> Any:
    low = ops.min(maps, axis=(1, 2), keepdims=True)
    high = ops.max(maps, axis=(1, 2), keepdims=True)
    return (maps - low) * _reciprocal(high - low, ops.maximum(ops.abs(low), ops.abs(high)))


def _standardised(maps: Any) -> Any:
    """With mean 0 and standard deviation 1 in every photo; a flat map gives 0."""
    mean = ops.mean(maps, axis=(1, 2), keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(maps - mean), axis=(1, 2), keepdims=True))
    return (maps - mean) * _reciprocal(deviation, ops.abs(mean))


def _reciprocal(spread: Any, magnitude: Any) -> Any:
    """1 / spread, or 0 where the spread is only rounding."""
    flat = spread <= _FLAT * magnitude
    return ops.where(flat, 0.0, 1.0 / ops.where(flat, 1.0, spread))

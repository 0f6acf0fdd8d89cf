"""Foreground probability from a network's own activations: objects excite it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from wsss_tf.priors.resizing import resize

POOLINGS = ("mean", "rms")
SCALINGS = ("min_max", "centred", "balanced")
# A map whose spread is below this share of its magnitude is flat: what is left is rounding.
_FLAT = 1e-6


def foreground_probability(
    activations: Sequence[Any], size: Any, *, pooling: str = "mean", scaling: str = "min_max"
) -> Any:
    """Probability that a pixel is foreground, from the activations of one or more blocks.

    Each block is pooled over its channels and resized, the blocks are summed, and the sum is scaled
    to 0..1, photo by photo.

    Args:
        activations: float [B, h, w, C] for each block; sizes and channels may differ.
        size: (height, width) of the result, usually the photo's.
        pooling: "mean" over the channels, as in the paper, or "rms", their root mean square, in
            which a few channels that an object excites strongly outweigh many faint ones.
        scaling: "min_max" maps the smallest value to 0 and the largest to 1, as in the paper. A
            flat map gives 0. "centred" is sigmoid(2 (s - mean) / std): its mean maps to 0.5, so
            about half a photo is foreground before a CRF. A flat map gives 0.5. "balanced" is the
            same for blocks that were first brought to mean 0 and standard deviation 1 each, so
            that they weigh alike; block 4 of VGG-16 is stronger than block 5 by far.

    Returns:
        float32 [B, height, width] in [0, 1].

    Raises:
        ValueError: for no activations, an unknown pooling or scaling.

    Source: Saleh et al., TPAMI 2017, section 3.1.1; "rms", "centred" and "balanced" are ours.
    """
    if not activations:
        raise ValueError(
            "`activations` must hold at least one block. Received: none. "
            "The method's own are blocks 4 and 5."
        )
    check_choice("scaling", scaling, SCALINGS)
    maps = [resize(pooled_channels(block, pooling), size)[..., 0] for block in activations]
    if scaling == "min_max":
        return _min_max(sum(maps))
    if scaling == "balanced":
        maps = [_standardised(one) for one in maps]
    return ops.sigmoid(2.0 * _standardised(sum(maps)))


def pooled_channels(activation: Any, pooling: str = "mean") -> Any:
    """Mean or root mean square over the channels, float32 [B, h, w, 1] of [B, h, w, C].

    Pooling what is pooled changes nothing, as activations are not negative.

    Raises:
        ValueError: for an unknown pooling.
    """
    check_choice("pooling", pooling, POOLINGS)
    values = ops.cast(activation, "float32")
    if pooling == "mean":
        return ops.mean(values, axis=-1, keepdims=True)
    # By its peak, for squares of large values overflow and those of tiny ones vanish.
    peak = ops.max(ops.abs(values), axis=-1, keepdims=True)
    shares = values / ops.where(peak > 0, peak, 1.0)
    return peak * ops.sqrt(ops.mean(ops.square(shares), axis=-1, keepdims=True))


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

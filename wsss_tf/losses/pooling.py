"""Log-sum-exp pooling of pixel scores, over the image or over masks."""

from __future__ import annotations

from typing import Any

from keras import ops

from wsss_tf.losses.numerics import as_float, complement

# exp(60) summed over 1e12 pixels is still a finite float32.
_LARGEST_EXPONENT = 60.0


def log_sum_exp_pool(
    probabilities: Any, mask: Any = None, *, sharpness: float = 5.0
) -> tuple[Any, Any]:
    """Pools pixel scores into one score per class: a soft maximum over the image or over a mask.

        S_k = 1/r * log( 1/|M_k| * sum_{ij in M_k} exp(r * S_ijk) )

    Computed as log1p(mean(expm1(r S))) / r, which keeps the relative precision of scores near 0,
    where a loss takes their logarithm. Above r = 60 the maximum of each mask is subtracted first.

    Args:
        probabilities: float [B, H, W, K] in [0, 1], or [B, H, W, 1] where each class pools the
            same scores over a mask of its own.
        mask: bool [B, H, W, K] or [B, H, W, 1], the pixels pooled for each class; None pools all.
            Floats 0 and 1 serve as well.
        sharpness: r > 0. r -> 0 is the mean, r -> inf the maximum.

    Returns:
        float [B, K] in [0, 1], and bool [B, K]: False where the mask is empty; such a class has a
        score of 0 and no term in a loss.

    Raises:
        ValueError: for a sharpness that is not positive, or shapes other than these.

    Source: Saleh et al., TPAMI 2017, Eq. 11, 13, 14 and 16.
    """
    check_sharpness(sharpness)
    probabilities = as_float(probabilities)
    weights = _as_weights(mask, probabilities)
    shift: Any = 0.0
    if sharpness > _LARGEST_EXPONENT:
        probabilities = probabilities * weights  # An unpooled pixel must not overflow either.
        peak = ops.max(probabilities, axis=(1, 2), keepdims=True)
        shift = ops.stop_gradient(ops.relu(peak - _LARGEST_EXPONENT / sharpness))
    return _soft_maximum(probabilities, weights, shift, sharpness)


def complement_of_pool(
    probabilities: Any, mask: Any = None, *, sharpness: float = 5.0
) -> tuple[Any, Any]:
    """1 - S_k for S_k of `log_sum_exp_pool`, exact to rounding also where S_k is within 1e-7 of 1.

    A soft maximum moves with its arguments, so 1 - S_k is minus the soft maximum of S_ijk - 1, and
    1 - S_ijk has no cancellation (`complement`).

    Args:
        probabilities: float [B, H, W, K], summing to 1 over the classes.
        mask: bool [B, H, W, 1], the pixels pooled; None pools all.
        sharpness: as `log_sum_exp_pool`.

    Returns:
        float [B, K] in [0, 1], 1 where the mask is empty, and bool [B, K]: whether it is not.

    Raises:
        ValueError: as `log_sum_exp_pool`.
    """
    check_sharpness(sharpness)
    probabilities = as_float(probabilities)
    weights = _as_weights(mask, probabilities)
    below_one = -complement(probabilities, None if mask is None else weights > 0)
    shift = ops.stop_gradient(ops.max(below_one, axis=(1, 2), keepdims=True))
    scores, present = _soft_maximum(below_one, weights, shift, sharpness)
    return -scores, present


def check_sharpness(sharpness: float) -> None:
    """Raises ValueError unless r > 0."""
    if not sharpness > 0:
        raise ValueError(
            f"`sharpness` must be a positive number. Received: sharpness={sharpness}. "
            "Close to 0 it gives the mean, 1000 practically the maximum."
        )


def _soft_maximum(values: Any, weights: Any, shift: Any, sharpness: float) -> tuple[Any, Any]:
    """Log-mean-exp over the pixels of weight 1. The shift cancels: it only prevents overflow."""
    pixels = ops.sum(weights, axis=(1, 2))
    growth = ops.sum(weights * ops.expm1(sharpness * (values - shift)), axis=(1, 2))
    scores = ops.log1p(growth / ops.maximum(pixels, 1.0)) / sharpness
    if not isinstance(shift, float):
        scores = scores + shift[:, 0, 0]
    return scores, ops.broadcast_to(pixels > 0, ops.shape(scores))


def _as_weights(mask: Any, probabilities: Any) -> Any:
    """The mask in the scores' dtype, [B, H, W, K or 1]; ones for None."""
    if mask is None:
        return ops.ones_like(probabilities[..., :1])
    mask = ops.convert_to_tensor(mask)
    channels = probabilities.shape[-1]
    if len(mask.shape) != 4 or (mask.shape[-1] != channels and 1 not in (mask.shape[-1], channels)):
        raise ValueError(
            "`mask` must have the shape [batch, height, width, 1 or classes]. Received: "
            f"mask.shape={mask.shape}, probabilities.shape={probabilities.shape}. "
            "Add the last axis to a mask that all classes share: mask[..., None]."
        )
    return ops.cast(mask, probabilities.dtype)

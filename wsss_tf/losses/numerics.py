"""Logarithms and differences that stay right where a softmax saturates."""

from __future__ import annotations

from typing import Any

from keras import backend, ops

# Far below any probability that matters, far above the smallest normal float32 (1.2e-38): its
# logarithm (-69) and its reciprocal are finite, so losses and gradients are finite too.
TINY = 1e-30


def as_float(values: Any) -> Any:
    """`values` in float32, or in float64 if they are: sums over pixels need more than 16 bits."""
    values = ops.convert_to_tensor(values)
    return ops.cast(values, backend.result_type(values.dtype, "float32"))


def safe_log(values: Any) -> Any:
    """log(values) for values >= 0, with log(0) = log(1e-30) and a finite gradient everywhere.

    Adding the constant, not clipping at it, keeps the gradient of the smallest values alive; above
    1e-22 the sum is the value itself in float32.
    """
    return ops.log(values + TINY)


def complement(probabilities: Any, where: Any = None) -> Any:
    """1 - p, exact to rounding also where p is within 1e-7 of 1, and never 0.

    There `1 - p` cancels to 0 in float32 (a lead of 17 in the logits is enough) and the gradient
    of its logarithm vanishes just where a network is wrong and sure. The sum of the pixel's other
    probabilities is the same number without the cancellation. At most one class exceeds one half.

    Args:
        probabilities: float [..., K], summing to 1 over the last axis, as softmax gives them.
        where: bool [..., 1]; where it is False the result is 1 and has no gradient. None is True.

    Returns:
        float [..., K] in [1e-30, 1].
    """
    limit: Any = 0.5
    if where is not None:
        limit = ops.where(where, ops.cast(0.5, probabilities.dtype), -1.0)
    small = ops.cast(probabilities <= limit, probabilities.dtype)
    others = ops.sum(small * probabilities, axis=-1, keepdims=True)
    if where is not None:
        others = ops.where(where, others, 1.0)
    # `others` where the class dominates, others + 1 - others - p elsewhere. A product in place of
    # a selection, and no pass over [..., K] for `where`: half the time, forwards and backwards.
    return (others + TINY) + small * ((1.0 - others) - probabilities)

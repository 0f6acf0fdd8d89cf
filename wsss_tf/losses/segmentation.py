"""The losses of weakly-supervised segmentation: from tags alone, and from tags with masks.

All of them take the softmax S of the network's logits (Saleh et al. 2017, Eq. 9) and return one
loss per photo. L are the classes present in a photo (background always, and its tags), the absent
classes are all others. A term whose mask, or whose set of classes, is empty leaves the sum and its
divisor; a photo without a valid pixel has loss 0 and gradient 0. Loss and gradient are finite for
every softmax, saturated ones included, and the gradient does not vanish where the network is wrong
(`numerics`).
"""

from __future__ import annotations

from typing import Any

from keras import ops

from wsss_tf.losses.numerics import as_float, complement, safe_log
from wsss_tf.losses.pooling import complement_of_pool, log_sum_exp_pool

_UNKNOWN = 255  # The id of unknown pixels in every label map.


def tag_loss(probabilities: Any, tags: Any, valid: Any = None, *, sharpness: float = 5.0) -> Any:
    """The loss from image tags alone: present classes must be somewhere, absent ones nowhere.

        -1/|L| sum_{k in L} log S^k  -  1/|absent| sum_{k absent} log(1 - S^k)

    with S^k the log-sum-exp of class k over the valid pixels.

    Args:
        probabilities: float [B, H, W, K+1], softmax over the classes, background first.
        tags: [B, K], nonzero for the foreground classes of the photo. No background column.
        valid: bool [B, H, W], False for padding; None for a photo without.
        sharpness: r > 0 of the pooling.

    Returns:
        float [B], >= 0.

    Raises:
        ValueError: for shapes other than these or a sharpness that is not positive.

    Source: Saleh et al., TPAMI 2017, Eq. 10 and 11.
    """
    probabilities, present = _checked(probabilities, tags, valid=valid)
    pooled = None if valid is None else ops.cast(valid, "bool")[..., None]
    scores, any_valid = log_sum_exp_pool(probabilities, pooled, sharpness=sharpness)
    remainders, _ = complement_of_pool(probabilities, pooled, sharpness=sharpness)
    absent = ops.logical_and(ops.logical_not(present), any_valid)
    present = ops.logical_and(present, any_valid)
    return _mean_cost(scores, present) + _mean_cost(remainders, absent)


def foreground_loss(
    probabilities: Any, tags: Any, mask: Any, valid: Any = None, *, sharpness: float = 5.0
) -> Any:
    """The loss from tags and a foreground mask that all tagged classes share.

        -1/(|L|-1) sum_{k in L, k > 0} log S^k  -  log S^0
        -1/(|absent| |I|) sum_{ij, k absent} log(1 - S^k_ij)

    Tagged classes pool over the foreground, background over the rest. Each valid pixel is charged
    for every absent class.

    Args:
        mask: uint8 [B, H, W], 0 background, 255 unknown (pooled by no class), anything else
            foreground.
        probabilities, tags, valid, sharpness: as `tag_loss`.

    Returns:
        float [B], >= 0.

    Raises:
        ValueError: as `tag_loss`.

    Source: Saleh et al., TPAMI 2017, Eq. 12 to 14.
    """
    probabilities, present = _checked(probabilities, tags, mask=mask, valid=valid)
    labels = _known_labels(mask, valid)
    # Slicing off the one background channel is cheaper than slicing off all the others.
    scores, in_foreground = log_sum_exp_pool(
        probabilities, (labels > 0)[..., None], sharpness=sharpness
    )
    background, in_background = log_sum_exp_pool(
        probabilities[..., :1], (labels == 0)[..., None], sharpness=sharpness
    )
    tagged = ops.logical_and(present[:, 1:], in_foreground[:, 1:])
    cost = _mean_cost(scores[:, 1:], tagged) + _mean_cost(background, in_background)
    return cost + _absent_cost(probabilities, ops.logical_not(present), valid)


def multi_class_loss(
    probabilities: Any, tags: Any, mask: Any, valid: Any = None, *, sharpness: float = 5.0
) -> Any:
    """The loss from tags and a mask for each class.

        -1/|L| sum_{k in L} log S^k  -  1/(|absent| |I|) sum_{ij, k absent} log(1 - S^k_ij)

    Each present class, background too, pools over its own mask. Each valid pixel is charged for
    every absent class. Pixels labelled with a class that is not present are pooled by none.

    Args:
        mask: uint8 [B, H, W], the label of each pixel, 0 background, 255 unknown (pooled by no
            class).
        probabilities, tags, valid, sharpness: as `tag_loss`.

    Returns:
        float [B], >= 0.

    Raises:
        ValueError: as `tag_loss`.

    Source: Saleh et al., TPAMI 2017, Eq. 15 and 16.
    """
    probabilities, present = _checked(probabilities, tags, mask=mask, valid=valid)
    # One-hot in the scores' own dtype: TensorFlow multiplies faster than it selects.
    masks = ops.one_hot(
        _known_labels(mask, valid), probabilities.shape[-1], dtype=probabilities.dtype
    )
    # A pixel is pooled by the class of its label alone: one exponential a pixel, not K+1.
    own = ops.sum(masks * probabilities, axis=-1, keepdims=True)
    scores, in_mask = log_sum_exp_pool(own, masks, sharpness=sharpness)
    cost = _mean_cost(scores, ops.logical_and(present, in_mask))
    return cost + _absent_cost(probabilities, ops.logical_not(present), valid)


def _mean_cost(scores: Any, members: Any) -> Any:
    """Mean of -log(score) over the member classes of each photo, 0 where there is none."""
    weights = ops.cast(members, scores.dtype)
    return _mean(weights * -safe_log(scores), weights)


def _absent_cost(probabilities: Any, absent: Any, valid: Any) -> Any:
    """Mean of -log(1 - S^k_ij) over valid pixels and absent classes: last term of Eq. 12 and 15."""
    if valid is None:
        per_class = -ops.mean(ops.log(complement(probabilities)), axis=(1, 2))
    else:
        valid = ops.cast(valid, "bool")
        costs = -ops.log(complement(probabilities, valid[..., None]))  # 0 where not valid.
        pixels = ops.sum(ops.cast(valid, costs.dtype), axis=(1, 2))[:, None]
        per_class = ops.sum(costs, axis=(1, 2)) / ops.maximum(pixels, 1.0)
    members = ops.cast(absent, per_class.dtype)
    return _mean(members * per_class, members)


def _mean(weighted: Any, weights: Any) -> Any:
    """sum(weighted) / sum(weights) over the classes, 0 where no class has weight."""
    return ops.sum(weighted, axis=-1) / ops.maximum(ops.sum(weights, axis=-1), 1.0)


def _known_labels(mask: Any, valid: Any) -> Any:
    """int32 [B, H, W]: the mask, with -1 for the pixels that no class may pool."""
    labels = ops.cast(mask, "int32")
    known = labels != _UNKNOWN
    if valid is not None:
        known = ops.logical_and(known, ops.cast(valid, "bool"))
    return ops.where(known, labels, -1)


def _checked(probabilities: Any, tags: Any, **pixels: Any) -> tuple[Any, Any]:
    """Float probabilities and bool [B, K+1], the present classes; or a ValueError."""
    probabilities = as_float(probabilities)
    tags = ops.convert_to_tensor(tags)
    if len(probabilities.shape) != 4:
        raise ValueError(
            "`probabilities` must have the shape [batch, height, width, classes + 1]. "
            f"Received: probabilities.shape={probabilities.shape}. Add the batch axis to one photo."
        )
    num_tags = probabilities.shape[-1] - 1
    if len(tags.shape) != 2 or tags.shape[-1] != num_tags:
        raise ValueError(
            f"`tags` must have one column per foreground class, [batch, {num_tags}]. "
            f"Received: tags.shape={tags.shape}. Background has no column; drop column 0."
        )
    for name, values in pixels.items():
        if values is not None and len(ops.shape(values)) != 3:
            raise ValueError(
                f"`{name}` must have the shape [batch, height, width]. "
                f"Received: {name}.shape={ops.shape(values)}. It has no class axis."
            )
    tagged = tags != 0
    background = ops.ones_like(tagged[:, :1])
    return probabilities, ops.concatenate([background, tagged], axis=-1)

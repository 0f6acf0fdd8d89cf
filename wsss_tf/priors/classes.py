"""Class probabilities from class activation maps and the foreground, and the masks they become."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from keras import ops

from wsss_tf.priors.foreground import check_choice
from wsss_tf.priors.resizing import resize


@dataclasses.dataclass(frozen=True)
class Fusion:
    """How class activation maps M and the foreground probability P_f become class scores.

    Args:
        combination: "linear" is P_c = alpha P_f B_c + (1 - alpha) M_c, with B_c = 1 where M_c is
            above the threshold (Eq. 2 and 3). "geometric" is P_c = M_c^(1 - alpha) P_f^alpha, 0
            where M_c is.
        alpha: 0..1, the share of the foreground.
        cam_threshold: 0..1, the share of its maximum above which a CAM's pixels are in B_c.
        background: "fused" is P_0 = alpha (1 - P_f) + (1 - alpha) (1 - mean_c M_c), the mean over
            the tagged classes (Eq. 4 and 5); "constant" is `background_score` everywhere.
        background_score: 0..1, for a constant background.

    Raises:
        ValueError: for an unknown choice or a number outside 0..1.

    Source: Saleh et al., TPAMI 2017, Eq. 2 to 5; "geometric" and "constant" are ours.
    """

    combination: Literal["linear", "geometric"] = "linear"
    alpha: float = 0.5
    cam_threshold: float = 0.2
    background: Literal["fused", "constant"] = "fused"
    background_score: float = 0.2

    def __post_init__(self) -> None:
        check_choice("combination", self.combination, ("linear", "geometric"))
        check_choice("background", self.background, ("fused", "constant"))
        for name in ("alpha", "cam_threshold", "background_score"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must be in 0..1. Received: {name}={value}.")


PAPER = Fusion()  # As printed.


def scaled_cams(cams: Any, size: Any) -> Any:
    """M_c: class activation maps at `size`, scaled to 0..1 class by class and photo by photo.

    A map is resized, cut at 0 and divided by its maximum, the custom of the field: evidence against
    a class counts as none, and scaling by the minimum would call the least contrary pixels likely.
    A map with no positive value is 0 everywhere.

    Args:
        cams: float [B, h, w, K], unscaled, of any sign (Eq. 1).
        size: (height, width), as for `resize`.

    Returns:
        float32 [B, height, width, K] in [0, 1].
    """
    maps = ops.relu(resize(cams, size))
    peak = ops.max(maps, axis=(1, 2), keepdims=True)
    return maps / ops.where(peak > 0, peak, 1.0)


def class_probabilities(cams: Any, foreground: Any, tags: Any, fusion: Fusion = PAPER) -> Any:
    """Probability of each class at each pixel, of classes that the photo is known to hold.

    Args:
        cams: float [B, h, w, K], unscaled, at any size.
        foreground: float [B, H, W] in 0..1, P_f.
        tags: [B, K], nonzero for the classes of the photo. No background column.
        fusion: the rule, the paper's by default.

    Returns:
        float32 [B, H, W, K+1], background first; sums to 1 over the classes. A class without a tag
        is exactly 0, so a photo without tags is background. Where every score is 0, background is
        1: nothing speaks for a class there.

    Raises:
        ValueError: for tags of another shape.

    Source: Saleh et al., TPAMI 2017, Eq. 2 to 5.
    """
    present = _present(cams, tags)
    maps = scaled_cams(cams, ops.shape(foreground)[1:3])
    foreground = ops.cast(foreground, "float32")[..., None]
    classes = _class_scores(maps, foreground, fusion) * present
    if fusion.background == "constant":
        background = ops.full_like(foreground, fusion.background_score)
    else:
        count = ops.maximum(ops.sum(present, axis=-1, keepdims=True), 1.0)
        unclaimed = 1.0 - ops.sum(maps * present, axis=-1, keepdims=True) / count
        background = fusion.alpha * (1.0 - foreground) + (1.0 - fusion.alpha) * unclaimed
    claimed = ops.sum(classes, axis=-1, keepdims=True)
    background = ops.where(claimed > 0, background, 1.0)
    return ops.concatenate([background, classes], axis=-1) / (background + claimed)


def label_map(probabilities: Any, cams: Any, tags: Any, *, cam_threshold: float = 0.2) -> Any:
    """The most probable label of each pixel; every tagged class gets pixels if it can.

    A tagged class that wins no pixel takes its B_c, the pixels where its CAM is above the
    threshold. Where several such classes want a pixel, the one of higher probability has it, at
    equal probability the lower id. A label that would lose its last pixels to them keeps those
    where it is most probable. So a class may stay without a mask where its B_c holds nothing else,
    or is all wanted by a more probable class.

    Args:
        probabilities: float [B, H, W, K+1], of `class_probabilities` or of a CRF after it.
        cams: float [B, h, w, K], unscaled, at any size.
        tags: [B, K], nonzero for the classes of the photo.
        cam_threshold: 0..1, as in `Fusion`.

    Returns:
        uint8 [B, H, W], 0 background.

    Raises:
        ValueError: for tags of another shape.

    Source: Saleh et al., TPAMI 2017, section 3.1.2 for B_c; the fall-back is ours.
    """
    present = _present(cams, tags) > 0
    size = ops.shape(probabilities)[1:3]
    winners = _arg_max(probabilities)
    won = _holds_pixels(winners, probabilities)
    wanted = ops.logical_and(
        ops.logical_and(present, ops.logical_not(won[:, None, None, 1:])),
        scaled_cams(cams, size) > cam_threshold,
    )
    offers = ops.where(wanted, probabilities[..., 1:], -1.0)
    taken = ops.where(ops.any(wanted, axis=-1), _arg_max(offers) + 1, winners)
    emptied = ops.logical_and(won, ops.logical_not(_holds_pixels(taken, probabilities)))
    kept = _most_probable_pixels(winners, probabilities, emptied)
    return ops.cast(ops.where(kept, winners, taken), "uint8")


def _class_scores(maps: Any, foreground: Any, fusion: Fusion) -> Any:
    """Eq. 2 and 3, or their geometric form; float [B, H, W, K]."""
    alpha = fusion.alpha
    if fusion.combination == "linear":
        inside = ops.cast(maps > fusion.cam_threshold, maps.dtype)
        return alpha * foreground * inside + (1.0 - alpha) * maps
    fused = ops.power(maps, 1.0 - alpha) * ops.power(foreground, alpha)
    return ops.where(maps > 0, fused, 0.0)  # 0^0 is 1.


def _present(cams: Any, tags: Any) -> Any:
    """Tags as 0 and 1, float32 [B, 1, 1, K]; or a ValueError."""
    tags, num_tags = ops.convert_to_tensor(tags), cams.shape[-1]
    if len(tags.shape) != 2 or tags.shape[-1] not in (None, num_tags):
        raise ValueError(
            f"`tags` must have one column per foreground class, [batch, {num_tags}]. "
            f"Received: tags.shape={tags.shape}. Background has no column; drop column 0."
        )
    return ops.cast(tags != 0, "float32")[:, None, None, :]


def _arg_max(scores: Any) -> Any:
    """int32: the first of the highest scores on the last axis.

    `keras.ops.argmax` reads the sign bits of floats, for which ONNX has no operator; that of
    integers does not.
    """
    highest = scores >= ops.max(scores, axis=-1, keepdims=True)
    return ops.argmax(ops.cast(highest, "int32"), axis=-1)


def _most_probable_pixels(labels: Any, probabilities: Any, chosen: Any) -> Any:
    """bool [B, H, W]: where each of the `chosen` labels, bool [B, K+1], has its highest share."""
    own = ops.logical_and(_one_hot(labels, probabilities), chosen[:, None, None, :])
    shares = ops.where(own, probabilities, -1.0)
    peaks = ops.max(shares, axis=(1, 2), keepdims=True)
    return ops.any(ops.logical_and(own, shares >= peaks), axis=-1)


def _one_hot(labels: Any, probabilities: Any) -> Any:
    """bool [B, H, W, K+1] of labels [B, H, W]."""
    return labels[..., None] == ops.arange(probabilities.shape[-1], dtype=labels.dtype)


def _holds_pixels(labels: Any, probabilities: Any) -> Any:
    """bool [B, K+1]: whether any pixel has that label."""
    return ops.any(_one_hot(labels, probabilities), axis=(1, 2))

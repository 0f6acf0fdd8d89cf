"""What the steps from one photo to its mask say of the mask, without truth; shares in 0..1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.priors import scaled_cams

MEASURES = ("agreement", "fallback", "changed", "removed", "added", "core_lost")
CORE = 0.25


def step_measures(
    steps: Mapping[str, Any], tags: NDArray[np.floating], *, cam_threshold: float
) -> dict[str, Any]:
    """Agreement of CAMs and foreground map, classes that won no pixel, change by the CRF.

    Args:
        steps: of `MaskMaker.intermediates`.
        tags: [K], nonzero for the photo's classes.
        cam_threshold: as in `priors.Fusion`.

    Returns:
        "agreement": `iou` of the pixels where any tag's scaled CAM is above the threshold and those
        where P_f is above 1/2; None for foreground masks. "fallback": list of the labels of tags
        that have no pixel in the arg max, so that the mask gives them those of their CAM; None for
        foreground masks. "changed", "removed" and "added": of `label_change` between the arg max
        before and after the CRF; "core_lost": of `core_lost`; None without one.
    """
    probabilities = np.asarray(steps["probabilities"])
    before = _arg_max(probabilities)
    after = _arg_max(np.asarray(steps["refined"])) if "refined" in steps else before
    found: dict[str, Any] = dict.fromkeys(MEASURES)
    if "cams" in steps:
        foreground = np.asarray(steps["foreground"])
        inside = inside_cams(steps["cams"], tags, foreground.shape, cam_threshold=cam_threshold)
        found["agreement"] = iou(inside, foreground > 0.5)
        tagged = np.flatnonzero(np.asarray(tags) != 0) + 1
        found["fallback"] = [int(label) for label in tagged if not np.any(after == label)]
    if "refined" in steps:
        found.update(label_change(before, after), core_lost=core_lost(probabilities, after))
    return found


def inside_cams(
    cams: Any, tags: NDArray[np.floating], size: Sequence[int], *, cam_threshold: float
) -> NDArray[np.bool_]:
    """Where the scaled CAM of any tag is above the threshold: the union of the B_c of Eq. 2.

    Args:
        cams: float [h, w, K], unscaled.
        tags: [K], nonzero for the photo's classes.
        size: (height, width) of the result.
        cam_threshold: as in `priors.Fusion`.

    Returns:
        bool [height, width].
    """
    tagged = np.asarray(cams)[None][..., np.asarray(tags) != 0]
    if not tagged.shape[-1]:  # TensorFlow resizes no map of no channel.
        return np.zeros(size, bool)
    return np.any(np.asarray(scaled_cams(tagged, size))[0] > cam_threshold, axis=-1)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    """Intersection over union of two sets of pixels, bool [H, W]; None where both are empty."""
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else None


def label_change(
    before: NDArray[np.integer], after: NDArray[np.integer]
) -> dict[str, float | None]:
    """How a label map changed.

    Args:
        before, after: integers [H, W], 0 background.

    Returns:
        "changed": share of the pixels whose label differs. "removed": of the foreground before, the
        share that is background after; None where there was none. "added": of the foreground after,
        the share that was background before; None where there is none.
    """
    had, has = before != 0, after != 0
    return {
        "changed": float(np.mean(before != after)),
        "removed": _share(had & ~has, had),
        "added": _share(has & ~had, has),
    }


def core_lost(probabilities: NDArray[np.floating], after: NDArray[np.integer]) -> dict[int, float]:
    """How much of each class's core a CRF gave to other labels: 1 where it swallowed the object.

    The core is the quarter of the class's pixels before the CRF where the class is most probable:
    a CRF that trims a coarse map to the object's outline leaves it alone.

    Args:
        probabilities: float [H, W, L] before the CRF, background first.
        after: integers [H, W], the labels after it.

    Returns:
        Share of the core by label, of the labels that had a pixel, without background.
    """
    before = _arg_max(probabilities)
    lost = {}
    for label in np.unique(before[before != 0]):
        pixels = before == label
        own = probabilities[..., label]
        core = pixels & (own >= np.quantile(own[pixels], 1.0 - CORE))
        lost[int(label)] = float(np.mean(after[core] != label))
    return lost


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    count = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / count if count else None


def _arg_max(probabilities: NDArray[np.floating]) -> NDArray[np.integer]:
    """The most probable label, at equal probability the lowest, as masks have it."""
    return np.argmax(probabilities, axis=-1)

"""Trimap accuracy: how well a prediction does near the outlines of the truth, by band width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.labels import IGNORE
from wsss_tf.metrics.confusion import label_pair, mean_iou, ratio, tally, wrong_id

WIDEST = 40


class Trimap:
    """Counts pixels by true and predicted class and by distance from the truth's outlines.

    A pixel is in the band of width w where a pixel of another truth label lies within w steps of
    a chess king: both sides of an outline are in the band of width 1. The ignore id 255 is a label
    like any other here, since VOC's void ring lies on the outlines of objects; but no pixel of
    truth 255 is scored. The edge of the photo is no outline.

    Args:
        num_classes: number of classes with background, 1..255.
        widest: the widest band, in pixels, 1..254.

    Attributes:
        counts: int64 [widest, C, C]: distance from the outline (1 first), true class, predicted
            class. The band of width w is the sum of the first w.

    Source: Kohli et al., IJCV 2009; Saleh et al., TPAMI 2017, Fig. 10. The papers leave the metric
    open; the king's is that of a dilation by a square.
    """

    def __init__(self, num_classes: int, *, widest: int = WIDEST) -> None:
        if not 1 <= widest < IGNORE:
            raise ValueError(f"`widest` must be in 1..{IGNORE - 1}. Received: widest={widest}.")
        self.num_classes, self.widest = num_classes, widest
        self.counts: NDArray[np.int64] = np.zeros((widest, num_classes, num_classes), np.int64)

    def update(self, truth: Any, prediction: Any) -> None:
        """Adds one photo.

        Args:
            truth: integers [H, W], each a class id or 255.
            prediction: integers [H, W], each a class id.

        Raises:
            ValueError: for other dtypes, shapes, ids of the prediction, or ids of the truth near
                an outline. The counts are then as before.
        """
        classes = self.num_classes
        truth, prediction = label_pair(truth, prediction, classes)
        distance = outline_distance(truth, widest=self.widest).ravel()
        truth, prediction = truth.ravel(), prediction.ravel()
        near = np.flatnonzero((distance <= self.widest) & (truth != IGNORE))
        if not near.size:
            return
        labels = truth[near]
        if labels.max() >= classes:
            raise wrong_id("truth", int(labels.max()), classes)
        cells = distance[near].astype(np.intp)
        cells -= 1
        for column in (labels, prediction[near]):
            cells *= classes
            cells += column
        self.counts += np.bincount(cells, minlength=self.counts.size).reshape(self.counts.shape)

    def pixel_accuracy(self) -> NDArray[np.float64]:
        """Share of pixels predicted right in each band, float64 [widest]; nan without pixels."""
        bands = self._bands()
        return ratio(np.trace(bands, axis1=1, axis2=2), bands.sum(axis=(1, 2)))

    def miou(self) -> NDArray[np.float64]:
        """Mean IoU of each band, float64 [widest], over the classes that occur in it."""
        return mean_iou(tally(self._bands()))

    def _bands(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts, axis=0)


def outline_distance(labels: Any, *, widest: int = WIDEST) -> NDArray[np.uint8]:
    """Steps of a chess king from each pixel to the nearest pixel of another label.

    Args:
        labels: integers [H, W].
        widest: distances above are not told apart, 1..254.

    Returns:
        uint8 [H, W] in 1..widest + 1; all widest + 1 where there is one label only.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(
            f"`labels` must have the shape [height, width]. Received: shape={labels.shape}. "
            "Bands are found one photo at a time."
        )
    outline = _touches_another(labels)
    if not outline.any():
        return np.full(labels.shape, widest + 1, np.uint8)
    # Here, so that this room loads without SciPy, as its other measures do not need it.
    from scipy.ndimage import distance_transform_cdt

    steps = distance_transform_cdt(~outline, metric="chessboard")
    return (np.minimum(steps, widest) + 1).astype(np.uint8)


def _touches_another(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether one of the eight pixels around has another label; bool [H, W]."""
    touches = np.zeros(labels.shape, bool)
    after, before, all_of = slice(1, None), slice(None, -1), slice(None)
    pairs = (
        ((after, all_of), (before, all_of)),
        ((all_of, after), (all_of, before)),
        ((after, after), (before, before)),
        ((after, before), (before, after)),
    )
    for one, other in pairs:
        differ = labels[one] != labels[other]
        touches[one] |= differ
        touches[other] |= differ
    return touches

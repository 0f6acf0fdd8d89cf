"""The confusion matrix of a split, and the measures read from it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wsss_tf.labels import IGNORE

_IDS = 256


class ConfusionMatrix:
    """Counts pixels by true and predicted class, photo by photo, over a whole split.

    Args:
        num_classes: number of classes with background, 1..255.

    Attributes:
        counts: int64 [C, C], true class by row, predicted class by column.

    Raises:
        ValueError: for a number of classes that uint8 labels beside 255 cannot hold.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE:
            raise ValueError(
                f"`num_classes` must be in 1..{IGNORE}. Received: num_classes={num_classes}. "
                "It counts background and not the ignore id 255."
            )
        self.num_classes = num_classes
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def update(self, truth: Any, prediction: Any) -> None:
        """Adds the pixels of one photo or of many; those of truth 255 are ignored.

        Args:
            truth: integers of any shape, each a class id or 255.
            prediction: integers of the same shape, each a class id; 255 is none.

        Raises:
            ValueError: for other dtypes, shapes or ids. The counts are then as before.
        """
        classes = self.num_classes
        truth, prediction = label_pair(truth, prediction, classes)
        # One row for every value of truth: counting the ignored pixels, too, is faster than
        # selecting the others, and rows that should be empty show ids out of range.
        pairs = truth.ravel().astype(np.intp)
        pairs *= classes
        pairs += prediction.ravel()
        counts = np.bincount(pairs, minlength=_IDS * classes).reshape(_IDS, classes)
        beyond = np.flatnonzero(counts[classes:IGNORE].any(axis=1))
        if beyond.size:
            raise wrong_id("truth", classes + int(beyond[-1]), classes)
        self.counts += counts[:classes]

    def merge(self, other: ConfusionMatrix) -> Self:
        """Adds the counts of `other`, a matrix of the same classes; returns this one.

        Raises:
            ValueError: for another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ValueError(
                "`other` must count the same classes. "
                f"Received: {other.num_classes} classes, not {self.num_classes}."
            )
        self.counts += other.counts
        return self

    __iadd__ = merge

    def foreground(self) -> ConfusionMatrix:
        """The matrix of object against background: classes 1 and above as one, exactly."""
        merged = ConfusionMatrix(2)
        starts = [0, 1] if self.num_classes > 1 else [0]
        sums = np.add.reduceat(np.add.reduceat(self.counts, starts, axis=0), starts, axis=1)
        merged.counts[: len(starts), : len(starts)] = sums
        return merged

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, float64 [C] in 0..1.

        nan for a class that is neither in the truth nor predicted.
        """
        intersection, union = tally(self.counts)
        return ratio(intersection, union)

    def miou(self) -> float:
        """Mean of `iou` over the classes that have one; nan where none has."""
        return float(mean_iou(tally(self.counts)))

    def pixel_accuracy(self) -> float:
        """Share of pixels predicted right; nan without pixels."""
        return float(ratio(np.trace(self.counts), self.counts.sum()))

    def class_accuracy(self) -> NDArray[np.float64]:
        """Share of each true class's pixels predicted right, float64 [C]; nan for an absent one."""
        return ratio(np.diagonal(self.counts), self.counts.sum(axis=1))

    def mean_class_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes in the truth; nan where none is."""
        accuracy = self.class_accuracy()
        known = accuracy[~np.isnan(accuracy)]
        return float(known.mean()) if known.size else float("nan")


def tally(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Intersection and union of each class in pixels: all that a mean IoU needs of a matrix.

    Args:
        counts: int64 [..., C, C], true class by row, predicted class by column.

    Returns:
        int64 [..., 2, C]. Tallies of photos add up, as their matrices do.
    """
    intersection = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(axis=-1) + counts.sum(axis=-2) - intersection
    return np.stack([intersection, union], axis=-2)


def mean_iou(tallies: Any) -> NDArray[np.float64]:
    """Mean IoU of tallies, numbers [..., 2, C] -> float64 [...]; nan where no class has a union."""
    tallies = np.asarray(tallies, np.float64)
    intersection, union = tallies[..., 0, :], tallies[..., 1, :]
    present = union > 0
    iou = np.where(present, ratio(intersection, union), 0.0)
    return ratio(iou.sum(axis=-1), present.sum(axis=-1))


def ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """part / whole, nan where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def label_pair(
    truth: Any, prediction: Any, num_classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both label maps as uint8, of one shape; the prediction's ids below `num_classes`.

    Raises:
        ValueError: they are not. Ids of the truth are left to the caller, who counts them.
    """
    truth, prediction = _labels("truth", truth), _labels("prediction", prediction)
    if truth.shape != prediction.shape:
        raise ValueError(
            "`prediction` must have the shape of `truth`. "
            f"Received: prediction.shape={prediction.shape}, truth.shape={truth.shape}. "
            "Predict in the photo's own grid."
        )
    if prediction.size and prediction.max() >= num_classes:
        raise wrong_id("prediction", int(prediction.max()), num_classes)
    return truth, prediction


def wrong_id(name: str, received: int, classes: int) -> ValueError:
    """The error for an id out of range; `name` is "truth" or "prediction"."""
    return ValueError(
        f"`{name}` must hold class ids below {classes}{', or 255' if name == 'truth' else ''}. "
        f"Received: {received}. Is it of another label space?"
    )


def _labels(name: str, values: Any) -> NDArray[np.uint8]:
    """`values` as uint8, or a ValueError for what does not fit."""
    array = np.asarray(values)
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`{name}` must hold integer class ids. Received: {name}.dtype={array.dtype}. "
            "Take the arg max of scores first."
        )
    if array.size and (array.min() < 0 or array.max() >= _IDS):
        raise ValueError(
            f"`{name}` must hold ids in 0..255. Received: {array.min()}..{array.max()}. "
            "Pixels to ignore have the id 255 in the truth."
        )
    return array.astype(np.uint8)

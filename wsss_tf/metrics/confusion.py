"""The confusion matrix of a split, and the measures read from it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_IGNORED = 255
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
        if not 1 <= num_classes <= _IGNORED:
            raise ValueError(
                f"`num_classes` must be in 1..{_IGNORED}. Received: num_classes={num_classes}. "
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
        truth, prediction = _labels("truth", truth), _labels("prediction", prediction)
        if truth.shape != prediction.shape:
            raise ValueError(
                "`prediction` must have the shape of `truth`. "
                f"Received: prediction.shape={prediction.shape}, truth.shape={truth.shape}. "
                "Predict in the photo's own grid."
            )
        classes = self.num_classes
        if prediction.size and prediction.max() >= classes:
            raise _wrong_id("prediction", int(prediction.max()), classes)
        # One row for every value of truth: counting the ignored pixels, too, is faster than
        # selecting the others, and rows that should be empty show ids out of range.
        pairs = truth.ravel().astype(np.intp)
        pairs *= classes
        pairs += prediction.ravel()
        counts = np.bincount(pairs, minlength=_IDS * classes).reshape(_IDS, classes)
        beyond = np.flatnonzero(counts[classes:_IGNORED].any(axis=1))
        if beyond.size:
            raise _wrong_id("truth", classes + int(beyond[-1]), classes)
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

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, float64 [C] in 0..1.

        nan for a class that is neither in the truth nor predicted.
        """
        hits = np.diagonal(self.counts)
        return _ratio(hits, self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits)

    def miou(self) -> float:
        """Mean of `iou` over the classes that have one; nan where none has."""
        return _mean(self.iou())

    def pixel_accuracy(self) -> float:
        """Share of pixels predicted right; nan without pixels."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    def class_accuracy(self) -> NDArray[np.float64]:
        """Share of each true class's pixels predicted right, float64 [C]; nan for an absent one."""
        return _ratio(np.diagonal(self.counts), self.counts.sum(axis=1))

    def mean_class_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes in the truth; nan where none is."""
        return _mean(self.class_accuracy())


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


def _wrong_id(name: str, received: int, classes: int) -> ValueError:
    return ValueError(
        f"`{name}` must hold class ids below {classes}{', or 255' if name == 'truth' else ''}. "
        f"Received: {received}. Is it of another label space?"
    )


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """part / whole, nan where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is no nan; nan, and no warning, where nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")

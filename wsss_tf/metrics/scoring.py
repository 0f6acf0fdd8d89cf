"""All measures of a split in one pass over its photos."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.metrics.bootstrap import bootstrap
from wsss_tf.metrics.confusion import ConfusionMatrix, tally
from wsss_tf.metrics.trimap import Trimap


class Scoring:
    """Compares label maps with their truth, photo by photo.

    Args:
        names: of all classes, background first.
        about: what `result` says first of what was scored.

    Attributes:
        confusion: the `ConfusionMatrix` of all photos.
        trimap: the `Trimap` of all photos.
        ids: of the photos, in the order they came.
        seconds: {"predict": 0.0, "score": 0.0}, for the caller to add to.
    """

    def __init__(self, names: Sequence[str], *, about: Mapping[str, Any] | None = None) -> None:
        self.names, self.about = tuple(names), dict(about or {})
        self.confusion = ConfusionMatrix(len(self.names))
        self.trimap = Trimap(len(self.names))
        self.ids: list[str] = []
        self.seconds = {"predict": 0.0, "score": 0.0}
        # A photo has few classes: the tallies of all would be 50 MB for COCO.
        self._photos: list[tuple[NDArray[np.intp], NDArray[np.int64]]] = []
        self._accuracies: list[float] = []

    def update(self, photo_id: str, truth: Any, prediction: Any) -> None:
        """Adds one photo; pixels of truth 255 are ignored.

        Args:
            photo_id: its name in `rows`.
            truth: integers [H, W], each a class id or 255.
            prediction: integers [H, W], each a class id.

        Raises:
            ValueError: for other dtypes, shapes or ids; nothing is then counted.
        """
        photo = ConfusionMatrix(len(self.names))
        photo.update(truth, prediction)
        self.trimap.update(truth, prediction)
        self.confusion += photo
        pixels = tally(photo.counts)
        occurring = np.flatnonzero(pixels[1])
        self.ids.append(photo_id)
        self._photos.append((occurring, pixels[:, occurring]))
        self._accuracies.append(photo.pixel_accuracy())

    def miou(self) -> float:
        """Mean IoU over the classes that are in the truth or predicted, 0..1; nan without any."""
        return self.confusion.miou()

    def tallies(self) -> NDArray[np.int64]:
        """Intersection and union of each class in each photo, int64 [N, 2, C]: for `bootstrap`."""
        dense = np.zeros((len(self.ids), 2, len(self.names)), np.int64)
        for row, (occurring, pixels) in zip(dense, self._photos, strict=True):
            row[:, occurring] = pixels
        return dense

    def result(self) -> dict[str, Any]:
        """All measures as what JSON can hold: fractions in 0..1, None where nothing counts.

        Keys: those of `about`, photos, classes, miou, iou (by class), pixel_accuracy,
        mean_class_accuracy, miou_interval (level, resamples, seed, low, high), foreground_miou
        (the mean of the two IoUs of object against background), confusion (rows are the truth),
        trimap (width, pixel_accuracy, miou: lists), seconds (predict, score).
        """
        started = time.perf_counter()
        confusion, trimap = self.confusion, self.trimap
        interval = asdict(bootstrap(self.tallies()))
        found = {
            **self.about,
            "photos": len(self.ids),
            "classes": list(self.names),
            "miou": _number(confusion.miou()),
            "iou": dict(zip(self.names, _numbers(confusion.iou()), strict=True)),
            "pixel_accuracy": _number(confusion.pixel_accuracy()),
            "mean_class_accuracy": _number(confusion.mean_class_accuracy()),
            "miou_interval": {
                **{key: interval[key] for key in ("level", "resamples", "seed")},
                **{end: _number(interval[end]) for end in ("low", "high")},
            },
            "foreground_miou": _number(confusion.foreground().miou()),
            "confusion": confusion.counts.tolist(),
            "trimap": {
                "width": list(range(1, trimap.widest + 1)),
                "pixel_accuracy": _numbers(trimap.pixel_accuracy()),
                "miou": _numbers(trimap.miou()),
            },
        }
        score = self.seconds["score"] + time.perf_counter() - started
        found["seconds"] = {"predict": round(self.seconds["predict"], 3), "score": round(score, 3)}
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row a photo, as what JSON can hold.

        Keys: id, miou, pixel_accuracy (None where nothing counts), and tally: {class: [pixels of
        its intersection, of its union]} of the classes that occur, for `tallies_from_rows`.
        """
        rows = []
        photos = zip(self.ids, self._photos, self._accuracies, strict=True)
        for photo_id, (occurring, pixels), accuracy in photos:
            columns = zip(occurring.tolist(), pixels.T.tolist(), strict=True)
            miou = float(np.mean(pixels[0] / pixels[1])) if occurring.size else math.nan
            rows.append(
                {
                    "id": photo_id,
                    "miou": _number(miou),
                    "pixel_accuracy": _number(accuracy),
                    "tally": {self.names[column]: pair for column, pair in columns},
                }
            )
        return rows


def score_table(found: Mapping[str, Any]) -> str:
    """`Scoring.result` as aligned lines, in per cent; a class that does not count shows a dash."""
    interval = found["miou_interval"]
    measures = {
        **found["iou"],
        "mIoU": found["miou"],
        "pixel accuracy": found["pixel_accuracy"],
        "class accuracy": found["mean_class_accuracy"],
        "fg/bg mIoU": found["foreground_miou"],
    }
    width = max(len(name) for name in measures)
    lines = [f"{name:<{width}}  {_per_cent(value):>5}" for name, value in measures.items()]
    lines[len(found["iou"])] += (
        f"  ({_per_cent(interval['low'])} to {_per_cent(interval['high'])}: "
        f"{100 * interval['level']:g} % of {interval['resamples']} resamples of the photos)"
    )
    absent = [name for name, value in found["iou"].items() if value is None]
    lines += [
        f"{name} is neither in the truth nor predicted: no part in the mean." for name in absent
    ]
    return "\n".join(lines)


def _per_cent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else float(value)


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]

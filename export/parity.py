"""Whether the forms of a network answer as its Keras model does, on real photos."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.export.forms import Form
from wsss_tf.export.samples import Sample
from wsss_tf.images import enlarged
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.training import Predictor

BARS = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.98, "crf": 0.999}
"""The share of pixels that must get the Keras model's label, by the kind of a form."""
MIOU_MARGIN = 0.01
"""An int8 form may do with fewer where its mIoU is at most this far below the Keras model's."""

Row = dict[str, Any]


def compared(forms: Sequence[Form], predictor: Predictor, samples: Iterable[Sample]) -> list[Row]:
    """Compares forms with the Keras model that they come from.

    Args:
        forms: to compare; at least one.
        predictor: that `wsss-tf predict RUN` would use, with the CRF that the forms have, if any.
        samples: photos; each is looked at by all before the next one.

    Returns:
        A row for each form: its name, the number of photos, the largest difference of a
        probability (None for a form that gives none), the share of pixels of equal label, mIoU of
        both (None without truth), the bar and whether it passed.
    """
    tallies = [_Tally(form, predictor.labels.num_classes) for form in forms]
    for sample in samples:
        expected = predictor.probabilities(sample.pixels)
        labels = enlarged(expected.argmax(axis=-1).astype(np.uint8), sample.pixels.shape[:2])
        for tally in tallies:
            tally.add(sample, labels, expected)
    return [tally.row() for tally in tallies]


def failed(rows: Iterable[Row]) -> list[str]:
    """Names of the forms below their bar."""
    return [row["form"] for row in rows if not row["passed"]]


def parity_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, which also reads as text."""
    head = ("form", "photos", "max difference", "agreement", "mIoU", "mIoU Keras", "bar", "")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, tuple("-" * width for width in widths))
    lines = (
        " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        for line in cells
    )
    return "\n".join(f"| {line} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row["form"],
        str(row["photos"]),
        _number(row["max_difference"], "{:.1e}"),
        # Rounded down: a share below the bar must not look like one that meets it.
        "{:.5f}".format(math.floor(1e5 * row["agreement"]) / 1e5),
        _number(row["miou"], "{:.4f}"),
        _number(row["miou_keras"], "{:.4f}"),
        str(row["bar"]),
        "passed" if row["passed"] else "FAILED",
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


class _Tally:
    """What one form does, photo by photo."""

    def __init__(self, form: Form, classes: int) -> None:
        self.form = form
        self.photos = self.pixels = self.equal = 0
        self.difference: float | None = None
        self.finite = True
        self.scored = 0
        self.confusion, self.keras = ConfusionMatrix(classes), ConfusionMatrix(classes)

    def add(self, sample: Sample, labels: NDArray[np.uint8], expected: NDArray[np.float32]) -> None:
        """Tries the form on one more photo."""
        found, probabilities = self.form.answer(sample)
        self.photos += 1
        self.pixels += labels.size
        same_size = found.shape == labels.shape
        self.equal += int(np.sum(found == labels)) if same_size else 0
        if probabilities is not None:
            same_grid = probabilities.shape == expected.shape
            # nan where a number is not finite; no probability is further apart than 1.
            apart = float(np.abs(probabilities - expected).max()) if same_grid else 1.0
            self.finite &= math.isfinite(apart)
            self.difference = max(self.difference or 0.0, apart if math.isfinite(apart) else 1.0)
        inside = same_size and found.max() < self.confusion.num_classes
        if sample.truth is not None and inside:
            self.scored += 1
            self.confusion.update(sample.truth, found)
            self.keras.update(sample.truth, labels)

    def row(self) -> Row:
        """The form's row of the table."""
        agreement = self.equal / self.pixels if self.pixels else 0.0
        mious = [_or_none(matrix.miou()) for matrix in (self.confusion, self.keras)]
        if self.scored < self.photos:
            mious = [None, None]  # Of some photos only, it would be of other photos than the rest.
        bar = BARS[self.form.kind]
        passed = agreement >= bar or (self.form.kind == "int8" and _is_near(*mious))
        return {
            "form": self.form.name,
            "photos": self.photos,
            "max_difference": self.difference,
            "agreement": agreement,
            "miou": mious[0],
            "miou_keras": mious[1],
            "bar": bar,
            "passed": passed and self.finite,
        }


def _is_near(miou: float | None, keras: float | None) -> bool:
    return miou is not None and keras is not None and miou >= keras - MIOU_MARGIN


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value

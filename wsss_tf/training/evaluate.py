"""IoU of a trained run's label maps; the only place that opens pixel labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from tqdm import tqdm

from wsss_tf.data import DataSet, check_truth, open_dataset, truth_pairs
from wsss_tf.errors import DataError
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.training.predict import Predictor
from wsss_tf.training.regions import can_keep_regions, fill_regions
from wsss_tf.training.run_folder import RunFolder


def open_run_data(run: RunFolder, split: str) -> DataSet:
    """The data set that `run` was trained on.

    Raises:
        DataError: it cannot be opened, or has no photos in `split`.
        RunError: its classes are no longer those of the run.
    """
    dataset = open_dataset(run.recipe.data, root=run.data_root)
    dataset.split(split)
    run.require_labels(dataset.labels)
    return dataset


def evaluate(
    run: RunFolder, dataset: DataSet, split: str, *, crf: bool | None = None
) -> ConfusionMatrix:
    """Predicts every photo of `split` and compares it with its mask; 255 in a mask is ignored.

    Args:
        run, dataset, split: as for `open_run_data`.
        crf: as for `Predictor`.

    Raises:
        DataProblems: masks that are missing, of another size, in RGB or with unknown ids; all of
            them, before the first prediction. Photos whose regions cannot be found, likewise.
        DataError: no pixel counts.
    """
    check_truth(dataset, split)
    keep = can_keep_regions(run)
    predictor = Predictor(run, crf=crf, keep_regions=keep)
    if keep:
        fill_regions(run, predictor.crf, dataset.split(split))
    matrix = ConfusionMatrix(dataset.labels.num_classes)
    total = len(dataset.split(split))
    for _, photo, truth in tqdm(
        truth_pairs(dataset, split), total=total, desc="evaluate", unit="photo"
    ):
        matrix.update(truth, predictor(photo))
    if not matrix.counts.any():
        raise DataError(f"{split}: every pixel of its masks is 255, or of a class not kept.")
    return matrix


def scores(matrix: ConfusionMatrix, names: tuple[str, ...]) -> dict[str, Any]:
    """The matrix in words: mIoU, per-class IoU and pixel accuracy, fractions in 0..1.

    A class that is neither in the truth nor predicted has IoU None and no part in the mean.
    """
    iou = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(names, matrix.iou(), strict=True)
    }
    return {
        "miou": float(matrix.miou()),
        "iou": iou,
        "pixel_accuracy": float(matrix.pixel_accuracy()),
    }


def iou_table(found: dict[str, Any]) -> str:
    """`scores` as aligned lines, in per cent; a class that does not count shows a dash."""
    width = max(len(name) for name in found["iou"])
    rows = [
        f"{name:<{width}}  {'-' if iou is None else f'{100 * iou:.1f}':>5}"
        for name, iou in found["iou"].items()
    ]
    return "\n".join([*rows, f"{'mIoU':<{width}}  {100 * found['miou']:5.1f}"])

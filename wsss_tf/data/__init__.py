"""Data sources and the tf.data pipelines over any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsss_tf.data.sources import DataSet, Photo, open_dataset
from wsss_tf.data.truth import check_truth, truth_pairs

if TYPE_CHECKING:
    from wsss_tf.data.named_errors import named_errors
    from wsss_tf.data.pipeline import photo_dataset, training_batches, training_dataset

__all__ = [
    "DataSet",
    "Photo",
    "check_truth",
    "named_errors",
    "open_dataset",
    "photo_dataset",
    "training_batches",
    "training_dataset",
    "truth_pairs",
]


def __getattr__(name: str) -> Any:
    # Checking a data set must not take the three seconds that TensorFlow takes to load.
    if name == "named_errors":
        from wsss_tf.data.named_errors import named_errors

        return named_errors
    if name in ("photo_dataset", "training_batches", "training_dataset"):
        from wsss_tf.data import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

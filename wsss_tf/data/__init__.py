"""Data sources and the tf.data pipelines over any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsss_tf.data.sources import DataSet, Photo, open_dataset
from wsss_tf.data.truth import check_truth, truth_digest, truth_maps, truth_pairs

if TYPE_CHECKING:
    from wsss_tf.data.element_errors import named_errors
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
    "truth_digest",
    "truth_maps",
    "truth_pairs",
]


def __getattr__(name: str) -> Any:
    # Checking a data set must not take the three seconds that TensorFlow takes to load.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wsss_tf.data import element_errors, pipeline

    return getattr(element_errors if name == "named_errors" else pipeline, name)

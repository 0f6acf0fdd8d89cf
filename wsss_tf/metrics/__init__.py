"""Measures of segmentation quality."""

from wsss_tf.metrics.bootstrap import Interval, bootstrap, paired_bootstrap, tallies_from_rows
from wsss_tf.metrics.confusion import ConfusionMatrix
from wsss_tf.metrics.scoring import Scoring, score_table
from wsss_tf.metrics.trimap import Trimap

__all__ = [
    "ConfusionMatrix",
    "Interval",
    "Scoring",
    "Trimap",
    "bootstrap",
    "paired_bootstrap",
    "score_table",
    "tallies_from_rows",
]

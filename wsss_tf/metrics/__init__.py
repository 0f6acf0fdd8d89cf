"""Measures of segmentation quality."""

from wsss_tf.metrics.confusion import ConfusionMatrix

__all__ = ["ConfusionMatrix"]

"""Losses that need no pixel label, and the pooling they share."""

from wsss_tf.losses.layer import LogSumExpPool, WeakSegmentationLoss
from wsss_tf.losses.pooling import log_sum_exp_pool
from wsss_tf.losses.segmentation import foreground_loss, multi_class_loss, tag_loss

__all__ = [
    "LogSumExpPool",
    "WeakSegmentationLoss",
    "foreground_loss",
    "log_sum_exp_pool",
    "multi_class_loss",
    "tag_loss",
]

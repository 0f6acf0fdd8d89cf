"""Prediction from a bundle without TensorFlow: photos in, label maps out.

`Segmenter` predicts here, by onnxruntime; `Client` asks a server of TensorFlow Serving. Installed
as `wsss_tf.serving`. onnxruntime loads when a bundle's model does, gRPC when a `Client` speaks it.
"""

from wsss_tf.serving.batch import Outcome, predict_files
from wsss_tf.serving.bundle import Bundle, is_bundle, open_bundle
from wsss_tf.serving.client import Client
from wsss_tf.serving.listing import photo_files
from wsss_tf.serving.options import SegmenterOptions
from wsss_tf.serving.providers import PROVIDERS
from wsss_tf.serving.segmenter import Segmentation, Segmenter

__all__ = [
    "PROVIDERS",
    "Bundle",
    "Client",
    "Outcome",
    "Segmentation",
    "Segmenter",
    "SegmenterOptions",
    "is_bundle",
    "open_bundle",
    "photo_files",
    "predict_files",
]

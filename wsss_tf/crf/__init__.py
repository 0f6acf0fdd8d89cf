"""Dense mean-field inference with region terms, as a TensorFlow graph."""

from wsss_tf.crf.layer import DenseCRF
from wsss_tf.crf.settings import CrfSettings
from wsss_tf.crf.unary import unary_energies

__all__ = ["CrfSettings", "DenseCRF", "unary_energies"]

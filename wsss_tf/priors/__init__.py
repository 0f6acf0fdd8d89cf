"""Built-in priors: activations to foreground probability to class probabilities."""

from wsss_tf.priors.classes import Fusion, class_probabilities, label_map, scaled_cams
from wsss_tf.priors.foreground import foreground_probability
from wsss_tf.priors.resizing import resize, size_within
from wsss_tf.priors.views import Views, mean_over_views

__all__ = [
    "Fusion",
    "Views",
    "class_probabilities",
    "foreground_probability",
    "label_map",
    "mean_over_views",
    "resize",
    "scaled_cams",
    "size_within",
]

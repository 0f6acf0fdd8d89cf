"""The dense CRF that a recipe describes, and the size at which the stages run it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from wsss_tf.config import CrfSettings, Recipe
from wsss_tf.crf import DenseCRF
from wsss_tf.priors import size_within

# A larger photo is reduced to this longer side for the CRF. Memory and time grow with pixels times
# labels: 21 labels on a phone's photo would take many GB, and kernels meant for photos of 500
# pixels would reach over a small part of it.
CRF_SIDE = 1024


def dense_crf(settings: CrfSettings) -> DenseCRF:
    """The layer that `settings` describe.

    Their `unary` is for `crf.unary_energies`, and their `regions` are what it is called with.
    """
    return DenseCRF(**settings.model_dump(exclude={"unary", "regions"}))


def inference_crf(recipe: Recipe, wanted: bool | None) -> CrfSettings | None:
    """The CRF of prediction and evaluation.

    Args:
        recipe: of the run.
        wanted: True for one, by default values where the recipe has none; False for none; None for
            what the recipe says.
    """
    if wanted is None:
        return recipe.inference.crf
    return (recipe.inference.crf or CrfSettings()) if wanted else None


def photo_within(photo: Any, side: int) -> tf.Tensor:
    """A photo with its longer side reduced to `side`, averaged; a smaller photo as it is.

    Args:
        photo: uint8 [H, W, 3].
        side: in pixels.

    Returns:
        uint8 [h, w, 3], of the size that `priors.size_within` gives.
    """
    pixels = tf.image.resize(photo, size_within(tf.shape(photo)[:2], side), antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def on_cpu() -> AbstractContextManager[Any]:
    """Runs a CRF on the CPU in a process that has trained.

    Training asks TensorFlow for deterministic operations, of which the CRF's sparse products have
    no form for GPUs: there they raise. (The masks stage runs in `tf.data`, on the CPU anyway.)
    """
    return tf.device("CPU:0")

"""The ImageNet weights that Keras offers, downloaded at run time."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import CheckpointError
from wsss_tf.nets import weight_files

_FILES = "vgg16_weights_tf_dim_ordering_tf_kernels*.h5"


def downloaded_files() -> tuple[Path, ...]:
    """The files of ImageNet weights that Keras has downloaded, with and without the top."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if not os.access(home, os.W_OK):
        home = Path("/tmp/.keras")  # Where Keras goes then.
    return tuple(sorted((home / "models").glob(_FILES)))


class ApplicationWeights:
    """A WeightFile over `keras.applications.VGG16`, which downloads the weights when it must."""

    source = "keras.applications.VGG16(weights='imagenet')"

    def __init__(self, *, top: bool):
        try:
            network = keras.applications.VGG16(weights="imagenet", include_top=top)
        except Exception as error:
            # Keras turns a failed download into a bare Exception; other errors are not ours.
            if not isinstance(error, OSError | ValueError) and not isinstance(
                error.__context__, OSError
            ):
                raise
            raise CheckpointError(
                f"{self.source}: cannot be had ({error}). Check the connection, or download the "
                "file elsewhere and give its path as backbone.weights."
            ) from error
        self._variables = {
            f"{weight_files.KERAS_NAMES.get(layer.name, layer.name)}_{part}": getattr(layer, part)
            for layer in network.layers
            for part in ("kernel", "bias")
            if layer.weights
        }
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(v.shape) for name, v in self._variables.items()
        }

    def read(self, name: str) -> NDArray[np.float32]:
        array = keras.ops.convert_to_numpy(self._variables[name])
        return weight_files.checked(array, name, self.source)

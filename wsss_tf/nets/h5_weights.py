"""VGG-16 weights in an HDF5 file, in the layout of `keras.applications`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import CheckpointError
from wsss_tf.nets import weight_files

_DAMAGED = (OSError, RuntimeError, KeyError, TypeError, ValueError, UnicodeError)


class H5Weights:
    """A WeightFile over an `.h5`: one group for each layer, with its kernel and its bias in it."""

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        self._paths: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        try:
            with h5py.File(path, "r") as file:
                # visititems follows no soft or external link: nothing outside the file is read.
                file.visititems(self._add)
        except _DAMAGED as error:
            raise weight_files.damaged(self.source, error) from error

    def read(self, name: str) -> NDArray[np.float32]:
        try:
            with h5py.File(self._path, "r") as file:
                array = file[self._paths[name]][()]
        except _DAMAGED as error:
            raise weight_files.damaged(self.source, error) from error
        if array.shape != self.shapes[name]:
            raise CheckpointError(f"{self.source}: changed while it was read. Load it again.")
        return weight_files.checked(array, name, self.source)

    def _add(self, path: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        layer = path.removeprefix("model_weights/").split("/")[0]
        name = (
            f"{weight_files.KERAS_NAMES.get(layer, layer)}_{'bias' if item.ndim == 1 else 'kernel'}"
        )
        weight_files.require_float(item.dtype, name, self.source)
        if item.external or item.is_virtual:
            raise CheckpointError(f"{self.source}: {name} lies in another file. Save them as one.")
        if item.chunks:
            # A chunk may be larger than its array, and may unpack to any size.
            raise CheckpointError(
                f"{self.source}: {name} must not be chunked or compressed. Save it without."
            )
        if name in self.shapes:
            raise CheckpointError(
                f"{self.source}: {layer} must hold one kernel and one bias. "
                f"Received: {self._paths[name]} and {path}. Save only the network's weights."
            )
        self._paths[name] = path
        self.shapes[name] = tuple(item.shape)

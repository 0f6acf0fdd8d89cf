"""Kept activations: what leaves the frozen blocks is computed once for each view of a photo."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.config import AugmentSettings, ScheduleSettings
from wsss_tf.data import Photo
from wsss_tf.files import sha256
from wsss_tf.training.activation_file import ActivationFile
from wsss_tf.training.run_folder import RunFolder

logger = logging.getLogger(__name__)

Batch = dict[str, tf.Tensor]

FORMAT = 1
LARGEST = 65504.0
"""The largest float16; VGG-16's activations reach some thousands. Larger ones are clipped."""


class WholeNetwork(contextlib.AbstractContextManager["WholeNetwork"]):
    """A network in training mode that runs all its layers on a batch's photos."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def __call__(self, batch: Batch) -> Any:
        """The outputs of the network for a batch of `prepared`."""
        return self.model(batch["photo"], training=True)

    def prepared(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """The batches with all that a call needs."""
        return batches

    def __exit__(self, *error: object) -> None:
        return None


class FrozenFront(WholeNetwork):
    """A network whose frozen blocks run once for each view of a photo; their output is kept.

    The layers after them always get values that were rounded to float16, also the first time, and
    that were computed for one photo at a time: so they do not hang on what was kept before, or on
    the batch, and a first, a repeated and a resumed run agree in every bit.

    Use it as a context: its end closes the file.

    Args:
        run: the activations are kept in its folder, or where its recipe says.
        model: the whole network; its layers are shared.
        frozen_blocks: 1 to 5, the blocks of VGG-16 that keep their weights.
        photos: of the training split, by the batch's `index`.
        augment: of the batches; `views` is given.
    """

    def __init__(
        self,
        run: RunFolder,
        model: keras.Model,
        frozen_blocks: int,
        *,
        photos: Sequence[Photo],
        augment: AugmentSettings,
    ) -> None:
        super().__init__(model)
        self.run = run
        self.folder = run.recipe.data.activations_cache or run.path / "activations"
        self.seed, self.photos, self.augment = run.recipe.seed, photos, augment
        self.front, self.rest = split_network(model, frozen_blocks)
        self._opened = contextlib.ExitStack()

    def __call__(self, batch: Batch) -> Any:
        """As `WholeNetwork`; the gradients of all layers that are trained are the same."""
        activations = tf.cast(batch["activations"], tf.float32)
        return self.rest([batch["photo"], activations], training=True)

    def prepared(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Adds "activations", float16 [B, h, w, C], to every batch.

        Raises:
            RunError: another process uses the file, or the disk lacks room; at the first batch.
        """
        views, crop = self.augment.views or 1, self.augment.crop
        # Only now: a checkpoint may have been loaded into the model since it was made.
        opened = ActivationFile.open(
            self.folder,
            self._about(),
            entries=len(self.photos) * views,
            shape=tuple(self.front.compute_output_shape((1, crop, crop, 3))[1:]),
        )
        file = self._opened.enter_context(opened)
        if not self.run.owns(file.path):
            self.run.record_files([file.path], kind="kept")
        rounded = tf.function(self._rounded)
        clipped = False
        for batch in batches:
            entries = batch["index"].numpy().astype(int) * views + batch["view"].numpy()
            values = []
            for entry, photo in zip(entries.tolist(), batch["photo"], strict=True):
                kept = file.read(entry)
                if kept is None:
                    kept = rounded(photo).numpy()
                    file.write(entry, kept)
                    if not clipped and np.max(kept) >= LARGEST:
                        clipped = True
                        logger.warning("%s: activations above %g are clipped", file.path, LARGEST)
                values.append(kept)
            yield {**batch, "activations": tf.constant(np.stack(values))}

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def _rounded(self, photo: tf.Tensor) -> tf.Tensor:
        """uint8 [crop, crop, 3] -> float16 [h, w, C]."""
        return tf.cast(tf.minimum(self.front(photo[None], training=False)[0], LARGEST), tf.float16)

    def _about(self) -> dict[str, Any]:
        """All that the activations hang on, but the kind of processor."""
        photos = hashlib.sha256()
        for photo in self.photos:
            photos.update(f"{photo.id}\0{sha256(photo.path)}\0".encode())
        return {
            "format": FORMAT,
            "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
            "layers": [_form(layer) for layer in self.front.layers],
            "weights": _digest(self.front.weights),
            "augment": self.augment.model_dump(mode="json"),
            "seed": self.seed,
            "photos": {"count": len(self.photos), "sha256": photos.hexdigest()},
        }


def training_network(
    run: RunFolder,
    model: keras.Model,
    settings: ScheduleSettings,
    *,
    photos: Sequence[Photo],
    augment: AugmentSettings,
) -> WholeNetwork:
    """The network of a stage in training mode: with kept activations if its settings want them."""
    if not settings.keep_activations:
        return WholeNetwork(model)
    return FrozenFront(run, model, settings.frozen_blocks, photos=photos, augment=augment)


def split_network(model: keras.Model, blocks: int) -> tuple[keras.Model, keras.Model]:
    """Splits a network built on `nets.vgg.vgg16` after a block, after its pool where it has one.

    Args:
        model: photo -> outputs.
        blocks: 1 to 5, the blocks of the front.

    Returns:
        Two models that share the layers: photo -> activations, and [photo, activations] ->
        outputs. The second looks at the size of its photo at most.
    """
    last = [layer for layer in model.layers if layer.name.startswith(f"block{blocks}_")][-1]
    front = keras.Model(model.input, last.output, name="frozen")
    return front, keras.Model([model.input, last.output], model.output, name="trained")


def _form(layer: keras.Layer) -> dict[str, Any]:
    """A layer's settings, without those of its start."""
    config = layer.get_config()
    config = {key: value for key, value in config.items() if not key.endswith("_initializer")}
    return {"class": type(layer).__name__, **config, "trainable": None}


def _digest(weights: Sequence[keras.Variable]) -> str:
    digest = hashlib.sha256()
    for variable in weights:
        array: NDArray[Any] = keras.ops.convert_to_numpy(variable.value)
        digest.update(f"{array.shape} {array.dtype} ".encode() + array.tobytes())
    return digest.hexdigest()

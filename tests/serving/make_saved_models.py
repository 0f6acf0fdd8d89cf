"""Two versions of a small SavedModel, and what each says of photos: run as a program of its own.

    python tests/serving/make_saved_models.py PHOTOS OUT

Writes OUT/saved_model/1 and 2 by the code that exports a run's network, in place of which there is
one of two layers; loads them afresh; and writes OUT/labels.npz: for VERSION, SIGNATURE and NAME the
array VERSION/SIGNATURE/NAME, by the signatures that take the pixels of PHOTOS/NAME as displayed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from wsss_tf.config import CrfSettings
from wsss_tf.export.graphs import Inference
from wsss_tf.export.saved_model import write_saved_model
from wsss_tf.images import read_photo

CLASSES = 4
SIDE = 96
"""Above which photos are reduced, as a run's network does."""
SIGNATURES = {"jpeg": "serving_default", "jpeg_crf": "serving_default_crf"}
CRF_PIXELS = 10_000
"""Of a photo, above which the CRF would take longer than its test is worth."""


def network(seed: int) -> keras.Model:
    """Tells colours apart, and so has borders where a photo has."""
    generator = np.random.default_rng(seed)
    photo = keras.Input((None, None, 3))
    seen = keras.layers.Rescaling(1 / 64, offset=-2)(photo)
    first = keras.layers.Conv2D(8, 3, padding="same", activation="relu")
    last = keras.layers.Conv2D(CLASSES, 1)
    model = keras.Model(photo, last(first(seen)))
    for layer in (first, last):
        weights = generator.normal(0, 0.7, layer.kernel.shape)
        layer.set_weights([weights, np.zeros(layer.bias.shape)])
    return model


def main(photos: Path, out: Path) -> None:
    pixels = {path.name: read_photo(path) for path in sorted(photos.iterdir())}
    found = {}
    for version in (1, 2):
        folder = out / "saved_model" / str(version)
        inference = Inference(network(version), side=SIDE)
        write_saved_model(folder, inference, crf=CrfSettings(), max_pixels=10_000_000)
        loaded = tf.saved_model.load(str(folder))
        for name, signature in SIGNATURES.items():
            function = loaded.signatures[signature]
            for photo, values in pixels.items():
                if signature == "serving_default" or values[..., 0].size <= CRF_PIXELS:
                    labels = function(pixels=values[None])["labels"][0]
                    found[f"{version}/{name}/{photo}"] = labels.numpy()
    np.savez(out / "labels.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

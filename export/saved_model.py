"""The network as a SavedModel for TensorFlow Serving: pixels or files in, with CRF or without.

    signature                    takes                              gives
    serving_default              pixels uint8 [B, H, W, 3]          labels, probabilities
    jpeg                         image_bytes string [B]             mask_png_bytes string [B]
    serving_default_crf          pixels                             labels, probabilities
    serving_default_crf_regions  pixels, regions int32 [B, n, h, w] labels, probabilities
    jpeg_crf                     image_bytes                        mask_png_bytes

`labels` and `probabilities` are those of `graphs.Inference`. A signature cannot leave an input
out, so the CRF with regions is one of its own; with a photo's bytes it is pairwise only.

`image_bytes` are JPEG files or 8-bit RGB PNG files (`image_bytes.decoded`), mixed as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from wsss_tf.config import CrfSettings
from wsss_tf.export.graphs import Answers, Inference
from wsss_tf.export.image_bytes import decoded

PIXELS, JPEG = "serving_default", "jpeg"
CRF = "_crf"
REGIONS = "_regions"

_PIXELS = tf.TensorSpec([None, None, None, 3], tf.uint8, name="pixels")
_REGIONS = tf.TensorSpec([None, None, None, None], tf.int32, name="regions")
_IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")


def write_saved_model(
    folder: Path, inference: Inference, *, crf: CrfSettings | None, max_pixels: int
) -> None:
    """Writes a SavedModel with the signatures above.

    Args:
        folder: to write; a version of TensorFlow Serving's layout, such as saved_model/1.
        inference: of a run.
        crf: settings of the signatures with a CRF; None leaves them out.
        max_pixels: of a photo by its header; a larger one is refused before it is decoded.
    """
    pixels: dict[str, Callable[..., Answers]] = {PIXELS: inference}
    signatures = {}
    if crf:
        pixels[PIXELS + CRF] = inference.sharpened(crf)
        signatures[PIXELS + CRF + REGIONS] = _graph(pixels[PIXELS + CRF], _PIXELS, _REGIONS)
    for name, function in pixels.items():
        signatures[name] = _graph(function, _PIXELS)
        jpeg = name.replace(PIXELS, JPEG)
        signatures[jpeg] = _graph(_of_bytes(function, max_pixels), _IMAGE_BYTES)
    module = tf.Module()
    module.weights = list(inference.model.variables)
    # The CRF's gradients are for training; with them the file would hold the loops twice.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=signatures, options=options)


def _graph(
    function: Callable[..., Answers], *inputs: tf.TensorSpec
) -> tf.types.experimental.ConcreteFunction:
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()


def _of_bytes(function: Callable[..., Answers], max_pixels: int) -> Callable[..., Answers]:
    """From a photo's bytes to PNG bytes of class ids, photo by photo, each of its own size.

    TensorFlow Serving has base64 undone already. EXIF orientation is not applied: the mask lies
    over the pixels as they are stored.
    """

    def mask(image: tf.Tensor) -> tf.Tensor:
        labels = function(decoded(image, max_pixels)[None])["labels"][0]
        return tf.io.encode_png(labels[..., None])

    def masks(images: tf.Tensor) -> Answers:
        spec = tf.TensorSpec([], tf.string)
        found = tf.map_fn(mask, images, parallel_iterations=1, fn_output_signature=spec)
        return {"mask_png_bytes": found}

    return masks

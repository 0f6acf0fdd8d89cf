"""The requests that TensorFlow Serving answers for itself whenever it loads the network.

The first answer of a graph pays for its optimisation, memory and kernels; a server that has given
one before it takes traffic keeps that from its first user. The photo is a drawn scene, so that no
photo of anybody's travels in a bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.data.scenes import render_scene
from wsss_tf.export.saved_model import CRF, JPEG, PIXELS, REGIONS

REQUESTS_FILE = "assets.extra/tf_serving_warmup_requests"
"""Where TensorFlow Serving looks for them, relative to a SavedModel."""
_SIDE, _HEIGHT = 128, 96
_REGION_SIDE = 16

# Field numbers of tensorflow_serving/apis: prediction_log.proto, predict.proto and model.proto.
# Their Python classes come with tensorflow-serving-api, which an export needs for nothing else.
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_MODEL, _REQUEST_INPUTS = 1, 2
_MODEL_NAME, _MODEL_SIGNATURE = 1, 3
_MAP_KEY, _MAP_VALUE = 1, 2
_LENGTH_DELIMITED = 2


def write_warmup(saved_model: Path, *, model: str, crf: bool) -> None:
    """Writes one request for every signature into a SavedModel's folder.

    Args:
        saved_model: its folder; a TFRecord file of PredictionLog messages comes to lie in it.
        model: the name that it is served under.
        crf: whether it has the signatures with a CRF.
    """
    path = saved_model / REQUESTS_FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(crf).items():
            writer.write(prediction_log(model, signature, inputs))


def prediction_log(model: str, signature: str, inputs: Mapping[str, tf.Tensor]) -> bytes:
    """A serialised PredictionLog of a Predict request.

    Args:
        model, signature: their names.
        inputs: of the signature, by name.
    """
    spec = _field(_MODEL_NAME, model.encode()) + _field(_MODEL_SIGNATURE, signature.encode())
    request = _field(_REQUEST_MODEL, spec)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        entry = _field(_MAP_KEY, name.encode()) + _field(_MAP_VALUE, tensor)
        request += _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _requests(crf: bool) -> dict[str, dict[str, tf.Tensor]]:
    """Inputs of every signature."""
    photo = _photo()
    pixels = {"pixels": tf.constant(photo[None])}
    image_bytes = {"image_bytes": tf.io.encode_jpeg(photo, quality=95)[None]}
    requests = {PIXELS: pixels, JPEG: image_bytes}
    if crf:
        regions = {**pixels, "regions": tf.constant(_regions(photo.shape[:2])[None, None])}
        requests |= {
            PIXELS + CRF: pixels,
            JPEG + CRF: image_bytes,
            PIXELS + CRF + REGIONS: regions,
        }
    return requests


def _photo() -> NDArray[np.uint8]:
    """uint8 [96, 128, 3]; small, as every load waits for it."""
    return render_scene(0, 0, size=_SIDE).photo[-_HEIGHT:]


def _regions(size: tuple[int, ...]) -> NDArray[np.int32]:
    """int32 [h, w]: squares."""
    rows, columns = (np.arange(side) // _REGION_SIDE for side in size)
    return (rows[:, None] * (columns[-1] + 1) + columns).astype(np.int32)


def _field(number: int, content: bytes) -> bytes:
    """A field of strings, bytes or a message: its key, its length, its content."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth bit says that more follow."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])

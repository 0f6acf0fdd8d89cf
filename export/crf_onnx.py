"""The dense CRF as an ONNX file: photo and probabilities in, refined probabilities out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from wsss_tf.crf.layer import DenseCRF
from wsss_tf.crf.low_resolution import dense_mean_field
from wsss_tf.crf.settings import CrfSettings
from wsss_tf.crf.unary import unary_energies
from wsss_tf.errors import RunError
from wsss_tf.export.onnx_model import name_axes
from wsss_tf.files import write_bytes

_AXES = {
    "photo": ("height", "width", None),
    "probabilities": ("height", "width", "labels"),
    "regions": ("layers", "height", "width"),
    "refined": ("height", "width", "labels"),
}
_TOLERANCE = 1e-3
_CHECKED_SIZE = (45, 61)


def export_crf(
    path: str | os.PathLike[str],
    crf: DenseCRF | CrfSettings,
    *,
    form: str = "log",
    regions: bool = False,
    opset: int = 17,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes mode `dense` of a CRF as an ONNX file that runs without TensorFlow.

    Inputs are `photo` uint8 [height, width, 3], `probabilities` float [height, width, labels] in
    0..1 and, with regions, `regions` int32 [layers, height, width], ids of at least 0; no layers
    leave the term out. The output is `refined`, float [height, width, labels], which sums to 1 over
    the labels. All sizes are free. No operator adds to one place from several threads, so threads
    do not change the result.

    Before the file is written it runs in onnxruntime on a small photo, against TensorFlow.

    Args:
        path: the file.
        crf: the parameters: a `DenseCRF` of any mode, or `CrfSettings`.
        form: of the energies that the probabilities become, as in `unary_energies`.
        regions: whether the graph has the region term, and takes `regions`.
        opset: of ONNX.
        metadata: texts by name, for `metadata_props`.

    Raises:
        RunError: onnxruntime and TensorFlow differ by more than 1e-3, then nothing is written; or
            `path` cannot be written.
    """
    settings = crf.settings if isinstance(crf, DenseCRF) else crf
    function = _function(settings, form)
    signature = _signature(regions)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=opset)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    name_axes([*model.graph.input, *model.graph.output], _AXES)
    content = model.SerializeToString()
    _check(path, content, function, regions)
    write_bytes(path, content)


def _signature(regions: bool) -> list[tf.TensorSpec]:
    specs = [
        tf.TensorSpec([None, None, 3], tf.uint8, name="photo"),
        tf.TensorSpec([None, None, None], tf.float32, name="probabilities"),
    ]
    if regions:
        specs.append(tf.TensorSpec([None, None, None], tf.int32, name="regions"))
    return specs


def _function(settings: CrfSettings, form: str) -> Any:
    """What the file computes, as a `tf.function`."""

    def refine(photo: Any, probabilities: Any, regions: Any = None) -> dict[str, tf.Tensor]:
        unary = unary_energies(probabilities, form=form)
        return {"refined": dense_mean_field(photo, unary, settings, regions, probabilities)}

    return tf.function(refine, autograph=False)


def _check(path: str | os.PathLike[str], content: bytes, function: Any, regions: bool) -> None:
    """Raises RunError where onnxruntime does not agree with TensorFlow."""
    inputs = _example(regions)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(["refined"], inputs)
    expected = function(*map(tf.constant, inputs.values()))["refined"].numpy()
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE:  # NaN is no agreement either.
        raise RunError(
            f"{path}: not written. The ONNX form of the CRF must agree with TensorFlow to "
            f"{_TOLERANCE}. Received: a difference of {difference:.3g} on a test photo. "
            "Try another opset, or the versions in setup.cfg."
        )


def _example(regions: bool) -> dict[str, np.ndarray]:
    """A photo of soft noise, probabilities and two layers of regions."""
    generator = np.random.default_rng(0)
    height, width = _CHECKED_SIZE
    slope = np.linspace(0, 120, width)[:, None]
    photo = (slope + generator.uniform(0, 120, (height, width, 3))).astype(np.uint8)
    probabilities = generator.dirichlet(np.ones(3), (height, width)).astype(np.float32)
    inputs: dict[str, np.ndarray] = {"photo": photo, "probabilities": probabilities}
    if regions:
        columns = np.broadcast_to(np.arange(width) // 9, (height, width))
        rows = np.broadcast_to(np.arange(height)[:, None] // 11, (height, width))
        inputs["regions"] = np.stack([columns, 1000 * rows]).astype(np.int32)
    return inputs

"""The ONNX files of a bundle: named axes, few transposes, and Keras's numbers at any size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from wsss_tf.export.onnx_model import OPSET

pytestmark = pytest.mark.slow  # Making the bundle takes a minute.

FILES = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}


def photos(*shape):
    generator = np.random.default_rng(3)
    *batch, height, width = shape
    blocks = generator.integers(0, 220, (*batch, -(-height // 8), -(-width // 8), 3))
    blocks = blocks.repeat(8, -3).repeat(8, -2)[..., :height, :width, :]
    return (blocks + generator.integers(0, 36, blocks.shape)).astype(np.uint8)


@pytest.fixture(scope="module", params=FILES)
def file(request, bundle):
    return request.param, bundle / "onnx" / FILES[request.param]


@pytest.fixture(scope="module")
def session(file):
    return onnxruntime.InferenceSession(str(file[1]), providers=["CPUExecutionProvider"])


def test_names_of_inputs_outputs_and_axes(file):
    graph = onnx.load(file[1]).graph
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    types = {
        value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)
    }
    classes = 9
    assert axes == {
        "pixels": ["batch", "height", "width", 3],
        "labels": ["batch", "height", "width"],
        "probabilities": ["batch", "grid_height", "grid_width", classes],
    }
    assert types == {"pixels": 2, "labels": 2, "probabilities": 1}  # uint8, uint8, float32


def test_opset_and_operators(file):
    kind, path = file
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=kind != "int8")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    assert opsets.get("", opsets.get("ai.onnx")) == OPSET
    kinds = Counter(node.op_type for node in model.graph.node)
    # Measured: two around each Resize, which works on channels first; none between convolutions.
    assert kinds["Transpose"] <= 4, kinds
    assert not {"Loop", "If", "Scan"} & set(kinds)


def test_weights_are_in_the_file(file):
    model = onnx.load(file[1], load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)


TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.5}


@pytest.mark.parametrize("size", [(48, 48), (1, 1), (1, 19), (33, 70), (20, 1100), (24, 2100)])
def test_gives_what_keras_gives(file, session, predictor, size):
    photo = photos(*size)
    labels, found = session.run(["labels", "probabilities"], {"pixels": photo[None]})
    expected = predictor.probabilities(photo)
    assert labels.shape == (1, *size)
    assert found.shape == (1, *expected.shape)
    # Scores of this network are large, so half precision and 8 bits move single probabilities.
    np.testing.assert_allclose(found[0], expected, atol=TOLERANCES[file[0]])
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-4)
    if file[0] == "fp32":
        np.testing.assert_array_equal(labels[0], predictor(photo))


def test_a_batch_is_its_photos(session):
    batch = photos(3, 40, 27)
    (together,) = session.run(["probabilities"], {"pixels": batch})
    for index in range(3):
        (alone,) = session.run(["probabilities"], {"pixels": batch[index : index + 1]})
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)


def test_half_precision_is_in_the_convolutions_alone(bundle):
    """And not in the classifier's, and that of the upsampling behind it."""
    model = onnx.load(bundle / "onnx" / FILES["fp16"])
    full = ("classifier", "upsample")
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        halves = [types.get(name) == onnx.TensorProto.FLOAT16 for name in node.input]
        in_full = any(name in node.name for name in full)
        assert any(halves) == (node.op_type == "Conv" and not in_full)


def test_every_convolution_up_to_the_classifier_is_in_integers(bundle, tmp_path):
    """As onnxruntime runs it: a float operation left between two would keep both in floats."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # It warns that the file is for this machine.
    path = str(bundle / "onnx" / FILES["int8"])
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["Conv"] + kinds["FusedConv"]) == (15, 2), kinds


def test_smaller_precisions_are_smaller_files(bundle):
    sizes = [(bundle / "onnx" / FILES[kind]).stat().st_size for kind in ("fp32", "fp16", "int8")]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.4 * sizes[0]

"""int8 models: ranges from the photos given, the classifier in floats, close to float32."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from wsss_tf.export.quantised import write_quantised

GENERATOR = np.random.default_rng(0)
KERNELS = {
    "first": GENERATOR.normal(0, 0.02, (8, 3, 3, 3)).astype(np.float32),
    "second": GENERATOR.normal(0, 0.3, (8, 8, 3, 3)).astype(np.float32),
    "classifier": GENERATOR.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32),
}


@pytest.fixture
def model():
    """Two convolutions with ReLU, a pool between them, and a classifier without."""
    node, pads = helper.make_node, [1, 1, 1, 1]
    nodes = [
        node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT, name="cast"),
        node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2], name="transpose"),
        node("Conv", ["planes", "first"], ["a"], pads=pads, name="conv1"),
        node("Relu", ["a"], ["b"], name="relu1"),
        node("MaxPool", ["b"], ["c"], kernel_shape=[3, 3], pads=pads, name="pool"),
        node("Conv", ["c", "second"], ["d"], pads=pads, name="conv2"),
        node("Relu", ["d"], ["e"], name="relu2"),
        node("Conv", ["e", "classifier"], ["logits"], name="classify"),
    ]
    shape = ["batch", "height", "width", 3]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4, "h", "w"])],
        [numpy_helper.from_array(values, name) for name, values in KERNELS.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    helper.set_model_props(model, {"wsss_tf.labels": "[]"})
    return model


def photos(high=256):
    generator = np.random.default_rng(1)
    return [generator.integers(0, high, (h, 20, 3), dtype=np.uint8) for h in (16, 24, 9)]


def logits(content, photo, options=None):
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": photo[None]})[0]


def test_is_close_to_float32_on_such_photos(model, tmp_path):
    before = model.SerializeToString()
    write_quantised(tmp_path / "q.onnx", model, photos())
    assert model.SerializeToString() == before
    photo = photos()[1]
    expected = logits(model.SerializeToString(), photo)
    found = logits(str(tmp_path / "q.onnx"), photo)
    # 7 bits of weights and 8 of what they act on, twice: a few 256ths of the range.
    np.testing.assert_allclose(found, expected, atol=0.03 * np.ptp(expected))
    assert np.abs(found - expected).max() > 0


@pytest.mark.parametrize("high", [2, 256])
def test_the_integers_of_this_cpu_give_what_exact_arithmetic_gives(model, tmp_path, high):
    """Some CPUs add two products in 16 bits, which weights of 8 bits overflow."""
    write_quantised(tmp_path / "q.onnx", model, photos(high))
    exact = onnxruntime.SessionOptions()
    # Then each convolution is done in floats, on what was rounded to integers.
    exact.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for photo in (*photos(high), np.full((9, 9, 3), high - 1, np.uint8)):
        expected = logits(str(tmp_path / "q.onnx"), photo, exact)
        found = logits(str(tmp_path / "q.onnx"), photo)
        np.testing.assert_allclose(found, expected, atol=0.01 * np.ptp(expected))


def test_weights_take_seven_bits(model, tmp_path):
    write_quantised(tmp_path / "q.onnx", model, photos())
    initializers = onnx.load(tmp_path / "q.onnx").graph.initializer
    weights = [numpy_helper.to_array(t) for t in initializers if t.data_type == TensorProto.INT8]
    weights = [values for values in weights if values.ndim == 4]
    assert len(weights) == 2
    for values in weights:
        # So that 255 * w + 255 * w fits into 16 bits.
        assert 60 <= np.abs(values.astype(int)).max() <= 64


def test_ranges_are_those_of_the_photos(model, tmp_path):
    write_quantised(tmp_path / "q.onnx", model, photos(high=16))
    quantised = onnx.load(tmp_path / "q.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    # The first scale divides 0..15 into 256 steps.
    first = next(node for node in quantised.graph.node if node.op_type == "QuantizeLinear")
    np.testing.assert_allclose(tensors[first.input[1]], 15 / 255, rtol=1e-5)


def test_weights_have_a_scale_for_each_channel_and_the_classifier_none(model, tmp_path):
    write_quantised(tmp_path / "q.onnx", model, photos())
    quantised = onnx.load(tmp_path / "q.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    made = {name: node for node in quantised.graph.node for name in node.output}
    scales = {}
    for node in quantised.graph.node:
        if node.op_type == "Conv" and node.input[1] in made:
            scales[node.name] = tensors[made[node.input[1]].input[1]].shape
    assert scales == {"conv1": (8,), "conv2": (8,)}
    assert tensors["classifier"].dtype == np.float32
    assert quantised.metadata_props == model.metadata_props


def test_the_photos_are_taken_one_at_a_time(model, tmp_path):
    taken = []

    def lazily():
        for photo in photos():
            taken.append(photo.shape)
            yield photo

    write_quantised(tmp_path / "q.onnx", model, lazily())
    assert len(taken) == 3

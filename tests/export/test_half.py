"""float16 models: convolutions halved, the rest as it was, the same numbers to half precision."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from wsss_tf.export.half import half_precision

GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
BIAS = GENERATOR.normal(0, 1, 4).astype(np.float32)
MEAN = np.array([100.0], np.float32)
FLOATS = (np.float32, np.float16)


def network() -> onnx.ModelProto:
    """uint8 pixels - mean, pad, convolution, ReLU, pool, Resize to twice the size, softmax."""
    node = helper.make_node
    nodes = [
        node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT, name="n0"),
        node("Sub", ["float", "mean"], ["centred"], name="n1"),
        node("Pad", ["centred", "pads"], ["padded"], name="n2"),
        node("Conv", ["padded", "kernel", "bias"], ["a"], name="n3"),
        node("Relu", ["a"], ["b"], name="n4"),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], name="n5"),
        node("Resize", ["c", "", "scales"], ["d"], mode="linear", name="n6"),
        node("Mul", ["d", "scale"], ["e"], name="n7"),
        node("Softmax", ["e"], ["probabilities"], axis=1, name="n8"),
    ]
    tensors = {
        "mean": MEAN,
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "kernel": KERNEL,
        "bias": BIAS,
        "scales": np.array([1, 1, 2, 2], np.float32),
        "scale": np.array([0.01], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["b", 4, "h", "w"])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    helper.set_model_props(model, {"wsss_tf.labels": "[]"})
    return model


def convolved_by_loops(pixels: np.ndarray) -> np.ndarray:
    """The ReLU's result in float64, one pixel at a time."""
    padded = np.pad(pixels.astype(float) - MEAN[0], ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((4, *pixels.shape[1:]))
    for channel, row, column in np.ndindex(*result.shape):
        window = padded[:, row : row + 3, column : column + 3]
        result[channel, row, column] = max(0.0, (window * KERNEL[channel]).sum() + BIAS[channel])
    return result


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def output_of(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with one more output, a tensor inside it."""
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT16, None))
    return model


def test_convolutions_are_those_of_loops_to_half_precision():
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 8), dtype=np.uint8)
    halved = session(output_of(half_precision(network()), "b"))
    (found,) = halved.run(["b"], {"pixels": pixels[None]})
    assert found.dtype == np.float16
    expected = convolved_by_loops(pixels)
    # float16 has 11 bits: inputs, weights and results are rounded to a 2048th.
    np.testing.assert_allclose(found[0], expected, rtol=4e-3, atol=4e-3 * expected.max())


def test_gives_what_float32_gives():
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3, 10, 6), dtype=np.uint8)
    (found,) = session(half_precision(network())).run(None, {"pixels": pixels})
    (expected,) = session(network()).run(None, {"pixels": pixels})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=3e-3)  # Half precision.


def test_what_counts_pixels_stays_float32():
    model = half_precision(network())
    tensors = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert tensors["scales"] == tensors["scale"] == tensors["mean"] == TensorProto.FLOAT
    assert tensors["kernel_fp16"] == tensors["bias_fp16"] == TensorProto.FLOAT16
    assert tensors["pads"] == TensorProto.INT64
    assert not {"kernel", "bias"} & set(tensors)  # Nothing is kept twice.
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert [node.attribute[0].i for node in casts] == [1, TensorProto.FLOAT16, TensorProto.FLOAT]


def test_leaves_the_model_it_is_given_and_its_metadata():
    model = network()
    before = model.SerializeToString()
    halved = half_precision(model)
    assert model.SerializeToString() == before
    assert halved.metadata_props == model.metadata_props
    assert halved.graph.input == model.graph.input
    assert halved.graph.output == model.graph.output


@pytest.mark.parametrize("value", [1e5, -1e5])
def test_a_weight_beyond_float16_shows(value):
    model = network()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    kernel.CopyFrom(numpy_helper.from_array(np.full(4, value, np.float32), "bias"))
    halved = session(output_of(half_precision(model), "a"))
    (found,) = halved.run(["a"], {"pixels": np.zeros((1, 3, 4, 4), np.uint8)})
    assert np.isinf(found).all()  # Parity then fails: nothing is clipped in silence.

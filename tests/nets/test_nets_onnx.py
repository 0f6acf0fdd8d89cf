"""The networks as ONNX graphs of any batch and size: few transposes, and the same numbers."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.nets import cam, fcn

ort = pytest.importorskip("onnxruntime")
tf2onnx = pytest.importorskip("tf2onnx")

WIDTH = 0.125


def convert(model, outputs):
    """The network with a uint8 photo as its input and these outputs, as ONNX; opset 17."""
    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="photo")]

    def run(photo):
        out = model(photo, training=False)
        return {name: tf.identity(value, name) for name, value in outputs(out).items()}

    function = tf.function(run, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=17)
    return proto, ort.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def photos(*shapes):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


@pytest.mark.parametrize("field_of_view", ["small", "large"])
def test_fcn_in_onnx(field_of_view):
    model = fcn.fcn(9, width=WIDTH, field_of_view=field_of_view)
    proto, session = convert(model, lambda logits: {"logits": logits})
    kinds = Counter(node.op_type for node in proto.graph.node)
    # Measured: 2, at the entrance and at the exit. Dilated "same" convolutions gave 18.
    assert kinds["Transpose"] <= 2, kinds
    for photo in photos((1, 17, 33), (2, 96, 64)):
        (logits,) = session.run(["logits"], {"photo": photo})
        np.testing.assert_allclose(logits, model(photo), atol=1e-4)


def test_cam_network_in_onnx():
    model = cam.cam_network(8, width=WIDTH)
    proto, session = convert(model, lambda out: out)
    kinds = Counter(node.op_type for node in proto.graph.node)
    assert kinds["Transpose"] <= 2, kinds
    for photo in photos((1, 17, 33), (2, 96, 64)):
        expected = model(photo)
        logits, cams = session.run(["tag_logits", "cams"], {"photo": photo})
        # From a random start maps reach the hundreds, where a float32 step is 1.5e-5 already.
        scale = np.abs(expected["cams"]).max()
        np.testing.assert_allclose(logits, expected["tag_logits"], atol=1e-5 * scale)
        np.testing.assert_allclose(cams, expected["cams"], atol=1e-5 * scale)

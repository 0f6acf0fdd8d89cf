"""The CRF's ONNX form: the same numbers as TensorFlow, at any size, with any number of threads."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from wsss_tf.crf.low_resolution import dense_mean_field
from wsss_tf.crf.settings import CrfSettings
from wsss_tf.crf.unary import unary_energies
from wsss_tf.errors import RunError
from wsss_tf.export import crf_onnx
from wsss_tf.export.crf_onnx import export_crf

pytestmark = pytest.mark.slow  # Converting takes 10 to 20 s.

SETTINGS = CrfSettings(iterations=5)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "regions"])
def exported(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("crf") / "crf.onnx"
    export_crf(path, SETTINGS, regions=request.param)
    return path, request.param


def session(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # More threads than cores would wait for one another at full speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs_of(size, labels, regions):
    generator = np.random.default_rng(1)
    steps = generator.integers(0, 200, (-(-size[0] // 9), -(-size[1] // 9), 3))
    photo = steps.repeat(9, 0).repeat(9, 1)[: size[0], : size[1]]
    photo = photo + generator.integers(0, 30, photo.shape)
    probabilities = generator.dirichlet(np.ones(labels), size).astype(np.float32)
    inputs = {"photo": photo.astype(np.uint8), "probabilities": probabilities}
    if regions:
        ids = generator.integers(0, 4, (2, *size)) * (2**31 - 1) // 3
        inputs["regions"] = np.sort(ids, axis=2).astype(np.int32)
    return inputs


def test_axes_are_named(exported):
    path, regions = exported
    ours = session(str(path))
    found = {each.name: each.shape for each in [*ours.get_inputs(), *ours.get_outputs()]}
    grid = {"regions": ["layers", "height", "width"]} if regions else {}
    labels = ["height", "width", "labels"]
    assert found == {
        "photo": ["height", "width", 3], "probabilities": labels, "refined": labels, **grid
    }  # fmt: skip


def test_no_layers_leave_the_region_term_out(exported):
    path, regions = exported
    inputs = inputs_of((24, 31), 4, False)
    none = {"regions": np.zeros((0, 24, 31), np.int32)} if regions else {}
    (found,) = session(str(path)).run(["refined"], {**inputs, **none})
    unary = unary_energies(inputs["probabilities"])
    expected = dense_mean_field(inputs["photo"], unary, SETTINGS)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("size", "labels"), [((1, 1), 2), ((1, 30), 3), ((40, 33), 5)])
def test_gives_what_tensorflow_gives(exported, size, labels):
    path, regions = exported
    inputs = inputs_of(size, labels, regions)
    (found,) = session(str(path)).run(["refined"], inputs)
    unary = unary_energies(inputs["probabilities"])
    expected = dense_mean_field(
        inputs["photo"], unary, SETTINGS, inputs.get("regions"), inputs["probabilities"]
    )
    assert found.shape == (*size, labels)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_gives_the_same_with_any_number_of_threads(exported):
    path, regions = exported
    inputs = inputs_of((180, 210), 3, regions)  # Cells of 2 x 2 and ten tiles of pixels.
    (expected,) = session(str(path)).run(None, inputs)
    many = session(str(path), threads=8)
    for _ in range(5):
        np.testing.assert_allclose(many.run(None, inputs)[0], expected, rtol=0, atol=1e-6)


def test_names_its_inputs_and_has_no_scatter(exported):
    path, regions = exported
    model = onnx.load(path)
    names = ["photo", "probabilities", "regions"][: 2 + regions]
    assert [value.name for value in model.graph.input] == names
    assert [value.name for value in model.graph.output] == ["refined"]
    assert {opset.domain for opset in model.opset_import if opset.version} <= {"", "ai.onnx.ml"}
    assert not any("Scatter" in node.op_type for node in every_node(model.graph))


def every_node(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from every_node(attribute.g)


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(crf_onnx, "_TOLERANCE", -1.0)
    with pytest.raises(RunError, match="must agree with TensorFlow"):
        export_crf(tmp_path / "crf.onnx", CrfSettings(iterations=0))
    assert list(tmp_path.iterdir()) == []


def test_takes_the_energies_as_printed(tmp_path):
    path = tmp_path / "crf.onnx"
    export_crf(path, CrfSettings(iterations=0), form="softmax")
    probabilities = np.array([[[0.0, 1.0]]], np.float32)
    inputs = {"photo": np.zeros((1, 1, 3), np.uint8), "probabilities": probabilities}
    (found,) = session(str(path)).run(None, inputs)
    np.testing.assert_allclose(found, tf.nn.softmax(probabilities), rtol=1e-5)

"""The search for external data in an ONNX file, in files that the onnx package makes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, load_model_from_string, numpy_helper

from wsss_tf.serving.onnx_wire import external_data


def external(name: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), name)
    external_data_helper.set_external_data(tensor, f"{name}.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def graph(nodes=(), initializers=(), sparse=()):
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    return helper.make_graph(
        list(nodes), "g", [], [output], list(initializers), sparse_initializer=list(sparse)
    )


def constant(tensor):
    return helper.make_node("Constant", [], ["y"], value=tensor)


def placed(place: str):
    tensor = external("w")
    if place == "initializer":
        return helper.make_model(graph(initializers=[tensor]))
    if place == "constant":
        return helper.make_model(graph([constant(tensor)]))
    if place == "branch":
        branch = graph([constant(tensor)])
        return helper.make_model(
            graph([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)])
        )
    if place == "sparse":
        indices = numpy_helper.from_array(np.arange(4), "i")
        sparse = helper.make_sparse_tensor(tensor, indices, [9])
        return helper.make_model(graph(sparse=[sparse]))
    function = helper.make_function("d", "f", [], ["y"], [constant(tensor)], [])
    return helper.make_model(graph(), functions=[function])


@pytest.mark.parametrize("place", ["initializer", "constant", "branch", "sparse", "function"])
def test_it_is_found_wherever_a_tensor_may_lie(place):
    assert external_data(placed(place).SerializeToString()) == "w.bin"


def test_it_is_found_without_a_location():
    tensor = external("w")
    del tensor.external_data[:]
    model = helper.make_model(graph(initializers=[tensor]))
    assert external_data(model.SerializeToString()) == "a file that is not named"


def test_a_file_that_holds_its_weights_has_none(tiny):
    for content in (tiny.model(), tiny.brightness_model(), tiny.crf_model(True)):
        assert external_data(content) is None
    large = load_model_from_string(tiny.model())
    large.graph.initializer.append(numpy_helper.from_array(np.zeros(10**6, np.float32), "z"))
    assert external_data(large.SerializeToString()) is None


def answered(content):
    """Whether the scanner had an answer; any error but ValueError is a failure."""
    try:
        location = external_data(content)
    except ValueError:
        return False
    return location is None or isinstance(location, str)


def test_damage_is_an_error_or_harmless_but_never_a_crash(tiny, random_generator):
    """Any content ends soon, with an answer or a ValueError."""
    content = tiny.model()
    assert not all(answered(content[:end]) for end in range(0, len(content), 7))
    found = set()
    for _ in range(300):
        damaged = bytearray(content)
        for place in random_generator.integers(0, len(content), 4):
            damaged[place] = random_generator.integers(256)
        found.add(answered(bytes(damaged)))
    assert found == {True, False}


@pytest.mark.parametrize("content", [b"", b"\x3a\xff", b"\xff" * 30, b"\x00\x00"], ids=repr)
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ValueError, match="it "):
        external_data(content)

"""A model whose convolutions work in float16; everything that counts pixels stays as it was."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# What the networks spend their time in. Resizing, shapes, indices, the softmax and the mean over
# views stay float32: a Resize whose scales are float16 does not even load. So do the classifier
# and its upsampling, which cost little: scores of 16 would be rounded to a 128th.
HALF = frozenset({"Conv", "MaxPool", "Pad", "Relu"})


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives a model float16 weights and convolutions.

    Args:
        model: as `onnx_model` makes it, float32.

    Returns:
        A new model with the same inputs and outputs, types included.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    casts = _Casts({tensor.name: tensor for tensor in graph.initializer})
    full = set(classifiers(model))
    for node in model.graph.node:
        casts.add(node, half=node.op_type in HALF and node.name not in full)
    del graph.node[:]
    graph.node.extend(casts.nodes)
    used = {name for node in casts.nodes for name in node.input}
    weights = [tensor for tensor in casts.weights.values() if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    onnx.checker.check_model(halved)
    return halved


def classifiers(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions whose result no ReLU follows.

    For each view these are the classifier, and the upsampling behind it.
    """
    rectified = {name for node in model.graph.node if node.op_type == "Relu" for name in node.input}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and node.output[0] not in rectified
    ]


class _Casts:
    """Takes nodes in order, and puts casts where float32 and float16 meet.

    Args:
        weights: the initialisers by name; float16 ones are added.

    Attributes:
        nodes: those taken, and casts.
    """

    def __init__(self, weights: dict[str, TensorProto]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self._half: set[str] = set()
        self._cast: dict[tuple[str, int], str] = {}

    def add(self, node: onnx.NodeProto, *, half: bool) -> None:
        taken = onnx.NodeProto()
        taken.CopyFrom(node)
        for index, name in enumerate(node.input):
            if half and self._is_float(node, index):
                taken.input[index] = self._as_half(name)
            elif not half and name in self._half:
                taken.input[index] = self._converted(name, TensorProto.FLOAT)
        if half:
            self._half.update(node.output)
        self.nodes.append(taken)

    def _is_float(self, node: onnx.NodeProto, index: int) -> bool:
        name = node.input[index]
        if name in self.weights:
            return self.weights[name].data_type == TensorProto.FLOAT
        return bool(name) and not (node.op_type == "Pad" and index == 1)

    def _as_half(self, name: str) -> str:
        if name in self._half:
            return name
        if name not in self.weights:
            return self._converted(name, TensorProto.FLOAT16)
        halved = f"{name}_fp16"
        if halved not in self.weights:
            with np.errstate(over="ignore"):  # An infinity shows in the parity table.
                values = numpy_helper.to_array(self.weights[name]).astype("float16")
            self.weights[halved] = numpy_helper.from_array(values, halved)
        return halved

    def _converted(self, name: str, to: int) -> str:
        if (name, to) not in self._cast:
            converted = f"{name}_{'fp16' if to == TensorProto.FLOAT16 else 'fp32'}"
            cast = helper.make_node("Cast", [name], [converted], name=f"{converted}_cast", to=to)
            self.nodes.append(cast)
            self._cast[name, to] = converted
        return self._cast[name, to]

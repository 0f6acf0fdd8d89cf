"""The network as an ONNX model: one graph from uint8 pixels to labels and probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx
import tensorflow as tf
import tf2onnx

from wsss_tf.export.graphs import Inference, softmax_by_parts
from wsss_tf.export.upsampling import with_upsampling_by_phases

OPSET = 17  # 18 turns one global average pooling into a mean between two transposes.

_AXES = {
    "pixels": ("batch", "height", "width", None),
    "labels": ("batch", "height", "width"),
    # Names of their own: of a photo above 2048 pixels they are smaller than the pixels.
    "probabilities": ("batch", "grid_height", "grid_width", None),
}


def onnx_model(inference: Inference, *, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Converts the network of a run, without its CRF.

    The input is `pixels` uint8 [batch, height, width, 3]; the outputs are `labels` uint8 [batch,
    height, width] and `probabilities` float32 [batch, grid_height, grid_width, classes], whose
    grid is the photo's own up to 2048 pixels.

    Args:
        inference: what to convert.
        metadata: texts by name, for `metadata_props`.

    Returns:
        The model, of opset 17, its axes named.
    """
    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8, name="pixels")]
    taken = Inference(
        with_upsampling_by_phases(inference.model),
        views=inference.views,
        side=inference.side,
        softmax=softmax_by_parts,
    )
    function = tf.function(taken, input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    # Sizes that the converter has guessed would only stand in the way of the names below.
    del model.graph.value_info[:]
    name_axes([*model.graph.input, *model.graph.output], _AXES)
    add_metadata(model, metadata)
    model.graph.name = "wsss_tf_segmentation"
    onnx.checker.check_model(model)
    return model


def add_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Sets `metadata_props` of a model to these texts."""
    onnx.helper.set_model_props(model, dict(metadata))


def name_axes(
    values: Iterable[onnx.ValueInfoProto], names: Mapping[str, Sequence[str | None]]
) -> None:
    """Names the free axes of inputs and outputs.

    Args:
        values: of a graph.
        names: for each value, by its name, what each axis is called; None for a fixed one.
    """
    for value in values:
        axes = value.type.tensor_type.shape.dim
        for axis, name in zip(axes, names[value.name], strict=True):
            if name:
                axis.dim_param = name

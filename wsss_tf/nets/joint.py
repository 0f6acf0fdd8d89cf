"""The two networks that masks need, run as one: the blocks in which they agree run once."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from wsss_tf.nets.vgg import BLOCKS, convolution_names


def joint_network(activation_network: keras.Model, cam_network: keras.Model) -> keras.Model:
    """Both networks as one model, of the same numbers as they give apart.

    A CAM network that was trained with frozen blocks still agrees there with the network it
    started from, and those blocks take most of the time of both.

    Args:
        activation_network: of `nets.vgg.activation_network`, its weights loaded.
        cam_network: of `nets.cam.cam_network`, its weights loaded.

    Returns:
        photo [B, H, W, 3] -> {"activations": list of float [B, h, w, C], one a block; "cams": float
        [B, h, w, K]}. It shares its layers with the two.
    """
    blocks = _blocks_returned(activation_network)
    shared = equal_blocks(activation_network, cam_network, last=blocks[-1])
    photo = cam_network.inputs[0]
    if shared == 0:
        activations = _as_list(activation_network(photo))
    else:
        activations = [_end(cam_network, block) for block in blocks if block <= shared]
        after = [block for block in blocks if block > shared]
        if after:
            ends = [_end(activation_network, block) for block in after]
            branch = keras.Model(_end(activation_network, shared), ends, name="after_shared")
            activations += _as_list(branch(_end(cam_network, shared)))
    outputs = {"activations": activations, "cams": cam_network.output["cams"]}
    return keras.Model(photo, outputs, name="activations_and_cams")


def equal_blocks(first: keras.Model, second: keras.Model, *, last: int) -> int:
    """How many leading blocks of VGG-16, of the first `last`, two networks have in common.

    Their convolutions must agree in every weight, to the bit, and in dilation.
    """
    for block in range(1, last + 1):
        for name in convolution_names(block):
            if not _equal(first.get_layer(name), second.get_layer(name)):
                return block - 1
    return last


def _equal(one: keras.layers.Layer, other: keras.layers.Layer) -> bool:
    if one.dilation_rate != other.dilation_rate:
        return False
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _blocks_returned(model: keras.Model) -> list[int]:
    """The blocks whose activations an activation network returns, in order."""
    names = {layer.name for layer in model.layers}
    built = [b for b in range(1, len(BLOCKS) + 1) if convolution_names(b)[-1] in names]
    return [b for b in built if any(_end(model, b) is output for output in model.outputs)]


def _end(model: keras.Model, block: int) -> Any:
    """The symbolic activations of a block."""
    return model.get_layer(convolution_names(block)[-1]).output


def _as_list(outputs: Any) -> list[Any]:
    """A model of one output returns that output, not a list of it."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

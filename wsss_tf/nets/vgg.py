"""VGG-16's convolutions as a building block, colour order and mean subtraction included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

CAFFE_MEANS_BGR = (103.939, 116.779, 123.68)
# (channels at width 1, convolutions) of blocks 1 to 5.
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


@keras.saving.register_keras_serializable(package="wsss_tf")
class CaffePreprocessing(keras.layers.Layer):
    """RGB 0..255 to the input that VGG-16's ImageNet weights expect: BGR minus the channel means.

    Call: uint8 or float [B, H, W, 3] -> float32 [B, H, W, 3], whatever the dtype policy.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, photo):
        # Not `flip`, which becomes a ReverseSequence between two transposes in ONNX.
        bgr = ops.take(ops.cast(photo, "float32"), [2, 1, 0], axis=-1)
        return bgr - ops.array(CAFFE_MEANS_BGR, "float32")

    def compute_output_spec(self, photo):
        return keras.KerasTensor(photo.shape, "float32")


def photo_input() -> keras.KerasTensor:
    """A symbolic photo [B, H, W, 3], RGB 0..255, of any size.

    It is float32: Keras casts a uint8 photo to it without loss, the reverse would truncate.
    """
    return keras.Input((None, None, 3), dtype="float32", name="photo")


def scaled(channels: int, width: float) -> int:
    """The number of channels of a layer under the width multiplier, at least 1.

    Raises:
        ValueError: `width` is not in (0, 1].
    """
    if not 0.0 < width <= 1.0:
        raise ValueError(
            f"`width` must be in (0, 1]. Received: width={width}. "
            "1.0 is VGG-16 itself, 0.125 the compact backbone."
        )
    return max(1, round(width * channels))


def convolution_names(block: int) -> tuple[str, ...]:
    """The names of the convolutions of a block, in order; `block` is 1 to 5."""
    if not 1 <= block <= len(BLOCKS):
        raise ValueError(
            f"`block` must be 1 to {len(BLOCKS)}. Received: block={block}. Blocks count from 1."
        )
    return tuple(f"block{block}_conv{j}" for j in range(1, BLOCKS[block - 1][1] + 1))


def convolution(
    x, channels: int, kernel_size: int, *, name: str, dilation: int = 1, seed: int | None = None
):
    """A convolution with ReLU that keeps the size: [B, h, w, C] -> [B, h, w, channels].

    A dilated one pads first and convolves "valid": in ONNX, "same" with dilation and dynamic
    sizes wraps every convolution in transposes. The span (kernel_size - 1) * dilation is even for
    every layer of ours, so the padding is symmetric and nothing shifts.
    """
    padding = "same"
    if dilation > 1:
        x = keras.layers.ZeroPadding2D((kernel_size - 1) * dilation // 2, name=f"{name}_pad")(x)
        padding = "valid"
    layer = keras.layers.Conv2D(
        channels,
        kernel_size,
        padding=padding,
        dilation_rate=dilation,
        activation="relu",
        kernel_initializer=keras.initializers.HeNormal(seed=seed),
        name=name,
    )
    return layer(x)


def _pool(x, *, stride: int, name: str):
    # "same" keeps a last odd row, so that even a 1x1 photo has activations; at even sizes it equals
    # VGG's own pooling. At stride 1 the window is 3x3 (DeepLab): a 2x2 one shifts by half a cell.
    size = 2 if stride == 2 else 3
    return keras.layers.MaxPooling2D(size, strides=stride, padding="same", name=name)(x)


def vgg16(
    photo, *, width: float = 1.0, dilated: bool = False, pool5: bool = False, seed: int = 0
) -> dict[str, keras.KerasTensor]:
    """Applies VGG-16's convolutions to a symbolic photo.

    Args:
        photo: [B, H, W, 3] RGB in 0..255, any size.
        width: multiplier of every layer's channels, in (0, 1]. Names and depth stay the same.
        dilated: pools 4 and 5 have stride 1 and block 5 has dilation 2: all at stride 8.
        pool5: adds pool 5 as "pool5".
        seed: of the random start (He normal).

    Returns:
        "block1" .. "block5": the last convolution of each block, after ReLU. Block k has stride
        2^(k-1), sizes rounded up; with `dilated` block 5 has stride 8. And "pool5" if wanted.

    Source: Simonyan & Zisserman 2015, configuration D; dilation as in Chen et al. 2015 (DeepLab).
    """
    x = CaffePreprocessing(name="preprocessing")(photo)
    outputs = {}
    layer_seed = 1000 * seed
    for block, (channels, _) in enumerate(BLOCKS, start=1):
        dilation = 2 if dilated and block == 5 else 1
        for name in convolution_names(block):
            layer_seed += 1
            x = convolution(
                x, scaled(channels, width), 3, name=name, dilation=dilation, seed=layer_seed
            )
        outputs[f"block{block}"] = x
        if block < 5 or pool5:
            stride = 1 if dilated and block >= 4 else 2
            x = _pool(x, stride=stride, name=f"block{block}_pool")
    if pool5:
        outputs["pool5"] = x
    return outputs


def activation_network(
    *, width: float = 1.0, dilated: bool = False, blocks: Sequence[int] = (4, 5)
) -> keras.Model:
    """The network whose activations hold the foreground prior.

    Args:
        width: multiplier of every layer's channels, in (0, 1].
        dilated: block 5 at stride 8 with dilation 2, rather than at stride 16.
        blocks: the blocks wanted, each 1 to 5, ascending. Layers after the last are not built.

    Returns:
        A model, photo [B, H, W, 3] (uint8 or float RGB 0..255) -> list of float [B, h, w, C]: the
        last convolution, after ReLU, of each block wanted.

    Source: Saleh et al., TPAMI 2017, Section 3.1.
    """
    blocks = list(blocks)
    if not blocks or blocks != sorted(set(blocks) & set(range(1, len(BLOCKS) + 1))):
        raise ValueError(
            "`blocks` must be one or more block numbers, 1 to 5, ascending, none twice. "
            f"Received: blocks={blocks}. The method's own are (4, 5)."
        )
    photo = photo_input()
    outputs = vgg16(photo, width=width, dilated=dilated)
    wanted = [outputs[f"block{block}"] for block in blocks]
    return keras.Model(photo, wanted, name="activations")

"""The tag classifier whose weights also give one class activation map per tag."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from wsss_tf.nets import vgg

_CHANNELS = 1024


@keras.saving.register_keras_serializable(package="wsss_tf")
class TagHead(keras.layers.Layer):
    """Global average pooling and a dense layer, and the maps that the same dense layer gives.

        CAM_c(x, y) = sum_k w_kc f_k(x, y)        tag_logit_c = mean_xy CAM_c(x, y) + b_c

    Call: float [B, h, w, C] -> {"tag_logits": [B, num_tags], "cams": [B, h, w, num_tags]}, float32.

    Args:
        num_tags: number of foreground classes, at least 1.
        seed: of the random start (Glorot uniform; biases 0).

    Source: Zhou et al. 2016; Saleh et al., TPAMI 2017, Eq. 1.
    """

    def __init__(self, num_tags: int, *, seed: int | None = None, **kwargs: Any):
        if num_tags < 1:
            raise ValueError(
                "`num_tags` must be 1 or more: the classes without background. "
                f"Received: num_tags={num_tags}. Use `labels.num_tags`."
            )
        super().__init__(**kwargs)
        self.num_tags = num_tags
        self.seed = seed

    def build(self, input_shape):
        start = keras.initializers.GlorotUniform(seed=self.seed)
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_tags), initializer=start, name="kernel"
        )
        self.bias = self.add_weight(shape=(self.num_tags,), initializer="zeros", name="bias")

    def call(self, features):
        pooled = ops.mean(features, axis=(1, 2))
        logits = ops.add(ops.matmul(pooled, self.kernel), self.bias)
        maps = ops.matmul(features, self.kernel)
        return {"tag_logits": ops.cast(logits, "float32"), "cams": ops.cast(maps, "float32")}

    def compute_output_spec(self, features):
        batch, height, width, _ = features.shape
        return {
            "tag_logits": keras.KerasTensor((batch, self.num_tags), "float32"),
            "cams": keras.KerasTensor((batch, height, width, self.num_tags), "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tags": self.num_tags, "seed": self.seed}


def cam_network(num_tags: int, *, width: float = 1.0, seed: int = 0) -> keras.Model:
    """Builds the tag classifier: VGG-16 without pool 5, two new 3x3 convolutions, one dense layer.

    Args:
        num_tags: number of foreground classes, at least 1.
        width: multiplier of every convolution's channels, in (0, 1].
        seed: of the random start.

    Returns:
        A model, photo [B, H, W, 3] (uint8 or float RGB 0..255, any size) -> {"tag_logits":
        float32 [B, num_tags], before the sigmoid; "cams": float32 [B, h, w, num_tags], unscaled,
        of any sign, at stride 16}. New layers: cam_conv1, cam_conv2, tags.

    Source: Saleh et al., TPAMI 2017, Section 3.2 and Eq. 1.
    """
    photo = vgg.photo_input()
    x = vgg.vgg16(photo, width=width, seed=seed)["block5"]
    layer_seed = 1000 * seed + 200  # vgg16 and fcn take the ones below.
    for index in (1, 2):
        x = vgg.convolution(
            x, vgg.scaled(_CHANNELS, width), 3, name=f"cam_conv{index}", seed=layer_seed + index
        )
    outputs = TagHead(num_tags, seed=layer_seed, name="tags")(x)
    return keras.Model(photo, outputs, name="cam")

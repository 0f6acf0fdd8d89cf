"""The pooling and the losses as Keras layers, for models that are built, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from wsss_tf.losses.pooling import check_sharpness, log_sum_exp_pool
from wsss_tf.losses.segmentation import foreground_loss, multi_class_loss, tag_loss

_LOSSES: dict[str, Callable[..., Any]] = {
    "tags": tag_loss,
    "foreground": foreground_loss,
    "multi_class": multi_class_loss,
}


@keras.saving.register_keras_serializable(package="wsss_tf")
class LogSumExpPool(keras.layers.Layer):
    """Pools pixel scores into one score per class: `log_sum_exp_pool` as a layer.

    Call it on probabilities, float [B, H, W, K] in [0, 1], and optionally on the pixels to pool,
    bool [B, H, W, K] or [B, H, W, 1]. It returns float [B, K]; a class with no pixel has score 0.

    Args:
        sharpness: r > 0. r -> 0 is the mean, r -> inf the maximum.
        **kwargs: `name` and other arguments of `keras.layers.Layer`.

    Source: Saleh et al., TPAMI 2017, Eq. 11, 13, 14 and 16.
    """

    def __init__(self, sharpness: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        check_sharpness(sharpness)
        self.sharpness = sharpness

    def call(self, probabilities: Any, pixels: Any = None) -> Any:
        return log_sum_exp_pool(probabilities, pixels, sharpness=self.sharpness)[0]

    def compute_output_shape(
        self, probabilities_shape: tuple[int | None, ...], pixels_shape: Any = None
    ) -> tuple[int | None, ...]:
        return probabilities_shape[0], probabilities_shape[-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sharpness": self.sharpness}


@keras.saving.register_keras_serializable(package="wsss_tf")
class WeakSegmentationLoss(keras.layers.Layer):
    """One of the three losses on a network's logits: softmax (Eq. 9), then the loss per photo.

    Call it on (logits, tags, label_map, valid): float [B, H, W, K+1]; [B, K]; uint8 [B, H, W], the
    losses' `mask` (Keras keeps that name for itself), not used by "tags"; bool [B, H, W] or None.
    It returns float32 [B], computed in float32 under every precision policy. Average it over the
    batch.

    Args:
        kind: "tags" (`tag_loss`), "foreground" (`foreground_loss`) or "multi_class"
            (`multi_class_loss`).
        sharpness: r > 0 of the pooling.
        **kwargs: `name` and other arguments of `keras.layers.Layer`.

    Source: Saleh et al., TPAMI 2017, Eq. 9 to 16.
    """

    def __init__(self, kind: str, sharpness: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if kind not in _LOSSES:
            raise ValueError(
                f"`kind` must be one of {', '.join(_LOSSES)}. Received: kind={kind!r}."
            )
        check_sharpness(sharpness)
        self.kind = kind
        self.sharpness = sharpness

    def call(self, logits: Any, tags: Any, label_map: Any = None, valid: Any = None) -> Any:
        probabilities = ops.softmax(logits, axis=-1)
        if self.kind == "tags":
            return tag_loss(probabilities, tags, valid, sharpness=self.sharpness)
        if label_map is None:
            raise ValueError(
                f"`label_map` must be given for the {self.kind} loss, uint8 [batch, height, "
                'width]. Received: label_map=None. Without masks use kind="tags".'
            )
        return _LOSSES[self.kind](probabilities, tags, label_map, valid, sharpness=self.sharpness)

    def compute_output_shape(
        self,
        logits_shape: tuple[int | None, ...],
        tags_shape: Any = None,
        label_map_shape: Any = None,
        valid_shape: Any = None,
    ) -> tuple[int | None]:
        return (logits_shape[0],)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "sharpness": self.sharpness}

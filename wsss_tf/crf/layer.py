"""The dense CRF as a Keras layer."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wsss_tf.crf.inputs import (
    as_value_errors,
    box_of,
    check_types,
    checked_batch,
    checked_sizes,
    checked_values,
)
from wsss_tf.crf.low_resolution import dense_mean_field
from wsss_tf.crf.pixel_modes import fast_mean_field, lattice_mean_field
from wsss_tf.crf.settings import MODES, CrfSettings

_INFERENCE: dict[str, Callable[..., tf.Tensor]] = {
    "lattice": lattice_mean_field,
    "fast": fast_mean_field,
    "dense": dense_mean_field,
}

_SPECS = {
    "photo": tf.TensorSpec([None, None, 3], tf.uint8),
    "unary": tf.TensorSpec([None, None, None], tf.float32),
    "regions": tf.TensorSpec([None, None, None], tf.int64),
    "region_probabilities": tf.TensorSpec([None, None, None], tf.float32),
    "valid": tf.TensorSpec([None, None], tf.bool),
}


@keras.saving.register_keras_serializable(package="wsss_tf")
class DenseCRF(keras.layers.Layer):
    """Mean-field inference in a dense CRF with region terms.

        E(x) = sum_i U_i(x_i) + sum_{i<j} [x_i != x_j] sum_k K_k(i, j) + sum_s theta_s(x_s)

    with a spatial kernel, a bilateral one of positions and colours, each with the symmetric
    normalisation D^-1/2 K D^-1/2, and P^n-Potts costs of regions (Eq. 8). Call it on

        photo: uint8 [H, W, 3], RGB.
        unary: float [H, W, L], energies (lower is likelier), L >= 2; see `unary_energies`.
        regions: int [layers, H, W], each layer a partition by ids of 0 or more; None for no
            region term.
        region_probabilities: float [H, W, L], P of Eq. 8; None is softmax(-unary).
        valid: bool [H, W], False where the photo is padded; its True pixels are a rectangle.

    all with a leading batch dimension or all without. It returns float32 like `unary`, the
    marginals: they sum to 1 over labels, and are 1 / L in padding. Gradients reach `unary` and
    `region_probabilities`. Sizes and L may be unknown when a graph is traced.

    Args:
        spatial_sigma, spatial_weight: of the spatial kernel, sigma in pixels.
        bilateral_sigma, color_sigma, bilateral_weight: of the bilateral kernel, in pixels and in
            grey levels of 0..255. A kernel of weight 0 is left out.
        region_weight, region_max_cost, region_tolerance, region_start: of the region term, see
            `RegionTerm`. A maximum cost of None is log L; a tolerance and a start of 0 are Eq. 8.
        iterations: mean-field updates; 0 returns softmax(-unary).
        mode: "lattice" filters on the permutohedral lattice at full size; "fast" too, but all
            updates except the last are of blocks of 2 x 2 and 4 x 4 pixels; "dense" is without
            hashing, for ONNX. The README has their errors, measured with color_sigma 5 and 13 on
            photos of 500 pixels. On photos of some 30 pixels only "dense" is close to exact.
        **kwargs: `name` and other arguments of `keras.layers.Layer`.

    Raises:
        ValueError: for a parameter or an input that is out of range. Inside a graph of the
            caller's own, what only values tell (NaN energies, negative ids, sizes that were
            unknown) is a tf.errors.InvalidArgumentError with the same message.

    Source: Krähenbühl and Koltun, NIPS 2011; Saleh et al., TPAMI 2017, Eq. 6 to 8.
    """

    def __init__(
        self,
        *,
        spatial_sigma: float = 3.0,
        spatial_weight: float = 3.0,
        bilateral_sigma: float = 80.0,
        color_sigma: float = 13.0,
        bilateral_weight: float = 10.0,
        region_weight: float = 1.0,
        region_max_cost: float | None = None,
        region_tolerance: float = 1.0,
        region_start: float = 0.0,
        iterations: int = 10,
        mode: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {', '.join(MODES)}. Received: mode={mode!r}.")
        self.mode = mode
        self.settings = CrfSettings(
            spatial_sigma=spatial_sigma,
            spatial_weight=spatial_weight,
            bilateral_sigma=bilateral_sigma,
            color_sigma=color_sigma,
            bilateral_weight=bilateral_weight,
            region_weight=region_weight,
            region_max_cost=region_max_cost,
            region_tolerance=region_tolerance,
            region_start=region_start,
            iterations=iterations,
        )

    def call(
        self,
        photo: Any,
        unary: Any,
        regions: Any = None,
        region_probabilities: Any = None,
        valid: Any = None,
    ) -> tf.Tensor:
        given = {
            "photo": tf.convert_to_tensor(photo),
            "unary": tf.cast(unary, tf.float32),
            "regions": None if regions is None else tf.convert_to_tensor(regions),
            "region_probabilities": region_probabilities,
            "valid": None if valid is None else tf.convert_to_tensor(valid),
        }
        if region_probabilities is not None:
            given["region_probabilities"] = tf.cast(region_probabilities, tf.float32)
        check_types(**given)
        if regions is not None:
            given["regions"] = tf.cast(given["regions"], tf.int64)
        given = {name: value for name, value in given.items() if value is not None}
        inference = _traced(self.settings, self.mode, tuple(given))
        with as_value_errors():
            if given["photo"].shape.rank == 3:
                refined = inference(given)
            elif given["photo"].shape[0] == 0:
                refined = given["unary"]
            else:
                given = checked_batch(given)
                refined = tf.map_fn(inference, given, fn_output_signature=_SPECS["unary"])
        return tf.ensure_shape(refined, given["unary"].shape)

    def compute_output_shape(
        self, photo_shape: Any, unary_shape: tuple[int | None, ...], **others: Any
    ) -> tuple[int | None, ...]:
        return unary_shape

    def get_config(self) -> dict[str, Any]:
        settings = dataclasses.asdict(self.settings)
        return {**super().get_config(), **settings, "mode": self.mode}


@functools.lru_cache(maxsize=32)
def _traced(
    settings: CrfSettings, mode: str, given: tuple[str, ...]
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Inference on one photo, as one graph for every size and number of labels."""

    @tf.function(input_signature=[{name: _SPECS[name] for name in given}], autograph=False)
    def inference(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        inputs = checked_sizes(inputs)
        valid = inputs.get("valid")
        if valid is None:
            return _refine(settings, mode, inputs)
        blank = tf.ones_like(inputs["unary"]) / tf.cast(tf.shape(inputs["unary"])[2], tf.float32)
        return tf.cond(
            tf.reduce_any(valid),
            lambda: tf.where(valid[..., None], _refine_inside(settings, mode, inputs), blank),
            lambda: blank,
        )

    return inference


def _refine_inside(settings: CrfSettings, mode: str, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """Refines a photo without its padding, and pads the result with zeros."""
    first, size = box_of(inputs["valid"])
    rows, columns = (slice(first[axis], first[axis] + size[axis]) for axis in (0, 1))
    cropped = {
        name: value[:, rows, columns] if name == "regions" else value[rows, columns]
        for name, value in inputs.items()
        if name != "valid"
    }
    after = tf.shape(inputs["valid"]) - first - size
    padding = tf.concat([tf.stack([first, after], axis=1), [[0, 0]]], axis=0)
    return tf.pad(_refine(settings, mode, cropped), padding)


def _refine(settings: CrfSettings, mode: str, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    inputs = checked_values(inputs)
    probabilities = inputs.get("region_probabilities")
    if probabilities is None:
        probabilities = tf.nn.softmax(-inputs["unary"])
    return _INFERENCE[mode](
        inputs["photo"],
        inputs["unary"],
        settings,
        regions=inputs.get("regions"),
        region_probabilities=probabilities,
    )

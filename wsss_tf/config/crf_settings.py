"""What a recipe says of the dense CRF, and where it is used."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from wsss_tf.config.rules import Fraction, Positive, Settings

# Below 1 the lattice of a large photo outgrows its keys; far above, the spatial kernel is slow.
Sigma = Annotated[float, Field(ge=1.0, le=1000.0)]
Weight = Annotated[float, Field(ge=0.0)]
Mode = Literal["fast", "lattice", "dense"]


class CrfSettings(Settings):
    """A dense CRF: its energy and how it is minimised (Saleh et al. 2017, Sec. 3.1.3).

    The paper prints no kernel; these are the values that the field uses for VOC. Pixels are those
    of the photo; a larger photo is first reduced to 1024 on its longer side.
    """

    mode: Mode = "fast"
    """Most updates on blocks of pixels; all of them on pixels, closer; or the form for ONNX."""
    unary: Literal["log", "softmax"] = "log"
    """Energy of a probability: -log P, or Eq. 7 as printed, which is at most 1 apart."""
    spatial_sigma: Sigma = 3.0
    """Standard deviation of the spatial kernel, in pixels."""
    spatial_weight: Weight = 3.0
    """Weight of the spatial kernel; 0 leaves it out."""
    bilateral_sigma: Sigma = 80.0
    """Standard deviation of the bilateral kernel, in pixels."""
    color_sigma: Sigma = 13.0
    """Its standard deviation in colour, in levels of 0..255."""
    bilateral_weight: Weight = 10.0
    """Weight of the bilateral kernel; 0 leaves it out."""
    region_weight: Weight = 1.0
    """Weight of the region term (Eq. 8), where regions are given; the stages give none yet."""
    region_max_cost: Positive | None = None
    """What a region pays for having several labels; null is the logarithm of the label count."""
    region_tolerance: Fraction = 0.03
    """Share of a region's pixels at whose dissent it gives up; 0 is Eq. 8, which tolerates none."""
    region_start: Fraction = 0.8
    """Share of the steps before regions act."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 10
    """Steps of mean field."""


def _settings_or_none(value: Any) -> Any:
    if value == "none":  # As recipes said it before there was a CRF, and as `--set` may.
        return None
    if value is None or isinstance(value, dict | CrfSettings):
        return value
    mode = value if value in get_args(Mode) else "fast"
    raise ValueError(f"must be a section, such as {{mode: {mode}}}, or none for no CRF")


OptionalCrf = Annotated[CrfSettings | None, BeforeValidator(_settings_or_none)]


class InferenceSettings(Settings):
    """What prediction and evaluation do with the network's probabilities."""

    crf: OptionalCrf = None
    """The CRF over all classes; null for none. `--crf` and `--no-crf` overrule it."""

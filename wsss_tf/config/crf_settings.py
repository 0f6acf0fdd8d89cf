"""What a recipe says of the dense CRF, the regions it is given, and where it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from wsss_tf.config.rules import AsTuple, Broken, Fraction, Positive, Scales, Settings, report

# Below 1 the lattice of a large photo outgrows its keys; far above, the spatial kernel is slow.
Sigma = Annotated[float, Field(ge=1.0, le=1000.0)]
Weight = Annotated[float, Field(ge=0.0)]
Mode = Literal["fast", "lattice", "dense"]
Method = Literal["crisp", "felzenszwalb", "slic"]
RegionCount = Annotated[int, Field(ge=2, le=10_000)]


def _section_or_none(name: str, key: str, words: Any) -> Callable[[Any], Any]:
    """A validator that takes a section, null, or the word none.

    Args:
        name: what the section describes, for the message.
        key: of the section, under which a bare word was meant.
        words: the literal of that key's words, the usual one first.
    """

    def section_or_none(value: Any) -> Any:
        if value == "none":  # As old recipes said it of the CRF, and as `--set` may.
            return None
        if value is None or isinstance(value, dict | Settings):
            return value
        word = value if value in get_args(words) else get_args(words)[0]
        raise ValueError(f"must be a section, such as {{{key}: {word}}}, or none for no {name}")

    return section_or_none


class RegionSettings(Settings):
    """Partitions of a photo into regions whose pixels should share a label, coarse to fine."""

    method: Method = "crisp"
    """Crisp boundaries and their tree, or one of scikit-image's, for comparison."""
    preset: Literal["fast", "default", "accurate"] = "default"
    """Speed against accuracy of crisp; the other methods have none."""
    counts: Annotated[tuple[RegionCount, ...], AsTuple, Field(min_length=1, max_length=8)] = (
        25,
        100,
        400,
    )
    """Regions a photo, one partition each; a plain photo may have fewer."""

    @field_validator("counts")
    @classmethod
    def _counts_ascend(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if list(counts) != sorted(set(counts)):
            raise ValueError("must ascend and name each count once")
        return counts

    @model_validator(mode="after")
    def _preset_is_of_crisp(self) -> RegionSettings:
        if self.method != "crisp" and self.preset != "default":
            reason = f"must be left out with method {self.method}; only crisp has presets"
            report("regions", [Broken(("preset",), reason, self.preset)])
        return self


OptionalRegions = Annotated[
    RegionSettings | None, BeforeValidator(_section_or_none("regions", "method", Method))
]


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
    """Weight of the region term (Eq. 8), where there are `regions`."""
    region_max_cost: Positive | None = None
    """What a region pays for having several labels; null is the logarithm of the label count."""
    region_tolerance: Fraction = 1.0
    """Share of a region's pixels at whose dissent it gives up; 0 is Eq. 8, which tolerates none."""
    region_start: Fraction = 0.0
    """Share of the steps before regions act."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 10
    """Steps of mean field."""
    regions: OptionalRegions = None
    """The regions of the region term (Sec. 3.1.3); null for the pairwise terms alone."""


OptionalCrf = Annotated[CrfSettings | None, BeforeValidator(_section_or_none("CRF", "mode", Mode))]


class InferenceSettings(Settings):
    """What prediction and evaluation do with the network's probabilities."""

    crf: OptionalCrf = None
    """The CRF over all classes; null for none. `--crf` and `--no-crf` overrule it."""
    scales: Scales = (1.0,)
    """Factors of the photo's size at which the network looks; the probabilities' mean counts."""
    flip: bool = False
    """Look at every scale mirrored, too."""

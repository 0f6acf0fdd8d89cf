"""What a recipe says of networks, masks and training. Lengths are in pixels of the photo."""

from __future__ import annotations

import difflib
import itertools
import os
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from wsss_tf.config.crf_settings import OptionalCrf
from wsss_tf.config.rules import (
    AsTuple,
    Broken,
    Count,
    Fraction,
    Momentum,
    Positive,
    Scales,
    Settings,
    Side,
    report,
)

WEIGHT_SETS = ("compact", "imagenet", "random")
_WIDTHS = {"compact": 0.125, "imagenet": 1.0}


class BackboneSettings(Settings):
    """The VGG-16 that every network starts from."""

    weights: str
    """compact, imagenet, random, or the path of a weights file."""
    width: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Multiplier of the channel counts; compact weights have 0.125."""

    @field_validator("weights")
    @classmethod
    def _weights_are_a_set_or_a_path(cls, weights: str) -> str:
        if weights in WEIGHT_SETS:
            return weights
        if not any(mark in weights for mark in "/\\."):
            near = difflib.get_close_matches(weights.lower(), WEIGHT_SETS, n=1)
            hint = f". Did you mean {near[0]}?" if near else ""
            raise ValueError(f"must be {', '.join(WEIGHT_SETS)}, or a path such as ./FILE{hint}")
        return os.path.expanduser(weights)  # A Path would drop the ./ that tells it from a set.

    @model_validator(mode="after")
    def _weights_fit_the_width(self) -> BackboneSettings:
        needed = _WIDTHS.get(self.weights, self.width)
        if self.width != needed:
            reason = f"must be {needed} with weights {self.weights}"
            report("backbone", [Broken(("width",), reason, self.width)])
        return self


class ScheduleSettings(Settings):
    """SGD with a rate that changes at given steps."""

    steps: Count
    """Training steps."""
    learning_rates: Annotated[tuple[Positive, ...], AsTuple, Field(min_length=1)]
    """The rate of each stretch of steps."""
    boundaries: Annotated[tuple[Count, ...], AsTuple] = ()
    """The steps at which the second and later rates begin."""
    momentum: Momentum = 0.9
    """Momentum of SGD."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 5e-4
    """An L2 gradient on kernels, which passes through momentum as Caffe's does."""
    frozen_blocks: Annotated[int, Field(ge=0, le=5)] = 0
    """The first blocks of VGG-16 that keep their weights."""
    keep_activations: bool = False
    """Keep on disk what leaves the frozen blocks, as float16; needs augment.views."""
    new_layer_rate: Positive = 1.0
    """Learning-rate multiplier of the layers that start at random."""

    @model_validator(mode="after")
    def _boundaries_split_the_steps(self) -> ScheduleSettings:
        rates, steps = len(self.learning_rates), self.boundaries
        broken = []
        if len(steps) != rates - 1:
            count = f"must have one step fewer than there are learning_rates: {rates - 1}"
            broken.append(Broken(("boundaries",), count, list(steps)))
        if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
            broken.append(Broken(("boundaries",), "must ascend", list(steps)))
        if any(step >= self.steps for step in steps):
            below = f"must lie below the number of steps, {self.steps}"
            broken.append(Broken(("boundaries",), below, list(steps)))
        if self.keep_activations and self.frozen_blocks == 0:
            reason = "must be false with frozen_blocks 0: only those of frozen blocks stay the same"
            broken.append(Broken(("keep_activations",), reason, True))
        report("schedule", broken)
        return self


class LocalizeSettings(ScheduleSettings):
    """Training of the CAM network (Saleh et al. 2017, Sec. 3.2)."""

    batch_size: Count = 15
    """Photos a step."""
    crop: Side = 224
    """Height and width of a crop."""


class MasksSettings(Settings):
    """From photos and tags to fused masks (Saleh et al. 2017, Sec. 3, Eq. 1-5)."""

    kind: Literal["multi_class", "foreground", "none"]
    """One mask a tag, one foreground mask, or no masks at all."""
    side: Side | None = None
    """Longer side at which the networks look at a photo; null is its own size."""
    scales: Scales = (1.0,)
    """Factors of that size at which they look; activations and CAMs are the mean. [1.0] is one."""
    flip: bool = False
    """Look at every scale mirrored, too."""
    activations: Literal["plain", "dilated"] = "plain"
    """VGG-16 as trained (stride 16 at block 5), or its form of output stride 8."""
    blocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=5)], ...], AsTuple, Field(min_length=1)
    ] = (4, 5)
    """Blocks whose last activations are summed to the foreground probability."""
    scaling: Literal["min_max", "centred", "balanced"] = "min_max"
    """Of that sum to 0..1: by its extremes, a sigmoid around its mean, or that of equal blocks."""
    combination: Literal["linear", "geometric"] = "linear"
    """Eq. 3, or the geometric mean of CAM and foreground probability."""
    alpha: Fraction = 0.5
    """Share of the foreground probability (Eq. 3 and 5)."""
    cam_threshold: Fraction = 0.2
    """Share of a CAM's maximum above which a pixel is in B_c (Eq. 2)."""
    background: Literal["fused", "constant"] = "fused"
    """Background score: Eq. 5, or `background_score` everywhere."""
    background_score: Fraction = 0.2
    """The constant background score."""
    crf: OptionalCrf = None
    """The CRF over background and the photo's tags that sharpens the probabilities; or null."""

    @field_validator("blocks")
    @classmethod
    def _blocks_ascend(cls, blocks: tuple[int, ...]) -> tuple[int, ...]:
        if list(blocks) != sorted(set(blocks)):
            raise ValueError("must ascend and name each block once")
        return blocks


class SegmentSettings(ScheduleSettings):
    """Training of the segmentation network (Saleh et al. 2017, Sec. 4, Eq. 9-16)."""

    loss: Literal["tags", "foreground", "multi_class"]
    """Eq. 10-11, Eq. 12-14, or Eq. 15-16."""
    start: Literal["backbone", "localize"] = "backbone"
    """Blocks 1 to 5 start from backbone.weights, or from the CAM network, which learnt the tags."""
    field_of_view: Literal["small", "large"] = "large"
    """128 px (fc6 4x4, dilation 4) or 224 px (fc6 3x3, dilation 12)."""
    batch_size: Count = 1
    """Photos a step; each has its own loss, their mean is minimised."""
    sharpness: Positive = 5.0
    """r of the pooling (Eq. 11): towards 0 a mean, large a maximum."""
    dropout: Momentum = 0.5
    """Dropout rate after fc6 and fc7."""


class LogSettings(Settings):
    """How often training writes, in steps."""

    every: Count = 20
    """A row of metrics."""
    checkpoint_every: Count = 500
    """A checkpoint, from which a killed run resumes."""
    images_every: Count = 500
    """Example photos with their predictions, for TensorBoard."""

"""The recipe: all sections of a run, and the rules that span them."""

from __future__ import annotations

import hashlib
import json

from pydantic import model_validator

from wsss_tf.config import yaml_text
from wsss_tf.config.crf_settings import InferenceSettings
from wsss_tf.config.data_settings import AugmentSettings, DataSettings
from wsss_tf.config.rules import Broken, Seed, Settings, report
from wsss_tf.config.settings import (
    BackboneSettings,
    LocalizeSettings,
    LogSettings,
    MasksSettings,
    SegmentSettings,
)

_MASKS_OF_LOSS = {"tags": "none", "foreground": "foreground", "multi_class": "multi_class"}


class Recipe(Settings):
    """Everything that decides a run's result, validated; see `load_recipe`."""

    seed: Seed = 0
    """Seed of the initial weights, the order of the photos, crops and dropout."""
    data: DataSettings
    """Where photos and tags come from."""
    backbone: BackboneSettings
    """The VGG-16 that every network starts from."""
    augment: AugmentSettings = AugmentSettings()
    """Random views of the training photos."""
    localize: LocalizeSettings | None = None
    """Training of the CAM network; needed for masks of kind multi_class."""
    masks: MasksSettings
    """From photos and tags to masks."""
    segment: SegmentSettings
    """Training of the segmentation network."""
    inference: InferenceSettings = InferenceSettings()
    """What prediction and evaluation add to the network."""
    log: LogSettings = LogSettings()
    """How often training writes."""

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Recipe:
        report("recipe", _stage_rules(self))
        return self


def recipe_text(recipe: Recipe) -> str:
    """Returns the recipe as YAML, every default written out; `load_recipe` reads it back equal."""
    return yaml_text.dump(recipe.model_dump(mode="json"))


def recipe_digest(recipe: Recipe) -> str:
    """Returns the SHA-256, in hex, of the recipe's canonical JSON: equal for equal recipes."""
    content = recipe.model_dump(mode="json")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _stage_rules(recipe: Recipe) -> list[Broken]:
    broken = []
    kind, loss = recipe.masks.kind, recipe.segment.loss
    if kind != _MASKS_OF_LOSS[loss]:
        reason = f"must be {_MASKS_OF_LOSS[loss]} for segment.loss {loss}"
        broken.append(Broken(("masks", "kind"), reason, kind))
    if kind == "multi_class" and recipe.localize is None:
        reason = "must be given for masks.kind multi_class: its CAMs come from there"
        broken.append(Broken(("localize",), reason, None))
    if recipe.segment.start == "localize" and recipe.localize is None:
        reason = "must be backbone without localize: there is no CAM network to start from"
        broken.append(Broken(("segment", "start"), reason, recipe.segment.start))
    keepers = [
        name
        for name, stage in (("localize", recipe.localize), ("segment", recipe.segment))
        if stage is not None and stage.keep_activations
    ]
    if keepers and recipe.augment.views is None:
        reason = f"must be a number of views, say 4, for {keepers[0]}.keep_activations"
        broken.append(Broken(("augment", "views"), reason, None))
    return broken

"""Recipes: the typed, validated settings of a run, from YAML files and `--set` overrides."""

from wsss_tf.config.crf_settings import CrfSettings, InferenceSettings, RegionSettings
from wsss_tf.config.data_settings import AugmentSettings, DataSettings, ScenesSettings
from wsss_tf.config.loading import load_recipe, packaged_recipes, recipe_path
from wsss_tf.config.recipe import Recipe, recipe_digest, recipe_text
from wsss_tf.config.settings import (
    BackboneSettings,
    LocalizeSettings,
    LogSettings,
    MasksSettings,
    ScheduleSettings,
    SegmentSettings,
)

__all__ = [
    "AugmentSettings",
    "BackboneSettings",
    "CrfSettings",
    "DataSettings",
    "InferenceSettings",
    "LocalizeSettings",
    "LogSettings",
    "MasksSettings",
    "Recipe",
    "RegionSettings",
    "ScenesSettings",
    "ScheduleSettings",
    "SegmentSettings",
    "load_recipe",
    "packaged_recipes",
    "recipe_digest",
    "recipe_path",
    "recipe_text",
]

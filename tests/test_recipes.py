"""The packaged recipes load, say how to run them, and hold the paper's values."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_tf import labels
from wsss_tf.config import (
    CrfSettings,
    LogSettings,
    RegionSettings,
    load_recipe,
    packaged_recipes,
    recipe_path,
)
from wsss_tf.reports.published import read_published

VOC_RECIPES = ("voc_foreground", "voc_multi_class", "voc_tags")
OTHER_DATA = ("coco_multi_class", "youtube_objects_multi_class")
PAPER_RECIPES = (*VOC_RECIPES, *OTHER_DATA)
NAMES = tuple(sorted(("animals", "scenes", "tagged_folder", *PAPER_RECIPES)))

# Saleh et al. 2017, Sec. 3.1 and 4.2, and the small and large field of view of Sec. 4.2.1.
PAPER = {
    "segment.steps": 60_000,
    "segment.learning_rates": (1e-4, 1e-5),
    "segment.boundaries": (40_000,),
    "segment.batch_size": 1,
    "segment.momentum": 0.9,
    "segment.weight_decay": 5e-4,
    "segment.sharpness": 5.0,
    "segment.dropout": 0.5,
    "segment.frozen_blocks": 0,
    "segment.new_layer_rate": 1.0,
    "backbone.weights": "imagenet",
    "backbone.width": 1.0,
    "data.keep": None,
    "data.label_space": "auto",
    "data.eval_split": "val",
    # Custom of the field since; the paper tells of one look at a photo.
    "inference.scales": (1.0,),
    "inference.flip": False,
}
MASKS = {
    "masks.blocks": (4, 5),
    "masks.scaling": "min_max",
    "masks.side": None,
    "masks.scales": (1.0,),
    "masks.flip": False,
}
FUSION = {
    "masks.kind": "multi_class",
    "masks.combination": "linear",
    "masks.alpha": 0.5,
    "masks.cam_threshold": 0.2,
    "masks.background": "fused",
}
LOCALIZE = {
    "localize.steps": 60_000,
    "localize.batch_size": 15,
    "localize.crop": 224,
    "localize.learning_rates": (1e-4, 1e-5),
    "localize.boundaries": (40_000,),
    "localize.momentum": 0.9,
    "localize.weight_decay": 5e-4,
    "localize.frozen_blocks": 0,
    "localize.new_layer_rate": 1.0,
}
VOC_DATA = {"data.source": "voc", "data.train_split": "train_aug"}
PREPARED = {"data.source": "prepared", "data.train_split": "train"}
MULTI_CLASS = {
    **MASKS,
    **FUSION,
    **LOCALIZE,
    "segment.loss": "multi_class",
    "segment.field_of_view": "large",
}
OWN = {
    "voc_tags": {
        **VOC_DATA,
        "localize": None,
        "masks.kind": "none",
        "segment.loss": "tags",
        "segment.field_of_view": "small",
    },
    "voc_foreground": {
        **VOC_DATA,
        **MASKS,
        "localize": None,
        "masks.kind": "foreground",
        "segment.loss": "foreground",
        "segment.field_of_view": "small",
    },
    "voc_multi_class": {**VOC_DATA, **MULTI_CLASS},
    "coco_multi_class": {**PREPARED, **MULTI_CLASS, "data.root": Path("coco")},
    "youtube_objects_multi_class": {
        **PREPARED,
        **MULTI_CLASS,
        "data.root": Path("youtube_objects"),
    },
}
FIGURES = {
    "voc_tags": ("31.0",),
    "voc_foreground": ("47.3", "48.0"),
    "voc_multi_class": ("50.9",),
    "coco_multi_class": ("20.4", "22.4"),
    "youtube_objects_multi_class": ("51.6", "48.6"),
}


def header(name: str) -> str:
    lines = recipe_path(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[: next(i for i, line in enumerate(lines) if line[:1] != "#")])


def test_these_recipes_are_packaged():
    assert packaged_recipes() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_recipe_loads_and_says_how_to_run_it(name):
    recipe = load_recipe(name)
    assert recipe.seed == 0
    text = header(name)
    given = "my_recipe.yaml" if name == "tagged_folder" else name
    assert f"Run:    wsss-tf train {given} --out runs/" in text
    assert "Expect: " in text


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_recipe_has_the_papers_values(name):
    recipe = load_recipe(name)
    for key, expected in {**PAPER, **OWN[name]}.items():
        value = recipe
        for part in key.split("."):
            value = getattr(value, part)
        assert value == expected, key


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_recipe_tells_the_papers_figure(name):
    text = header(name)
    assert all(figure in text for figure in FIGURES[name])
    assert "no CRF" not in text


@pytest.mark.parametrize("name", VOC_RECIPES)
def test_voc_recipe_tells_of_higher_order_terms(name):
    # The paper's baseline has none.
    assert ("higher-order terms" in header(name)) == (name != "voc_tags")


@pytest.mark.parametrize("name", OTHER_DATA)
def test_recipe_for_prepared_data_says_how_to_prepare_them(name):
    text, data_set = header(name), name.removesuffix("_multi_class")
    assert f"Prepare: wsss-tf data prepare {data_set} --root archives --out {data_set}" in text
    assert f"--set data.root={data_set}" in text
    published = read_published(data_set)
    figures = {one.name: f"{100 * one.miou:.1f}" for one in published.columns}
    assert f"{figures['paper, multi-class masks']} % mIoU" in text
    assert f"({published.table}; SEC has {figures['SEC']})" in text


@pytest.mark.parametrize("name", OTHER_DATA)
def test_recipe_for_prepared_data_differs_from_voc_in_its_data_alone(name):
    def rest(other):
        return load_recipe(other).model_dump(exclude={"data"})

    assert rest(name) == rest("voc_multi_class")


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_a_crf_for_its_masks_and_at_the_end(name):
    recipe = load_recipe(name)
    assert (recipe.masks.crf is not None) == (recipe.masks.kind != "none")
    assert recipe.inference.crf is not None


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_recipe_has_the_usual_kernel(name):
    recipe = load_recipe(name)
    usual = {
        "mode": "fast",
        "spatial_sigma": 3,
        "spatial_weight": 3,
        "bilateral_sigma": 80,
        "color_sigma": 13,
        "bilateral_weight": 10,
        "iterations": 10,
    }
    # The paper's higher-order terms, of which its baseline has none.
    regions = None if name == "voc_tags" else RegionSettings()
    assert recipe.inference.crf == CrfSettings(**usual, unary="log", regions=regions)
    # Eq. 7 as printed, of the probabilities P_f or P_c.
    assert recipe.masks.crf in (None, CrfSettings(**usual, unary="softmax", regions=regions))


@pytest.mark.parametrize("name", NAMES)
def test_masks_and_predictions_have_the_same_regions(name):
    recipe = load_recipe(name)
    if recipe.masks.crf is not None:
        assert recipe.masks.crf.regions == recipe.inference.crf.regions


def test_scenes_is_quick_and_needs_nothing():
    recipe = load_recipe("scenes")
    assert (recipe.data.source, recipe.data.root) == ("scenes", None)
    assert (recipe.backbone.weights, recipe.backbone.width) == ("compact", 0.125)
    assert recipe.augment.crop <= recipe.data.scenes.size <= 128
    assert recipe.localize is not None
    assert recipe.localize.steps + recipe.segment.steps <= 3_000


def test_tagged_folder_is_a_users_start():
    recipe = load_recipe("tagged_folder")
    assert recipe.data.root == Path("photos")
    assert recipe.data.label_space == "auto"
    assert recipe.backbone.weights == "imagenet"
    assert recipe.augment.crop == 321
    assert recipe.localize is not None
    assert recipe.localize.frozen_blocks == recipe.segment.frozen_blocks == 2
    assert recipe.segment.steps < 60_000
    text = recipe_path("tagged_folder").read_text(encoding="utf-8")
    assert all(f"({mark})" in text for mark in range(1, 5))


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_logs_and_checkpoints_within_its_steps(name):
    recipe = load_recipe(name)
    assert isinstance(recipe.log, LogSettings)
    assert recipe.log.every < recipe.segment.steps
    assert recipe.log.checkpoint_every < recipe.segment.steps


def test_recipes_start_from_known_label_spaces():
    assert labels.label_space(load_recipe("scenes").data.source) is labels.SCENES
    assert labels.label_space(load_recipe("voc_tags").data.source) is labels.VOC

"""From a recipe's CRF to the layer, and the size at which photos meet it."""

import inspect
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import CrfSettings, RegionSettings, load_recipe
from wsss_tf.crf import DenseCRF
from wsss_tf.regions import METHODS, PRESETS, RegionMethod
from wsss_tf.training import inference_crf, photo_within
from wsss_tf.training.crf import CRF_SIDE, dense_crf


def test_defaults_of_recipe_and_layer_are_the_same():
    parameters = inspect.signature(DenseCRF.__init__).parameters
    named = CrfSettings().model_dump(exclude={"unary", "regions"})
    assert named == {name: parameters[name].default for name in named}


def test_the_layer_has_every_setting_of_the_recipe():
    wanted = {
        "mode": "lattice",
        "spatial_sigma": 2.0,
        "spatial_weight": 4.0,
        "bilateral_sigma": 20.0,
        "color_sigma": 5.0,
        "bilateral_weight": 6.0,
        "region_weight": 0.5,
        "region_max_cost": 2.0,
        "region_tolerance": 0.25,
        "region_start": 0.5,
        "iterations": 3,
    }
    assert wanted.keys() == CrfSettings.model_fields.keys() - {"unary", "regions"}
    settings = CrfSettings(**wanted, unary="softmax", regions=RegionSettings())
    config = dense_crf(settings).get_config()
    assert {name: config[name] for name in wanted} == wanted


@pytest.mark.parametrize("mode", ["fast", "lattice", "dense"])
def test_every_mode_of_a_recipe_is_one_of_the_layer(mode):
    crf = dense_crf(CrfSettings(mode=mode, iterations=1, bilateral_sigma=5.0))
    photo = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    result = crf(tf.constant(photo), tf.zeros((9, 12, 2)))
    np.testing.assert_allclose(tf.reduce_sum(result, axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("recipe_has", "wanted", "expected"),
    [
        ("{iterations: 4}", None, CrfSettings(iterations=4)),
        ("{iterations: 4}", True, CrfSettings(iterations=4)),
        ("{iterations: 4}", False, None),
        ("none", None, None),
        ("{regions: {counts: [9]}}", True, CrfSettings(regions=RegionSettings(counts=(9,)))),
        ("none", True, CrfSettings()),
        ("none", False, None),
    ],
)
def test_what_the_command_asks_comes_before_what_the_recipe_says(recipe_has, wanted, expected):
    recipe = load_recipe("scenes", [f"inference.crf={recipe_has}"])
    assert inference_crf(recipe, wanted) == expected


@pytest.mark.parametrize("size", [(1, 1), (33, 20), (64, 64)])
def test_a_photo_within_the_side_keeps_every_level(size, random_generator):
    photo = random_generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(photo_within(photo, 64), photo)


def test_the_recipe_names_the_side_that_the_stages_use():
    assert f"reduced to {CRF_SIDE} on its longer side" in CrfSettings.__doc__


def test_a_larger_photo_is_averaged():
    stripes = np.zeros((8, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    reduced = photo_within(stripes, 100)
    assert (reduced.shape, reduced.dtype) == ((2, 100, 3), tf.uint8)
    np.testing.assert_allclose(reduced[:, 2:-2], 100, atol=3)


def test_regions_of_a_recipe_are_those_of_the_regions_room():
    fields = RegionSettings.model_fields
    assert get_args(fields["method"].annotation) == METHODS
    assert get_args(fields["preset"].annotation) == PRESETS
    assert RegionMethod(**RegionSettings().model_dump()) == RegionMethod()

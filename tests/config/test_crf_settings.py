"""The CRF in a recipe: off unless asked for, changed key by key, and read from old recipes."""

from __future__ import annotations

import pytest

from wsss_tf.config import (
    CrfSettings,
    MasksSettings,
    RegionSettings,
    load_recipe,
    packaged_recipes,
    recipe_digest,
    recipe_text,
)


def test_defaults_are_the_fields_usual_kernel():
    crf = CrfSettings()
    assert (crf.mode, crf.unary, crf.iterations) == ("fast", "log", 10)
    assert (crf.spatial_sigma, crf.spatial_weight) == (3.0, 3.0)
    assert (crf.bilateral_sigma, crf.color_sigma, crf.bilateral_weight) == (80.0, 13.0, 10.0)


@pytest.mark.parametrize("place", ["masks", "inference"])
def test_a_key_below_turns_the_crf_on_and_keeps_the_others(small, place):
    crf = getattr(load_recipe(small, [f"{place}.crf.bilateral_sigma=50"]), place).crf
    assert crf == CrfSettings(bilateral_sigma=50.0)
    two = [f"{place}.crf.bilateral_sigma=50", f"{place}.crf.mode=lattice"]
    assert getattr(load_recipe(small, two), place).crf == CrfSettings(
        bilateral_sigma=50.0, mode="lattice"
    )
    other = {"masks": "inference", "inference": "masks"}[place]
    assert getattr(load_recipe(small, two), other).crf is None


@pytest.mark.parametrize("name", packaged_recipes())
@pytest.mark.parametrize("word", ["none", "null", "~"])
def test_none_turns_the_crf_of_a_packaged_recipe_off(name, word):
    recipe = load_recipe(name, [f"masks.crf={word}", f"inference.crf={word}"])
    assert (recipe.masks.crf, recipe.inference.crf) == (None, None)


def test_an_override_changes_one_key_of_a_packaged_recipe():
    before, after = load_recipe("scenes"), load_recipe("scenes", ["masks.crf.iterations=5"])
    assert before.masks.crf is not None
    assert after.masks.crf == before.masks.crf.model_copy(update={"iterations": 5})
    assert after.inference == before.inference


def test_a_recipe_written_before_there_was_a_crf_means_none(small, small_text, write):
    text = recipe_text(load_recipe(small))
    old = text.replace("  crf: null\n", "  crf: none\n", 1)
    old = old[: old.index("inference:")] + old[old.index("log:") :]
    assert "inference" not in old
    assert old.count("crf: none") == 1
    recipe = load_recipe(write(old, "old.yaml"))
    assert recipe == load_recipe(small)
    assert recipe_digest(recipe) == recipe_digest(load_recipe(small))


def test_the_resolved_text_keeps_every_key(small, write):
    recipe = load_recipe(small, ["masks.crf.color_sigma=7", "inference.crf={unary: softmax}"])
    text = recipe_text(recipe)
    assert text.count("bilateral_weight: 10.0") == 2
    assert load_recipe(write(text, "again.yaml")) == recipe
    assert hash(recipe) == hash(load_recipe(write(text, "again.yaml")))
    assert recipe_digest(recipe) != recipe_digest(load_recipe(small))


def test_settings_can_be_made_in_code():
    masks = MasksSettings(kind="foreground", crf=CrfSettings(mode="dense"))
    assert masks.crf is not None
    assert masks.crf.mode == "dense"


@pytest.mark.parametrize("place", ["masks", "inference"])
def test_a_crf_has_no_regions_unless_asked(small, place):
    without = getattr(load_recipe(small, [f"{place}.crf.mode=fast"]), place).crf
    assert without.regions is None
    one_key = [f"{place}.crf.regions.counts=[50]"]
    asked = getattr(load_recipe(small, one_key), place).crf
    assert asked == CrfSettings(regions=RegionSettings(counts=(50,)))
    for word in ("none", "null"):
        changes = [*one_key, f"{place}.crf.regions={word}"]
        assert getattr(load_recipe(small, changes), place).crf == without


def test_regions_of_a_recipe_are_read_back_equal(small, write):
    changes = [
        "masks.crf.regions={method: felzenszwalb, counts: [30, 90]}",
        "inference.crf.regions.preset=fast",
        "data.regions_cache=~/regions",
    ]
    recipe = load_recipe(small, changes)
    text = recipe_text(recipe)
    assert "counts: [30, 90]" in text
    again = load_recipe(write(text, "again.yaml"))
    assert again == recipe
    assert recipe_digest(again) == recipe_digest(recipe) != recipe_digest(load_recipe(small))
    assert again.data.regions_cache.is_absolute()


def test_a_recipe_written_before_there_were_regions_has_none(small, write):
    recipe = load_recipe(small, ["masks.crf.mode=fast"])
    text = recipe_text(recipe)
    old = text.replace("    regions: null\n", "").replace("  regions_cache: null\n", "")
    assert len(text.splitlines()) - len(old.splitlines()) == 2
    assert load_recipe(write(old, "old.yaml")) == recipe

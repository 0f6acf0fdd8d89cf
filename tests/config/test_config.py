"""Recipes that load: defaults, overrides, text, digest, and where files are found."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import pydantic
import pytest
import yaml

import wsss_tf.config as config
from wsss_tf import images
from wsss_tf.config import crf_settings, data_settings, recipe, settings


def test_defaults_are_the_papers_and_the_contracts(small):
    loaded = config.load_recipe(small)
    assert loaded.seed == 0
    assert (loaded.data.root, loaded.data.keep, loaded.data.label_space) == (None, None, "auto")
    assert (loaded.data.train_split, loaded.data.eval_split) == ("train", "val")
    scenes = loaded.data.scenes
    assert (scenes.train, scenes.val, scenes.size, scenes.seed) == (600, 100, 96, 0)
    augment = loaded.augment
    assert (augment.crop, augment.scale, augment.flip) == (321, (0.75, 1.25), True)
    localize = loaded.localize
    assert localize is not None
    assert (localize.batch_size, localize.crop, localize.momentum) == (15, 224, 0.9)
    assert (localize.weight_decay, localize.frozen_blocks, localize.new_layer_rate) == (5e-4, 0, 1)
    masks = loaded.masks
    assert (masks.activations, masks.blocks, masks.scaling) == ("plain", (4, 5), "min_max")
    assert (masks.combination, masks.alpha, masks.cam_threshold) == ("linear", 0.5, 0.2)
    assert (masks.background, masks.background_score, masks.crf) == ("fused", 0.2, None)
    assert loaded.inference.crf is None
    segment = loaded.segment
    assert (segment.field_of_view, segment.batch_size) == ("large", 1)
    assert (segment.sharpness, segment.dropout) == (5.0, 0.5)
    assert (loaded.log.every, loaded.log.checkpoint_every, loaded.log.images_every) == (
        20,
        500,
        500,
    )


def test_default_pixel_cap_is_the_decoders(small):
    assert config.load_recipe(small).data.max_pixels == images.MAX_PIXELS


def test_numbers_are_read_as_yaml_1_2_has_them(small):
    assert config.load_recipe(small).segment.learning_rates == (0.01, 0.001)
    loaded = config.load_recipe(small, ["segment.steps=40_000", "masks.alpha=1"])
    assert loaded.segment.steps == 40_000
    assert isinstance(loaded.masks.alpha, float)
    loaded = config.load_recipe(small, ["data.train_split=2020-01-01", "data.eval_split=on"])
    assert (loaded.data.train_split, loaded.data.eval_split) == ("2020-01-01", "on")


def test_byte_order_mark_is_skipped(small_text, write):
    loaded = config.load_recipe(write(b"\xef\xbb\xbf" + small_text.encode(), "marked.yaml"))
    assert loaded == config.load_recipe(write(small_text))


def test_recipe_is_frozen_and_hashable(small):
    loaded = config.load_recipe(small)
    assert hash(loaded) == hash(config.load_recipe(small))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        loaded.seed = 1
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        loaded.segment.steps = 1


@pytest.mark.parametrize("split", ["1e-4", "null", "true", "010", "1_0", "yes", "2020-01-01", ".5"])
def test_recipe_text_round_trips(small, write, split):
    loaded = config.load_recipe(
        small,
        [f"data.train_split='{split}'", "data.keep=[star, ball]", "localize.learning_rates=[1e-7]"],
    )
    assert loaded.data.train_split == split
    again = config.load_recipe(write(config.recipe_text(loaded), "again.yaml"))
    assert again == loaded
    assert config.recipe_digest(again) == config.recipe_digest(loaded)


def test_recipe_text_is_fully_resolved_plain_yaml(small):
    text = config.recipe_text(config.load_recipe(small))
    plain = yaml.safe_load(text)
    assert plain["masks"]["blocks"] == [4, 5]
    assert plain["localize"]["weight_decay"] == 5e-4
    assert plain["data"]["root"] is None
    assert set(plain) == set(config.Recipe.model_fields)


def test_digest_tells_recipes_apart_and_nothing_else(small_text, small, write):
    digest = config.recipe_digest(config.load_recipe(small))
    reordered = "\n".join(reversed(small_text.strip().splitlines())) + "\nseed: 0\n"
    assert config.recipe_digest(config.load_recipe(write(reordered, "other.yaml"))) == digest
    same = config.load_recipe(small, ["masks.alpha=0.50", "segment.sharpness=5"])
    assert config.recipe_digest(same) == digest
    assert config.recipe_digest(config.load_recipe(small, ["seed=1"])) != digest
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


def test_overrides_set_values_lists_and_sections(small):
    loaded = config.load_recipe(
        small,
        [
            "seed=7",
            "segment.steps=5",
            "segment.steps=30",
            "segment.learning_rates=[1e-3, 1e-4, 1e-5]",
            "segment.boundaries=[10, 20]",
            "log={every: 3}",
            "data.root=a=b",
        ],
    )
    assert (loaded.seed, loaded.segment.steps) == (7, 30)
    assert loaded.segment.learning_rates == (1e-3, 1e-4, 1e-5)
    assert (loaded.log.every, loaded.log.checkpoint_every) == (3, 500)
    assert loaded.data.root == Path("a=b")


def test_overrides_drop_and_add_sections(small):
    dropped = ["localize=null", "masks.kind=none", "segment.loss=tags"]
    assert config.load_recipe(small, dropped).localize is None
    added = [*dropped, "localize.steps=3", "localize.learning_rates=[0.1]"]
    localize = config.load_recipe(small, added).localize
    assert localize is not None
    assert (localize.steps, localize.batch_size) == (3, 15)


def test_names_of_a_tagged_folder_are_checked_later(small):
    overrides = ["data.source=tagged_folder", "data.root=x", "data.keep=[unicorn]"]
    assert config.load_recipe(small, overrides).data.keep == ("unicorn",)


def test_file_on_disk_comes_before_the_packaged_recipe(small_text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config.recipe_path("scenes").name == "scenes.yaml"
    assert config.recipe_path("scenes.yaml") == config.recipe_path("scenes")
    Path("scenes").mkdir()
    assert config.recipe_path("scenes").name == "scenes.yaml"
    Path("scenes.yaml").write_text(small_text)
    assert config.recipe_path("scenes.yaml") == Path("scenes.yaml")
    assert config.load_recipe("scenes.yaml").backbone.weights == "random"


def test_home_folder_expands_and_relative_paths_stay(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    loaded = config.load_recipe(small, ["data.root=~/photos", "backbone.weights=~/w.npz"])
    assert loaded.data.root == tmp_path / "photos"
    assert loaded.backbone.weights == str(tmp_path / "w.npz")
    assert config.load_recipe(small, ["data.root=photos"]).data.root == Path("photos")


@pytest.mark.parametrize("weights", ["./mine", "w.npz", "a/b", "imagenet"])
def test_weights_round_trip(small, write, weights):
    overrides = [f"backbone.weights={weights}", "backbone.width=1.0"]
    loaded = config.load_recipe(small, overrides)
    assert loaded.backbone.weights == weights
    assert config.load_recipe(write(config.recipe_text(loaded), "again.yaml")) == loaded


def test_sections_can_be_made_in_code():
    masks = config.MasksSettings(kind="foreground", blocks=(3, 4, 5))
    assert masks.blocks == (3, 4, 5)
    with pytest.raises(pydantic.ValidationError, match="boundaries"):
        config.LocalizeSettings(steps=5, learning_rates=(0.1, 0.01), boundaries=(5,))


@pytest.mark.parametrize("module", [crf_settings, settings, data_settings, recipe])
def test_every_field_is_documented(module):
    tree = ast.parse(inspect.getsource(module))
    for section in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for field, after in zip(section.body, [*section.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                assert documented, f"{section.name}.{ast.unparse(field.target)}"


def test_config_brings_no_heavy_module():
    heavy = {"tensorflow", "keras", "PIL"}
    source = Path(inspect.getfile(config)).parent
    imported = {
        name.split(".")[0]
        for path in source.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & heavy
    assert imported - {"wsss_tf", "pydantic", "pydantic_core", "yaml"} <= sys.stdlib_module_names


@pytest.mark.parametrize("place", ["masks", "inference"])
def test_views_of_a_photo_are_one_unless_asked(small, write, place):
    plain = config.load_recipe(small)
    assert (getattr(plain, place).scales, getattr(plain, place).flip) == ((1.0,), False)
    old = config.recipe_text(plain).replace("  scales: [1.0]\n", "")
    old = "".join(
        line
        for line, before in zip(old.splitlines(True), ["", *old.splitlines()], strict=False)
        if line != "  flip: false\n" or before == "  scale: [0.75, 1.25]"
    )
    assert old.count("flip") == 1  # That of augment, which is older.
    assert config.load_recipe(write(old, "old.yaml")) == plain
    changes = [f"{place}.scales=[0.75, 1, 1.25]", f"{place}.flip=true"]
    asked = config.load_recipe(small, changes)
    assert (getattr(asked, place).scales, getattr(asked, place).flip) == ((0.75, 1, 1.25), True)
    assert config.load_recipe(write(config.recipe_text(asked), "again.yaml")) == asked
    assert config.recipe_digest(asked) != config.recipe_digest(plain)

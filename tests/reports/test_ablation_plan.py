"""Plans of an ablation: recipes of the set-ups, masks of the tables, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.config import CrfSettings, MasksSettings, RegionSettings, load_recipe
from wsss_tf.errors import ConfigError
from wsss_tf.reports.ablation import SETUPS, plan_ablation
from wsss_tf.reports.ablation.mask_cases import mask_cases, paper_masks

OUT = Path("out")
VOC = ("data.root=VOC2012",)
WITH_REGIONS = ("foreground_regions", "localization_regions", "fusion_regions_small")


def planned(recipe="scenes", overrides=(), **options):
    return plan_ablation(recipe, overrides, out=OUT, **options)


def names(plan):
    return [setup.name for setup in plan.setups]


def test_the_eight_set_ups_in_the_table_s_order():
    plan = planned()
    assert names(plan) == list(SETUPS)
    assert len(plan.setups) == 8
    # (loss, kind, localized, alpha, regions, field of view), row by row as Table 6 has them.
    assert [
        (
            recipe.segment.loss,
            recipe.masks.kind,
            recipe.localize is not None,
            recipe.masks.alpha,
            recipe.masks.crf.regions is not None,
            recipe.segment.field_of_view,
        )
        for recipe in (plan.recipes[name] for name in names(plan))
    ] == [
        ("tags", "none", False, 0.5, False, "small"),
        ("foreground", "foreground", False, 0.5, False, "small"),
        ("foreground", "foreground", False, 0.5, True, "small"),
        ("multi_class", "multi_class", True, 0.0, False, "small"),
        ("multi_class", "multi_class", True, 0.0, True, "small"),
        ("multi_class", "multi_class", True, 0.5, False, "small"),
        ("multi_class", "multi_class", True, 0.5, True, "small"),
        ("multi_class", "multi_class", True, 0.5, True, "large"),
    ]
    for recipe in plan.recipes.values():
        assert (recipe.masks.crf.regions is None) == (recipe.inference.crf.regions is None)


def test_where_networks_start_from_the_cams_all_do():
    plan = planned(overrides=("segment.start=localize",))
    for recipe in plan.recipes.values():
        assert recipe.segment.start == "localize"
        assert recipe.localize == plan.base.localize


def test_the_command_s_help_names_them():
    words = CliRunner().invoke(main, ["ablate", "--help"]).output.replace(",", " ").split()
    assert {name for name in SETUPS if name not in (word.rstrip(".") for word in words)} == set()


def test_nothing_else_differs():
    plan = planned(overrides=("segment.steps=2000", "masks.cam_threshold=0.3", "seed=4"))
    for recipe in plan.recipes.values():
        assert recipe.segment.steps == 2000
        assert recipe.seed == 4
        assert recipe.masks.cam_threshold == 0.3
        assert recipe.masks.crf.bilateral_sigma == 20.0
        assert recipe.data == plan.base.data
        assert recipe.augment == plan.base.augment


def test_the_large_view_with_all_parts_is_the_paper_s_own_recipe():
    plan = planned("voc_multi_class", VOC)
    own = load_recipe("voc_multi_class", (*VOC, f"data.regions_cache={OUT.absolute() / 'regions'}"))
    found = plan.recipes["fusion_regions_large"]
    assert found.model_dump(exclude={"data"}) == own.model_dump(exclude={"data"})
    assert found.data.root == own.data.root
    assert found.data.regions_cache == own.data.regions_cache


def test_regions_are_those_of_the_recipe_or_defaults():
    given = RegionSettings(method="slic", counts=(10, 50))
    plan = planned(overrides=("masks.crf.regions={method: slic, counts: [10, 50]}",))
    for name in WITH_REGIONS:
        assert plan.recipes[name].masks.crf.regions == given
        assert plan.recipes[name].inference.crf.regions == given
    for name in ("foreground", "localization", "fusion"):
        assert plan.recipes[name].masks.crf.regions is None
    assert planned().recipes["fusion_regions_small"].masks.crf.regions == RegionSettings()


def test_a_crf_that_the_recipe_has_not_is_not_added():
    plan = planned(overrides=("inference.crf=none",))
    assert all(recipe.inference.crf is None for recipe in plan.recipes.values())
    without = planned(overrides=("masks.crf=none",), setups=["tags", "fusion"])
    assert without.recipes["fusion"].masks.crf is None
    with pytest.raises(ConfigError, match=r"masks\.crf\.mode=fast"):
        planned(overrides=("masks.crf=none",))


@pytest.mark.parametrize(("view", "gone"), [("large", "small"), ("small", "large")])
def test_one_field_of_view_for_all(view, gone):
    changes = (f"segment.field_of_view={view}",)
    plan = planned(overrides=changes)
    assert names(plan) == [name for name in SETUPS if name != f"fusion_regions_{gone}"]
    assert {recipe.segment.field_of_view for recipe in plan.recipes.values()} == {view}
    three = planned(overrides=changes, setups=["fusion", "tags", "foreground"])
    assert names(three) == ["tags", "foreground", "fusion"]
    with pytest.raises(ConfigError, match="names its field of view"):
        planned(overrides=changes, setups=[f"fusion_regions_{gone}"])


def test_runs_share_scenes_and_what_is_kept_of_photos():
    data, out = planned().recipes["tags"].data, OUT.absolute()
    assert (data.root, data.regions_cache) == (out / "scenes", out / "regions")
    assert data.activations_cache == out / "activations"
    said = planned(overrides=("data.root=s", "data.regions_cache=r")).recipes["tags"].data
    assert (said.root, said.regions_cache) == (Path("s"), Path("r"))
    assert planned("voc_multi_class", VOC).recipes["tags"].data.root == Path("VOC2012")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"setups": ["tag"]}, r"Received: tag\. Did you mean tags\?"),
        ({"mask_photos": 3, "tables": ("5",)}, "--mask-photos: is of table 4"),
        ({"setups": ["fusion_region_large"]}, r"Did you mean fusion_regions_large\?"),
        ({"setups": ["fusion", "fusion"]}, "Received twice: fusion"),
        ({"setups": [""]}, "Received: nothing"),
        ({"setups": []}, "at least one"),
        ({"tables": ["7"]}, "must be of 4, 5, 6. Received: 7"),
        ({"tables": ["4"], "setups": ["tags"]}, "rows of table 6"),
        ({"recipe": "voc_tags", "overrides": VOC}, "multi-class recipe"),
        ({"overrides": ("segment.stepz=2",)}, r"did you mean segment\.steps"),
    ],
)
def test_wrong_plans_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        planned(**options)


def test_table_4_is_each_block_alone_and_both_with_and_without_a_crf():
    found = [
        (case.name, case.crf, case.masks.blocks, case.masks.kind)
        for case in mask_cases(load_recipe("scenes"), "4")
    ]
    assert found == [
        (name, crf, blocks, "foreground")
        for name, blocks in (("blocks 4 + 5", (4, 5)), ("block 4", (4,)), ("block 5", (5,)))
        for crf in ("none", "pairwise")
    ]


def test_table_5_has_the_recipe_s_settings_and_the_printed_ones():
    base = load_recipe("scenes", ("masks.crf.regions={method: slic}",))
    found = {(case.settings, case.name, case.crf): case.masks for case in mask_cases(base, "5")}
    assert len(found) == 2 * 2 * 3
    assert found["recipe", "localization + fusion", "regions"] == base.masks
    assert found["recipe", "localization", "none"] == base.masks.model_copy(
        update={"alpha": 0.0, "crf": None}
    )
    printed = found["paper", "localization + fusion", "pairwise"]
    assert printed == MasksSettings(kind="multi_class", crf=CrfSettings(unary="softmax"))
    assert (printed.scaling, printed.combination, printed.alpha) == ("min_max", "linear", 0.5)
    assert (printed.background, printed.cam_threshold) == ("fused", 0.2)
    crf = printed.crf
    assert (crf.bilateral_sigma, crf.color_sigma, crf.bilateral_weight) == (80.0, 13.0, 10.0)
    assert found["paper", "localization", "regions"].crf.regions.method == "slic"


def test_the_paper_s_recipe_is_not_told_twice():
    base = load_recipe("voc_multi_class", VOC)
    assert paper_masks(base) == base.masks
    assert {case.settings for case in mask_cases(base, "5")} == {"recipe"}

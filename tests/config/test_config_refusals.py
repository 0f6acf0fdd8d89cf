"""Recipes that are refused: each message names the place, the rule and what was received."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("segment.stps=3", "--set: segment.stps: unknown key; did you mean segment.steps? (Rec"),
        ("segmnt.steps=3", "--set: segmnt: unknown key; did you mean segment?"),
        ("alpa=1", "unknown key; did you mean masks.alpha?"),
        (
            "masks.crf.bilateral=9",
            "--set: masks.crf.bilateral: unknown key; did you mean masks.crf.",
        ),
        ("crf.mode=fast", "--set: crf: unknown key; did you mean masks.crf or inference.crf?"),
        ("learning_rate=1", "did you mean localize.learning_rates or segment.learning_rates?"),
        ("qqqq=1", "--set: qqqq: unknown key (Received: 1)"),
        ("segment.steps.x=3", "--set: segment.steps: must be a valid integer"),
        ("segment.steps", "--set segment.steps: must be key.path=value"),
        ("=3", "--set =3: must be key.path=value"),
        ("a..b=3", "--set a..b=3: must be key.path=value"),
        ("masks.blocks=[4", "--set masks.blocks=[4: line 1, column"),
        ("log={every: 1, every: 2}", "every: duplicate key"),
        ("segment.steps=", "--set: segment.steps: must be a valid integer (Received: null)"),
    ],
)
def test_wrong_overrides_are_named(refused, small, override, message):
    assert message in refused(small, override)


@pytest.mark.parametrize(
    ("override", "reason", "received"),
    [
        ("seed=-1", "greater than or equal to 0", "-1"),
        ("seed=1.0", "must be a valid integer", "1.0"),
        ("seed=true", "must be a valid integer", "true"),
        ("seed='1'", "must be a valid integer", '"1"'),
        ("seed=3000000000", "less than or equal to 2147483647", "3000000000"),
        ("segment.steps=0", "greater than or equal to 1", "0"),
        ("segment.steps=010", "must be a valid integer", '"010"'),
        ("segment.batch_size=0", "greater than or equal to 1", "0"),
        ("segment.learning_rates=[]", "must be a list of more items", "[]"),
        ("segment.learning_rates=0.1", "must be a list", "0.1"),
        ("segment.momentum=1", "less than 1", "1"),
        ("segment.weight_decay=-1", "greater than or equal to 0", "-1"),
        ("segment.frozen_blocks=6", "less than or equal to 5", "6"),
        ("segment.new_layer_rate=0", "greater than 0", "0"),
        ("segment.sharpness=.nan", "must be a finite number", "NaN"),
        ("segment.sharpness=.inf", "must be a finite number", "Infinity"),
        ("segment.sharpness=1e999", "must be a finite number", "Infinity"),
        ("segment.dropout=1.0", "less than 1", "1.0"),
        ("segment.loss=tag", "must be 'tags', 'foreground' or 'multi_class'", '"tag"'),
        ("masks.alpha=1.5", "less than or equal to 1", "1.5"),
        ("masks.blocks=[5, 4]", "must ascend and name each block once", "[5, 4]"),
        ("masks.blocks=[4, 4]", "must ascend and name each block once", "[4, 4]"),
        ("masks.blocks=[]", "must be a list of more items", "[]"),
        ("masks.crf=dense", "must be a section, such as {mode: dense}, or none", '"dense"'),
        ("inference.crf=true", "must be a section, such as {mode: fast}, or none", "true"),
        ("masks.crf.mode=quick", "must be 'fast', 'lattice' or 'dense'", '"quick"'),
        ("masks.crf.unary=exp", "must be 'log' or 'softmax'", '"exp"'),
        ("masks.crf.spatial_sigma=0", "greater than or equal to 1", "0"),
        ("masks.crf.color_sigma=-1", "greater than or equal to 1", "-1"),
        ("masks.crf.bilateral_sigma=5000", "less than or equal to 1000", "5000"),
        ("masks.crf.bilateral_sigma=.inf", "must be a finite number", "Infinity"),
        ("masks.crf.bilateral_weight=-1", "greater than or equal to 0", "-1"),
        ("masks.crf.region_max_cost=0", "greater than 0", "0"),
        ("masks.crf.iterations=0", "greater than or equal to 1", "0"),
        ("masks.crf.regions=slic", "must be a section, such as {method: slic}, or none", '"slic"'),
        ("masks.crf.regions=true", "must be a section, such as {method: crisp}, or none", "true"),
        ("masks.crf.regions.method=watershed", "must be 'crisp', 'felzenszwalb'", '"watershed"'),
        ("masks.crf.regions.preset=quick", "must be 'fast', 'default' or 'acc", '"quick"'),
        ("masks.scales=[]", "must be a list of more items", "[]"),
        ("masks.scales=1.5", "must be a list, such as [1, 2]", "1.5"),
        ("inference.scales=[1, 0.5]", "must ascend and name each scale once", "[1, 0.5]"),
        ("inference.scales=[1, 1]", "must ascend and name each scale once", "[1, 1]"),
        ("masks.flip=1", "must be true or false", "1"),
        ("inference.flip=yes", "must be true or false", '"yes"'),
        ("masks.crf.regions.counts=[]", "must be a list of more items", "[]"),
        ("masks.crf.regions.counts=9", "must be a list, such as [1, 2]", "9"),
        ("masks.crf.regions.counts=[9, 9]", "must ascend and name each count once", "[9, 9]"),
        ("masks.crf.regions.counts=[9, 8]", "must ascend and name each count once", "[9, 8]"),
        ("inference.crf.iterations=5.5", "must be a valid integer", "5.5"),
        ("inference=none", "must be a section with keys of its own", '"none"'),
        ("augment.flip=1", "must be true or false", "1"),
        ("augment.flip=yes", "must be true or false", '"yes"'),
        ("augment.scale=[2, 1]", "must be [smallest, largest]", "[2, 1]"),
        ("augment.scale=[1]", "missing", "nothing"),
        ("augment.scale=[1, 2, 3]", "at most 2 items", "[1, 2, 3]"),
        ("augment.crop=8", "greater than or equal to 16", "8"),
        ("augment.crop=100000", "less than or equal to 4096", "100000"),
        ("backbone.width=0", "greater than 0", "0"),
        ("backbone.width=2", "less than or equal to 1", "2"),
        ("backbone.weights=imagnet", "Did you mean imagenet?", '"imagnet"'),
        ("backbone.weights=null", "must be a text", "null"),
        (
            "data.source=folder",
            "must be 'scenes', 'tagged_folder', 'voc' or 'prepared'",
            '"folder"',
        ),
        ("data.root=[1]", "must be a path", "[1]"),
        ("data.root=''", "must be a path, or null", '""'),
        ("data.train_split=3", "must be a text; put it in quotes", "3"),
        ("data.train_split=../x", "must match pattern", '"../x"'),
        ("data.keep=[]", "at least one class, or be null", "[]"),
        ("data.keep=[ball, ball]", "name each class once", '["ball", "ball"]'),
        ("data.max_pixels=999999999", "less than or equal to 178956970", "999999999"),
        ("data.scenes.train=0", "greater than or equal to 1", "0"),
        ("data={}", "is missing and has no default", "nothing"),
        ("masks=null", "must be a section with keys of its own", "null"),
        ("masks=multi_class", "must be a section with keys of its own", '"multi_class"'),
        ("log.every=0", "greater than or equal to 1", "0"),
    ],
)
def test_wrong_values_are_named(refused, small, override, reason, received):
    message = refused(small, override)
    assert message.startswith(f"--set: {override.partition('=')[0]}")
    assert reason in message
    assert f"(Received: {received})" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["segment.boundaries=[]"], "segment.boundaries: must have one step fewer"),
        (["localize.boundaries=[5]"], "localize.boundaries: must have one step fewer"),
        (["segment.boundaries=[20]"], "segment.boundaries: must lie below the number of steps, 20"),
        (
            ["segment.learning_rates=[1, 1, 1]", "segment.boundaries=[9, 9]"],
            "segment.boundaries: must ascend (Received: [9, 9])",
        ),
        (["backbone.weights=compact"], "backbone.width: must be 0.125 with weights compact"),
        (["backbone.weights=imagenet"], "backbone.width: must be 1.0 with weights imagenet"),
        (["data.source=voc"], "data.root: must be the data folder; only source scenes"),
        (["data.source=tagged_folder"], "data.root: must be the data folder"),
        (["data.label_space=voc"], "data.label_space: must be auto or scenes for source scenes"),
        (["data.keep=[bal]"], "data.keep.0: must be a foreground class of label space scenes. Did"),
        (["data.keep=[background]"], "data.keep.0: must be a foreground class"),
        (["data.source=voc", "data.root=x", "data.keep=[cat, xyz]"], "data.keep.1: must be a"),
        (
            [
                "data.source=tagged_folder",
                "data.root=x",
                "data.label_space=coco",
                "data.keep=[cta]",
            ],
            "label space coco. Did you mean cat?",
        ),
        (["masks.scales=[1, 4.1]"], "scales.1: must be less than or equal to 4"),
        (
            ["inference.scales=[0.2, 1]"],
            "inference.scales.0: must be greater than or equal to 0.25",
        ),
        (["masks.scales=[1, 2, 3, 4, 1, 2, 3, 4, 1]"], "masks.scales: must have at most 8 items"),
        (["masks.crf.regions.counts=[1]"], "regions.counts.0: must be greater than or equal to 2"),
        (["masks.crf.regions.counts=[9, 10001]"], "counts.1: must be less than or equal to 10000"),
        (["masks.crf.regions.counts=[2, 3, 4, 5, 6, 7, 8, 9, 10]"], "must have at most 8 items"),
        (
            ["masks.crf.regions={method: slic, preset: fast}"],
            "masks.crf.regions.preset: must be left out with method slic; only crisp has presets",
        ),
        (["data.regions_cache=''"], "data.regions_cache: must be a path, or null"),
        (["data.activations_cache=''"], "data.activations_cache: must be a path, or null"),
        (["augment.views=0"], "augment.views: must be greater than or equal to 1"),
        (["augment.views=1001"], "augment.views: must be less than or equal to 1000"),
        (
            ["augment.views=2", "localize.frozen_blocks=0", "localize.keep_activations=true"],
            "localize.keep_activations: must be false with frozen_blocks 0",
        ),
        (
            ["segment.frozen_blocks=1", "segment.keep_activations=true"],
            "augment.views: must be a number of views, say 4, for segment.keep_activations",
        ),
        (["masks.kind=foreground"], "masks.kind: must be multi_class for segment.loss multi_class"),
        (["segment.loss=foreground"], "masks.kind: must be foreground for segment.loss foreground"),
        (["segment.loss=tags"], "masks.kind: must be none for segment.loss tags"),
        (["localize=null"], "--set: localize: must be given for masks.kind multi_class"),
        (
            ["localize=null", "masks.kind=none", "segment.loss=tags", "segment.start=localize"],
            "--set: segment.start: must be backbone without localize",
        ),
    ],
)
def test_rules_over_several_keys(refused, small, overrides, message):
    assert message in refused(small, *overrides)


def test_all_problems_come_at_once(small_text, refused, write):
    path = write(small_text + "sed: 3\nlog: {every: -1, evry: 2}\nseed: 1\nseed: x\n")
    lines = refused(path, "nonsense", "masks.alpha=2").splitlines()
    assert len(lines) == 7
    for expected in (
        f"{path}: seed: duplicate key; keep one (Received: lines 9 and 10)",
        "--set nonsense: must be key.path=value",
        f"{path}: seed: must be a valid integer",
        "--set: masks.alpha: must be less than or equal to 1 (Received: 2)",
        f"{path}: sed: unknown key; did you mean seed? (Received: 3)",
        f"{path}: log.every: must be greater than or equal to 1 (Received: -1)",
        f"{path}: log.evry: unknown key; did you mean log.every? (Received: 2)",
    ):
        assert sum(line.startswith(expected) for line in lines) == 1, expected


def test_duplicate_keys_are_found_at_any_depth(small_text, refused, write):
    message = refused(write(small_text.replace("steps: 20", "steps: 20, steps: 30")))
    assert "segment.steps: duplicate key; keep one (Received: lines 6 and 6)" in message


def test_missing_sections_are_named(refused, write):
    message = refused(write("seed: 1\n"))
    for section in ("data", "backbone", "masks", "segment"):
        assert f"{section}: is missing and has no default" in message


def test_long_values_are_cut_short(refused, small):
    message = refused(small, f"segment.loss={'x' * 5000}")
    assert len(message) < 400
    assert "xxx..." in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- 1\n- 2\n", "must be a mapping, `key: value` lines. Received: [1, 2]"),
        ("hello", 'Received: "hello"'),
        ("seed: 1\n\tdata: 2\n", "line 2, column 1: is not YAML"),
        ("data:\n\tsource: voc\n", "Indent with spaces, not tabs"),
        ("seed: [1, 2\n", "line 2, column 1: is not YAML"),
        ("seed: 1\n---\nseed: 2\n", "line 2, column 1: is not YAML: expected a single document"),
        ("seed: !!python/object:os.system x\n", "line 1, column 7: is not YAML: could not"),
        ("seed: &a 1\nlog: *a\n", "line 2, column 6: is not YAML: aliases are not read"),
        ("? [1]\n: 2\n", "found unhashable key"),
        ("[" * 5000, "is nested too deeply"),
        ("seed: " + "9" * 5000, "Exceeds the limit"),
        (b"seed: \xff\n", "must be UTF-8 text. Received: byte 0xff at position 6"),
        (b"seed: \x00\n", "is not YAML: unacceptable character"),
        (b"x" * 1_000_001, "is larger than 1 MB"),
    ],
)
def test_files_that_are_no_recipe(refused, write, content, message):
    path = write(content)
    text = refused(path)
    assert text.startswith(f"{path}: ")
    assert message in text


def test_keys_that_are_no_words(small_text, refused, write):
    assert "keys must be words; put it in quotes" in refused(write(small_text + "1: 2\n"))


def test_missing_file_names_the_packaged_recipes(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refused("scenez")
    assert "no such file, and no packaged recipe" in message
    assert "Did you mean scenes?" in message
    assert "voc_multi_class" in message
    assert "no such file" in refused(tmp_path / "scenes")  # A path is not a packaged name.


def test_folder_is_no_recipe(small_text, refused, tmp_path):
    assert "a recipe must be a file. Received: a folder." in refused(tmp_path)
    (tmp_path / "recipe.yaml").write_text(small_text)
    assert f"Give the file {tmp_path / 'recipe.yaml'}" in refused(tmp_path)


def test_unreadable_file(refused, small, monkeypatch):
    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # Root may read whatever the mode says.
    assert refused(small) == f"{small}: cannot be read: Permission denied."

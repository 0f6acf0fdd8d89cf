"""Stages taken over from another run: which ones, killed half-way, and never shared in writing."""

import os
from pathlib import Path

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.files import write_json
from wsss_tf.training import LOCALIZE, MASKS, RunFolder, run_stages, stages_of
from wsss_tf.training import reuse as reuse_module
from wsss_tf.training.reuse import adopt_stage, find_donor, stage_inputs

LARGE, ALPHA = "segment.field_of_view=small", "masks.alpha=0"
FOREGROUND = ("segment.loss=foreground", "masks.kind=foreground", "localize=null")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def other(tiny_run, tiny_overrides, tmp_path):
    """A run of a recipe that differs in its segment stage only; without a stage yet."""
    return run_stages(
        load_recipe("scenes", (*tiny_overrides, LARGE)), tmp_path / "other", until=None
    )


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        (LARGE, {"localize", "masks"}),
        (ALPHA, {"localize"}),
        ("masks.crf.iterations=3", {"localize"}),
        ("localize.steps=7", set()),
        ("augment.flip=false", set()),
        ("seed=1", set()),
        ("data.scenes.seed=1", set()),
        ("data.eval_split=test", {"localize", "masks", "segment"}),
        ("data.regions_cache=elsewhere", {"localize", "masks", "segment"}),
        ("inference.crf=none", {"localize", "masks", "segment"}),
        ("log.every=1", {"localize", "masks", "segment"}),
    ],
)
def test_equal_inputs_are_what_the_stage_hangs_on(tiny_run, tiny_overrides, change, equal):
    recipe = load_recipe("scenes", (*tiny_overrides, change))
    names = [stage.name for stage in stages_of(recipe)]
    assert {n for n in names if stage_inputs(recipe, n) == stage_inputs(tiny_run.recipe, n)} == (
        equal
    )


def test_foreground_masks_hang_on_no_training(tiny_overrides):
    one, two = (
        load_recipe("scenes", (*tiny_overrides, *FOREGROUND, f"seed={seed}")) for seed in (0, 1)
    )
    assert stage_inputs(one, "masks") == stage_inputs(two, "masks")
    assert stage_inputs(one, "segment") != stage_inputs(two, "segment")


def test_a_start_from_the_cam_network_hangs_on_its_training(tiny_overrides):
    tags = ("segment.loss=tags", "masks.kind=none")
    for start, equal in (("backbone", True), ("localize", False)):
        one, two = (
            load_recipe(
                "scenes", (*tiny_overrides, *tags, f"segment.start={start}", f"localize.steps={n}")
            )
            for n in (6, 7)
        )
        assert (stage_inputs(one, "segment") == stage_inputs(two, "segment")) == equal


def test_stages_are_taken_over_and_the_record_says_so(tiny_run, tiny_overrides, other):
    run = run_stages(other.recipe, other.path, until="masks", donors=[other, tiny_run])
    for name in ("localize", "masks"):
        files = sorted(tiny_run.stage(name).iterdir())
        assert [path.name for path in files] == sorted(p.name for p in run.stage(name).iterdir())
        assert all(path.samefile(run.stage(name) / path.name) for path in files)
        entry, theirs = run.record()["stages"][name], tiny_run.record()["stages"][name]
        assert entry["seconds"] == 0.0
        assert entry["adopted"]["seconds"] == theirs["seconds"] > 0
        assert not Path(entry["adopted"]["run"]).is_absolute()
        assert (run.path / entry["adopted"]["run"]).resolve() == tiny_run.path.resolve()
    assert run.record()["files"].keys() >= tiny_run.record()["files"].keys()  # Read for it, too.
    assert not run.stage("segment").exists()


def test_a_donor_of_other_files_is_none(tiny_run, other):
    assert find_donor(other, "localize", [tiny_run]) is tiny_run
    record = other.record()
    shared = next(path for path in tiny_run.record()["files"] if path in record["files"])
    write_json(other.record_path, {**record, "files": {**record["files"], shared: "another"}})
    assert find_donor(other, "localize", [tiny_run]) is None


@pytest.mark.parametrize("whole", [0, 1, 7, 12])
@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_killed_half_way_the_stage_is_not_done_and_the_same_call_goes_on(
    tiny_run, other, monkeypatch, whole, links
):
    if not links:
        monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError("no links")))
    before, original, calls = content(tiny_run.stage("masks")), reuse_module._link, []

    def killed(source, target):
        calls.append(source)
        if len(calls) > whole:
            raise KeyboardInterrupt
        original(source, target)

    monkeypatch.setattr(reuse_module, "_link", killed)
    with pytest.raises(KeyboardInterrupt):
        adopt_stage(other, tiny_run, "masks")
    assert not MASKS.is_done(other)
    monkeypatch.setattr(reuse_module, "_link", original)
    adopt_stage(other, tiny_run, "masks")
    assert MASKS.is_done(other)
    assert content(other.stage("masks")) == before == content(tiny_run.stage("masks"))


def test_what_was_begun_as_links_may_be_trained_without_harm(tiny_run, other, monkeypatch):
    before = content(tiny_run.stage("localize"))
    adopt_stage(other, tiny_run, "localize")
    (other.stage("localize") / "checkpoint.npz").unlink()  # As a kill before the last file.
    run = run_stages(other.recipe, other.path, until="localize")
    assert LOCALIZE.is_done(run)
    assert "adopted" not in run.record()["stages"]["localize"]
    assert content(tiny_run.stage("localize")) == before
    trained = (run.stage("localize") / "checkpoint.npz").read_bytes()
    assert trained == before["checkpoint.npz"]


def test_the_folder_alone(tiny_run, other):
    assert other.labels == tiny_run.labels
    assert RunFolder.existing(other.path).record()["stages"] == {}

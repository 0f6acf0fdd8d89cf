"""Mask quality without truth: figures over photos, the worst of them, and a run's report."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import RunError
from wsss_tf.images import read_label_map
from wsss_tf.reports import mask_quality as module
from wsss_tf.reports.mask_measures import MEASURES
from wsss_tf.reports.mask_quality import mask_quality, sampled_places
from wsss_tf.reports.mask_summary import coverage_row, quality_summary, quality_table, summary
from wsss_tf.reports.worst_masks import fault
from wsss_tf.training import RunFolder

ENTRIES = (
    {"id": "a", "tags": ["cat"], "coverage": {"background": 0.75, "cat": 0.25}},
    {"id": "b", "tags": ["cat", "dog"], "coverage": {"background": 0.5, "cat": 0.5}},
    {"id": "c", "tags": ["dog"], "coverage": {"background": 1.0}},
    {"id": "d", "tags": ["cat"], "coverage": {"cat": 1.0}},
)


def rows_of(entries=ENTRIES, *, foreground=False, **measures):
    rows = []
    for entry in entries:
        row = coverage_row(entry, foreground=foreground)
        row.update({**dict.fromkeys(MEASURES), **measures}, sampled=bool(measures))
        row["score"], row["reason"] = fault(row)
        rows.append(row)
    return rows


def test_coverage_and_empty_masks_of_four_photos():
    found = quality_summary(rows_of(), ["cat", "dog", "fish"])
    quartiles = [0.375, 0.5, 0.75]
    assert found["coverage"] == {
        "cat": {"empty": 0, "photos": 3, "mean": pytest.approx(1.75 / 3), "quartiles": quartiles},
        "dog": {"empty": 2, "photos": 2, "mean": 0.0, "quartiles": [0.0, 0.0, 0.0]},
        "fish": {"empty": 0, "photos": 0, "mean": None, "quartiles": None},
    }
    assert found["empty"] == {"photos": 2, "tags": 2}
    assert found["one_label"] == {"share": 0.99, "background": 1, "foreground": 1}
    assert found["foreground"]["mean"] == (0.25 + 0.5 + 0.0 + 1.0) / 4
    assert (found["sampled"], found["agreement"], found["crf"]) == (0, None, None)
    worst = [(row["id"], row["reason"]) for row in found["worst"]]
    assert worst == [
        ("c", "no pixel for dog"),
        ("b", "no pixel for dog"),
        ("d", "100 % foreground"),
        ("a", "75 % background"),
    ]


def test_foreground_masks_have_one_class_for_every_tag():
    entries = [{**ENTRIES[1], "coverage": {"background": 0.5, "foreground": 0.5}}, ENTRIES[2]]
    found = quality_summary(rows_of(entries, foreground=True), ["foreground"])
    middle = found["coverage"]["foreground"]
    assert (middle["photos"], middle["empty"], middle["mean"]) == (2, 1, 0.25)
    assert found["worst"][0]["reason"] == "no pixel for foreground"


def test_a_class_with_a_pixel_too_few_to_round_is_not_empty():
    entry = {"id": "a", "tags": ["cat"], "coverage": {"background": 1.0, "cat": 0.0}}
    assert coverage_row(entry, foreground=False)["empty"] == []


def test_a_sample_is_summed_up_over_the_values_there_are():
    lost = {"cat": 0.1, "dog": 0.3}
    some = rows_of(agreement=0.5, fallback=[], changed=0.2, removed=None, added=0.0, core_lost=lost)
    found = quality_summary([*some, *rows_of()], ["cat", "dog"])
    assert found["sampled"] == 4
    assert found["agreement"] == {"photos": 4, "mean": 0.5, "quartiles": [0.5] * 3}
    assert found["fallback"] == {"photos": 0, "tags": 0}
    assert found["crf"]["removed"] is None
    assert found["crf"]["core_lost"]["mean"] == pytest.approx(0.3)
    assert summary([None, 1.0, 0.0])["mean"] == 0.5


def test_the_worst_fault_is_the_one_that_is_named():
    row = rows_of(ENTRIES[1:2], core_lost={"cat": 0.8})[0]
    steps = (
        ({}, 4.5, "no pixel for dog"),
        ({"empty": [], "fallback": ["dog"]}, 3.5, "dog: from the CAM alone"),
        ({"empty": [], "foreground": 0.005}, 3.99, "100 % background"),
        ({"empty": []}, 2.8, "CRF took 80 % of the core of cat"),
        (
            {"empty": [], "core_lost": {"cat": 0.4}, "agreement": 0.05},
            1.95,
            "CAM and foreground map agree to 5 %",
        ),
        ({"empty": [], "core_lost": {}, "foreground": 0.9}, 0.8, "90 % foreground"),
    )
    for changes, score, reason in steps:
        assert fault({**row, **changes}) == (pytest.approx(score), reason)


def test_trimming_is_no_fault():
    row = rows_of(ENTRIES[:1], removed=0.9, core_lost={"cat": 0.0})[0]
    assert row["reason"] == "75 % background"


def test_the_table_says_what_there_is():
    text = quality_table(quality_summary(rows_of(), ["cat", "fish"]))
    assert text.splitlines()[:3] == [
        "class  photos  median cover  empty",
        "cat         3          50 %      0",
        "fish        0             -      0",
    ]
    assert "Of 4 photos, 2 lack a tagged class" in text
    assert "sample" not in text


def test_a_sample_is_the_same_every_time_and_has_no_photo_twice():
    assert sampled_places(5, 9) == [0, 1, 2, 3, 4]
    assert sampled_places(1000, 20) == sampled_places(1000, 20)
    assert len(set(sampled_places(1000, 20))) == 20
    assert sampled_places(3, 0) == sampled_places(0, 3) == []


@pytest.fixture(scope="module")
def poisoned(tiny_run, tmp_path_factory):
    """A copy of the run whose pixel labels cannot be read, and its quality."""
    path = tmp_path_factory.mktemp("quality") / "run"
    shutil.copytree(tiny_run.path, path)
    for mask in (path / "data" / "masks").glob("*.png"):
        mask.write_text("no label for you")
    run = RunFolder.existing(path)
    return run, mask_quality(run, photos=3)


def test_the_report_of_a_run(poisoned):
    run, found = poisoned
    report = run.stage("report")
    assert json.loads((report / "mask_quality.json").read_text()) == found
    assert (found["photos"], found["sampled"], found["kind"]) == (12, 3, "multi_class")
    rows = [json.loads(line) for line in (report / "mask_quality.jsonl").open()]
    assert len(rows) == 12
    names = ("background", *found["coverage"])
    for row in rows:
        mask = read_label_map(run.stage("masks") / f"{row['id']}.png")
        assert row["foreground"] == pytest.approx(np.mean(mask != 0), abs=1e-6)
        for name, share in row["coverage"].items():
            assert share == pytest.approx(np.mean(mask == names.index(name)), abs=1e-6)
        assert row["sampled"] == (row["changed"] is not None)
    assert found["crf"]["changed"]["photos"] == 3
    with Image.open(report / "worst_masks.png") as sheet:
        assert min(sheet.size) > 400
    assert len(found["worst"]) == 12


def test_the_same_masks_are_not_measured_again(poisoned, monkeypatch):
    run, found = poisoned
    monkeypatch.setattr(module, "_rows", None)  # Cannot be called.
    assert mask_quality(run, photos=3) == found
    with pytest.raises(TypeError):
        mask_quality(run, photos=2)


def test_the_same_masks_have_the_same_quality(poisoned):
    run, found = poisoned
    before = (run.stage("report") / "mask_quality.jsonl").read_bytes()
    (run.stage("report") / "mask_quality.json").write_text("{torn")
    assert mask_quality(run, photos=3) == found
    assert (run.stage("report") / "mask_quality.jsonl").read_bytes() == before


def test_a_run_without_masks_is_named(poisoned, tmp_path):
    recipe = poisoned[0].path / "recipe.yaml"
    shutil.copy(recipe, tmp_path)
    with pytest.raises(RunError, match=r"index\.jsonl: is missing"):
        mask_quality(RunFolder.existing(tmp_path))
    with pytest.raises(ValueError, match="photos=-1"):
        mask_quality(poisoned[0], photos=-1)


def test_a_photo_that_is_gone_is_named(poisoned, tmp_path):
    shutil.copytree(poisoned[0].path, tmp_path / "run")
    index = tmp_path / "run" / "masks" / "index.jsonl"
    index.write_text(index.read_text() + json.dumps({**ENTRIES[0], "id": "gone"}) + "\n")
    with pytest.raises(RunError, match="'gone'"):
        mask_quality(RunFolder.existing(tmp_path / "run"), photos=0)

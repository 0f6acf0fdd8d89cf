"""The page itself, from a finished run, a half-finished one, a damaged one and a hostile one."""

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.config import load_recipe
from wsss_tf.data import open_dataset
from wsss_tf.errors import DataError
from wsss_tf.files import sha256
from wsss_tf.reports.html import write_report
from wsss_tf.reports.mask_quality import mask_quality
from wsss_tf.training import RunFolder

# What a page could load from elsewhere, by tag and attribute; a link within the page is none.
LOADS = ("src", "srcset", "href", "xlink:href", "data", "poster", "action", "background")
BAD = "<script>alert(1)</script>"


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of the tiny run that a test may change, with the data where they are."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.path, folder, ignore=shutil.ignore_patterns("events.*", "report"))
    return RunFolder.existing(folder)


@pytest.fixture
def scored(run, write_evaluation):
    """The same, scored by made-up evaluations with and without a CRF, and of its masks."""
    names = run.labels.names
    ids = [photo.id for photo in open_dataset(run.recipe.data, root=run.data_root).photos["val"]]
    report = run.stage("report")
    write_evaluation(report, "evaluate_val", names, ids)
    write_evaluation(report, "evaluate_val_crf", names, ids, crf={"regions": None})
    write_evaluation(report, "masks_val", names, ids, kind="masks")
    return run


@pytest.fixture
def bare():
    """bare(folder, labels): a run of tags alone that has not trained and whose data are away."""

    def make(folder, labels):
        changes = ("segment.loss=tags", "masks.kind=none", "localize=null")
        source = ("data.source=tagged_folder", f"data.root={folder / 'away'}")
        with RunFolder.open(folder, load_recipe("scenes", (*changes, *source))) as run:
            record = {**run.record(), "labels": labels}
            run.record_path.write_text(json.dumps(record))
        return run

    return make


def assert_whole(page):
    """The page needs nothing beside it, nests, and can be read by those who cannot see it."""
    assert page.unbalanced == page.open == []
    assert page.named("script") == []
    for tag, attributes in page.tags:
        for name in LOADS:
            value = attributes.get(name) or ""
            assert not value or value[0] == "#" or value.startswith("data:"), (tag, name, value)
        assert not [name for name in attributes if name.startswith("on")]
    assert all(attributes.get("alt") for attributes in page.named("img"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.named("th"))
    assert len(page.named("table")) == len(page.named("caption"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"][1:] for link in page.named("a")]
    assert set(links) <= set(ids)


def test_a_finished_run_end_to_end(scored, parse):
    report = write_report(scored)
    text = report.path.read_text()
    page = parse(text)
    assert_whole(page)
    assert report.path == scored.path / "report" / "index.html"
    assert len(text) < 1_000_000
    assert not re.search(r"@import|url\((?!#)|@font-face", text)
    assert [p for p in report.problems if "not been measured" not in p] == []
    pictures = [image["alt"].split(":")[0] for image in page.named("img")]
    assert pictures.count("truth") == pictures.count("prediction") == 3
    assert pictures.count("block 5") == pictures.count("fusion") == 3  # Best, median, worst.
    assert {"CAMs", "fused map", "CRF", "mask"} <= set(pictures)
    for words in ("Best", "mIoU without CRF", "mIoU with CRF", "Masks, val", "40.0 to 60.0"):
        assert words in page.text
    for digest in (scored.record()["recipe_sha256"], "localize/checkpoint.npz"):
        assert digest in page.text
    assert str(scored.path) not in text
    assert len(page.named("svg")) == 6
    before = report.path.read_bytes()
    assert write_report(scored).path.read_bytes() == before


def test_a_run_nobody_has_scored_is_scored_first(run):
    result = CliRunner().invoke(main, ["report", str(run.path)])
    assert result.exit_code == 0, result.output
    assert f"Written: {run.path / 'report' / 'index.html'}" in result.stdout
    found = json.loads((run.path / "report" / "evaluate_val_crf.json").read_text())
    assert f"{100 * found['miou']:.1f}" in (run.path / "report" / "index.html").read_text()


def test_without_pixel_labels_there_are_pictures_and_no_scores(run, parse):
    data = run.path / "data"
    shutil.rmtree(data / "masks")
    (data / "scenes.json").unlink()
    recipe = load_recipe(
        run.path / "recipe.yaml",
        ("data.source=tagged_folder", f"data.root={data}", "data.label_space=scenes"),
    )
    report = write_report(RunFolder(run.path, recipe))
    page = parse(report.path.read_text())
    assert_whole(page)
    assert "No pixel labels for the split val" in page.text
    assert "Training photo" in page.text
    assert page.named("img")
    assert not (run.path / "report" / "evaluate_val.json").exists()


def test_a_run_that_stopped_early_says_what_to_do(bare, tmp_path, parse):
    report = write_report(bare(tmp_path / "run", ["background", "cat"]))
    page = parse(report.path.read_text())
    assert_whole(page)
    assert "Not finished: segment." in page.text
    assert "wsss-tf train" in page.text
    assert "The data cannot be opened" in page.text


def test_damaged_files_are_named_and_the_rest_is_shown(bare, tmp_path, parse, write_evaluation):
    run = bare(tmp_path / "run", ["background", "cat"])
    write_evaluation(run.stage("report"), "evaluate_val", ["background", "cat"], ["a"])
    (run.stage("report") / "evaluate_val_crf.json").write_text("{")
    (run.stage("report") / "masks_train.json").write_text("[]")
    run.stage("segment").mkdir()
    (run.stage("segment") / "metrics.jsonl").write_bytes(b"\xff\n")
    page = parse(write_report(run).path.read_text())
    for words in ("evaluate_val_crf.json: ", "masks_train.json: ", "segment/metrics.jsonl "):
        assert words in page.text
    assert "Predictions on the split val" in page.text


def test_what_names_say_is_inert(bare, tmp_path, parse, write_evaluation):
    names = ["background", BAD, '"><img src=x onerror=alert(1)>']
    run = bare(tmp_path / "<b>run", names)
    write_evaluation(run.stage("report"), "evaluate_val", names, [BAD])
    write_evaluation(run.stage("report"), f"masks_{'<i>'}", names, [], kind="masks")
    (run.stage("report") / "evaluate_val_crf.json").write_text(f'{{"split": "{BAD}"}}')
    record = {**run.record(), "versions": {BAD: BAD}, "stages": {BAD: 3}}
    run.record_path.write_text(json.dumps(record))
    page = parse(write_report(run).path.read_text())
    assert_whole(page)
    assert BAD in page.text
    assert page.named("img") == page.named("i") == page.named("b") == []


def test_a_mistyped_split_is_an_error_and_a_broken_record_a_message(run):
    with pytest.raises(DataError, match="Did you mean 'val'"):
        write_report(run, split="vall")
    run.record_path.write_text("{")
    result = CliRunner().invoke(main, ["report", str(run.path)])
    assert result.exit_code == 2
    assert "run.json: cannot be read" in result.output


def test_measured_masks_are_in_the_report(scored, parse):
    mask_quality(scored, photos=2)
    report = write_report(scored)
    assert report.problems == ()
    captions = parse(report.path.read_text()).text
    assert "Share of the photos that a tagged class takes" in captions


def test_scores_of_an_earlier_checkpoint_are_made_anew(run, write_evaluation):
    names, report = run.labels.names, run.stage("report")
    ids = [photo.id for photo in open_dataset(run.recipe.data, root=run.data_root).photos["val"]]
    write_evaluation(report, "evaluate_val_crf", names, ids, crf={}, checkpoint="0" * 64)
    write_report(run)
    scores = json.loads((report / "evaluate_val_crf.json").read_text())
    assert scores["checkpoint"] == sha256(run.stage("segment") / "checkpoint.npz")


def test_a_half_trained_network_is_no_finished_one(run):
    recipe = run.path / "recipe.yaml"
    recipe.write_text(re.sub(r"(segment:.*?steps:) 6", r"\1 60", recipe.read_text(), flags=re.S))
    problems = write_report(RunFolder.existing(run.path)).problems
    assert any(line.startswith("Not finished: segment.") for line in problems)
    assert not (run.stage("report") / "evaluate_val_crf.json").exists()

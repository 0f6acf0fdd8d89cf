"""Commands on a finished run: what they write, what they print, and their exit status."""

import json
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from wsss_tf.cli.main import main
from wsss_tf.training import Predictor


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tiny_run, tmp_path):
    """Two good photos, and a text file that is called one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted((tiny_run.data_root / "images").glob("val_*"))[:2]:
        shutil.copy(photo, folder)
    (folder / "bad.jpg").write_text("no photo")
    return folder


@pytest.fixture
def used_crf(monkeypatch):
    """Gets one entry a prediction command: whether its predictor has a CRF."""
    used, original = [], Predictor.__init__

    def spy(self, *arguments, **options):
        original(self, *arguments, **options)
        used.append(self.crf is not None)

    monkeypatch.setattr(Predictor, "__init__", spy)
    return used


def test_evaluate_prints_and_writes_the_same_figures(tiny_run, tmp_path):
    result = invoke("evaluate", tiny_run.path, "--out", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "scores.json").read_text())
    assert f"mIoU            {100 * found['miou']:5.1f}  (" in result.stdout
    assert found["photos"] == 3
    assert found["split"] == "val"
    assert "background" in found["iou"]


def test_evaluate_keeps_the_scores_with_and_without_a_crf_apart(tiny_run, used_crf):
    report, settings = tiny_run.path / "report", tiny_run.recipe.inference.crf.model_dump()
    for options, name, words, expected in (
        ((), "evaluate_val_crf.json", "3 photos, with a CRF", settings),
        (("--crf",), "evaluate_val_crf.json", "3 photos, with a CRF", settings),
        (("--no-crf",), "evaluate_val.json", "3 photos, without a CRF", None),
    ):
        result = invoke("evaluate", tiny_run.path, *options)
        assert result.exit_code == 0, result.output
        assert words in result.stdout
        assert f"Written: {report / name}" in result.stdout
        assert json.loads((report / name).read_text())["crf"] == expected
    assert used_crf == [True, True, False]


def test_evaluate_names_a_split_that_is_not_there(tiny_run):
    result = invoke("evaluate", tiny_run.path, "--split", "vla")
    assert result.exit_code == 2
    assert "val" in result.output


def test_predict_does_the_others_and_exits_with_3(tiny_run, photos, tmp_path):
    out = tmp_path / "labels"
    result = invoke(
        "predict", tiny_run.path, photos, photos / "gone.png", "--out", out, "--overlay"
    )
    assert result.exit_code == 3, result.output
    assert "bad.jpg" in result.stderr
    assert "gone.png" in result.stderr
    assert len(list(out.glob("*_overlay.jpg"))) == 2
    maps = sorted(out.glob("*.png"))
    assert len(maps) == 2
    with Image.open(maps[0]) as label_map:
        assert label_map.mode == "P"
        assert label_map.size == (48, 48)


def test_predict_uses_the_crf_that_is_asked_for(tiny_run, photos, tmp_path, used_crf):
    for options in ((), ("--crf",), ("--no-crf",)):
        result = invoke("predict", tiny_run.path, photos, "--out", tmp_path / "o", *options)
        assert result.exit_code == 3, result.output
    assert used_crf == [True, True, False]


def test_predict_refuses_two_photos_of_one_name(tiny_run, photos, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(photos / "bad.jpg", other / "bad.png")
    result = invoke("predict", tiny_run.path, photos, other / "bad.png", "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "share a name" in result.output


def test_predict_never_writes_beside_its_photos(tiny_run, photos):
    before = {path: path.read_bytes() for path in photos.iterdir()}
    result = invoke("predict", tiny_run.path, photos, "--out", photos)
    assert result.exit_code == 2
    assert "lies in --out" in result.output
    assert {path: path.read_bytes() for path in photos.iterdir()} == before


def test_masks_draws_sheets_and_prints_the_quality(tiny_run):
    config, report = tiny_run.path / "recipe.yaml", tiny_run.path / "report"
    result = invoke("masks", config, "--out", tiny_run.path, "--quality-photos", 2)
    assert result.exit_code == 0, result.output
    assert "median cover" in result.stdout
    assert "In a sample of 2 photos" in result.stdout
    assert f"Worst-looking: {report / 'worst_masks.png'}" in result.stdout
    for name in ("masks.png", "worst_masks.png"):
        with Image.open(report / name) as sheet:
            assert min(sheet.size) > 400


def test_masks_may_leave_the_quality_out(tiny_run, tmp_path):
    shutil.copytree(tiny_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    config = tmp_path / "run" / "recipe.yaml"
    result = invoke("masks", config, "--out", tmp_path / "run", "--no-sheet", "--no-quality")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "run" / "report").exists()


def test_demo_refuses_a_folder_of_other_files(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    result = invoke("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert "not of a demo" in result.output


@pytest.mark.slow
def test_demo_compares_three_supervisions(tiny_overrides, tmp_path):
    changes = [part for override in tiny_overrides for part in ("--set", override)]
    result = invoke("demo", "--out", tmp_path / "demo", "--seed", 1, *changes)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert list(found["miou"]) == ["tags", "foreground", "multi_class"]
    assert found["seconds"].keys() == {*found["miou"], "this_call"}
    assert found["crf"] is True
    assert "with a CRF at the end" in result.output
    with Image.open(tmp_path / "demo" / "demo.png") as sheet:
        assert sheet.width > 1000

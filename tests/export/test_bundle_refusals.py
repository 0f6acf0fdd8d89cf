"""When no bundle is written: below the bar, a full disk, an unfinished run, a folder in use."""

from __future__ import annotations

import json
import shutil

import pytest

from wsss_tf.errors import DataError, RunError
from wsss_tf.export import bundle as bundles
from wsss_tf.export.contract import Parts, listed_files
from wsss_tf.training import RunFolder


class FakeWork:
    """Stands for the conversions, which take a minute: one file, and a table."""

    passed = True
    error: Exception | None = None

    def __init__(self, run, parts, say):
        self.about = {"labels": ["background", "cat"], "unknown": 255, "models": {}, "crf": None,
                      "saved_model": None, "wsss_tf": "0", "views": {"side": 1, "grid_side": 1,
                      "scales": [1.0], "flip": False}, "weights_sha256": "w",
                      "recipe_sha256": "r"}  # fmt: skip

    def write(self, folder):
        (folder / "onnx").mkdir()
        (folder / "onnx" / "model.onnx").write_bytes(b"model")
        if self.error:
            raise self.error

    def rows(self, folder, count):
        return [{"form": "onnx fp32", "photos": count, "max_difference": 0.5, "agreement": 0.5,
                 "miou": None, "miou_keras": None, "bar": 0.9999,
                 "passed": self.passed}]  # fmt: skip


@pytest.fixture
def fake(monkeypatch):
    work = type("Work", (FakeWork,), {})
    monkeypatch.setattr(bundles, "_Work", work)
    return work


ONNX = Parts(onnx=True)


def test_below_the_bar_nothing_is_written(fake, lively_run, tmp_path):
    fake.passed = False
    with pytest.raises(RunError, match="onnx fp32 below the bar") as caught:
        bundles.export_bundle(lively_run, tmp_path / "bundle", ONNX)
    assert "0.50000" in str(caught.value)
    assert "--force" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_force_writes_it_and_says_so(fake, lively_run, tmp_path):
    fake.passed = False
    bundles.export_bundle(lively_run, tmp_path / "bundle", ONNX, force=True)
    about = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert about["forced"] is True
    assert about["parity"][0]["passed"] is False
    assert "at least one form is below" in (tmp_path / "bundle" / "README.md").read_text()


def test_force_is_not_told_where_it_was_not_needed(fake, lively_run, tmp_path):
    about = bundles.export_bundle(lively_run, tmp_path / "bundle", ONNX, force=True)
    assert about["forced"] is False
    assert "--force" not in (tmp_path / "bundle" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["TensorFlow's", "the system's"])
def test_a_full_disk_is_one_message_and_leaves_nothing(fake, lively_run, tmp_path, kind):
    import tensorflow as tf

    system = OSError(28, "No space left on device")
    theirs = tf.errors.ResourceExhaustedError(
        None, None, "{{function_node x}} /b.wsss-tmp/part; No space left on device [Op:SaveV2]"
    )
    fake.error = theirs if kind == "TensorFlow's" else system
    with pytest.raises(RunError, match=r"cannot be written: No space left on device\. Free"):
        bundles.export_bundle(lively_run, tmp_path / "bundle", ONNX)
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_run_is_refused(lively_run, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    for name in ("recipe.yaml", "run.json"):
        shutil.copy(lively_run.path / name, path)
    with pytest.raises(RunError, match="must be a finished run"):
        bundles.export_bundle(RunFolder.existing(path), tmp_path / "bundle", ONNX)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_data_set_that_is_gone_is_refused(lively_run, tmp_path):
    recipe = lively_run.recipe
    elsewhere = recipe.data.model_copy(
        update={"source": "tagged_folder", "root": tmp_path / "gone"}
    )
    run = RunFolder(lively_run.path, recipe.model_copy(update={"data": elsewhere}))
    with pytest.raises(DataError, match="gone"):
        bundles.export_bundle(run, tmp_path / "bundle", ONNX)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused_before_any_work(lively_run, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "_Work", None)
    (tmp_path / "mine").touch()
    with pytest.raises(RunError, match="must be a new or empty folder"):
        bundles.export_bundle(lively_run, tmp_path, ONNX)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("parts", [{}, {"fp16": True, "saved_model": True}, {"int8": True}])
def test_parts_that_make_no_bundle_are_refused(parts):
    with pytest.raises(ValueError, match="Ask for --onnx"):
        Parts(**parts)


def test_listed_files_are_sorted_and_relative(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "bundle.json").touch()
    found = listed_files(tmp_path)
    assert list(found) == ["a", "b/file"]
    assert found["b/file"]["bytes"] == 2

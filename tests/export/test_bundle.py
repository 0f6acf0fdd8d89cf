"""The bundle of a run: what it holds, that it is what it says, and when nothing is written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest

import wsss_tf
from wsss_tf.config import recipe_digest
from wsss_tf.errors import DataError, RunError
from wsss_tf.export import bundle as bundles
from wsss_tf.export.contract import Parts, listed_files
from wsss_tf.files import sha256
from wsss_tf.training import RunFolder

FORMS = [
    "onnx fp32",
    "onnx fp16",
    "onnx int8",
    "saved_model serving_default",
    "saved_model jpeg",
    "saved_model serving_default_crf",
    "saved_model jpeg_crf",
    "saved_model serving_default_crf_regions",
    "onnx crf",
]


@pytest.fixture(scope="module")
def about(bundle):
    return json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))


def test_says_what_it_is(about, lively_run):
    names = lively_run.labels.names
    checkpoint = lively_run.stage("segment") / "checkpoint.npz"
    assert about["format"] == 1
    assert about["wsss_tf"] == wsss_tf.__version__
    assert tuple(about["labels"]) == names
    assert about["palette"][:2] == [[0, 0, 0], [128, 0, 0]]
    assert len(about["palette"]) == len(names)
    assert about["unknown"] == 255
    assert about["recipe_sha256"] == recipe_digest(lively_run.recipe)
    assert about["weights_sha256"] == sha256(checkpoint)
    assert about["views"] == {"scales": [1.0], "flip": False, "side": 64, "grid_side": 2048}
    assert about["input"]["max_side"] == 1024
    assert about["saved_model"] == "saved_model/1"
    assert about["models"] == {
        "fp32": "onnx/model.onnx",
        "fp16": "onnx/model.fp16.onnx",
        "int8": "onnx/model.int8.onnx",
    }
    crf = about["crf"]
    assert (crf["file"], crf["regions"], crf["max_side"]) == ("onnx/crf.onnx", False, 1024)
    assert crf["settings"]["bilateral_sigma"] == 20.0


def test_lists_every_file_with_its_digest(about, bundle):
    there = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(about["files"]) == there - {"bundle.json"}
    for name, entry in about["files"].items():
        assert entry == {"sha256": sha256(bundle / name), "bytes": (bundle / name).stat().st_size}
    expected = {"README.md", "onnx/crf.onnx", "saved_model/1/saved_model.pb"}
    assert expected | set(about["models"].values()) <= there
    assert not [name for name in there if "lock" in name or "tmp" in name]


def test_onnx_files_say_it_too(about, bundle):
    for name in (*about["models"].values(), about["crf"]["file"]):
        model = onnx.load(bundle / name)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(metadata["wsss_tf.labels"]) == about["labels"], name
        assert json.loads(metadata["wsss_tf.palette"]) == about["palette"]
        assert json.loads(metadata["wsss_tf.input"]) == about["input"]
        assert metadata["wsss_tf.weights_sha256"] == about["weights_sha256"]
        assert metadata["wsss_tf.recipe_sha256"] == about["recipe_sha256"]
        assert metadata["wsss_tf.format"] == "1"


def test_every_form_is_in_the_parity_table(about):
    rows = {row["form"]: row for row in about["parity"]}
    assert list(rows) == FORMS
    assert all(row["photos"] == 3 for row in rows.values())
    assert all(row["miou"] is not None for row in rows.values())
    # The tiny network's scores are close to one another, so 8 bits may miss their bar here.
    assert [name for name, row in rows.items() if not row["passed"] and "int8" not in name] == []
    assert about["forced"] is any(not row["passed"] for row in rows.values())
    assert rows["onnx fp32"]["max_difference"] < 1e-4
    assert rows["saved_model jpeg"]["max_difference"] is None


def test_the_card_tells_classes_parity_and_next_commands(about, bundle):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in card for name in about["labels"])
    assert all(form in card for form in FORMS)
    for words in ("wsss-tf predict . PHOTOS", "onnx/model.int8.onnx", "jpeg_crf", "onnx/crf.onnx"):
        assert words in card
    assert about["weights_sha256"] in card
    assert ("--force" in card) is about["forced"]


def test_the_command_shows_the_table_and_its_steps(exported):
    result, out = exported
    assert all(form in result.stdout for form in FORMS)
    assert f"Written: {out}" in result.stdout
    assert "onnx/model.int8.onnx: taking ranges from 12 training photos" in result.stderr


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
    theirs = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    fake.error = theirs if kind == "TensorFlow's" else system
    with pytest.raises(RunError, match="cannot be written: No space left on device"):
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


def test_serving_opens_it(bundle, predictor, lively_run):
    """The other half of the contract: what reads bundles finds this one sound."""
    from wsss_tf.images import read_photo
    from wsss_tf.serving import Segmenter

    photo = sorted((lively_run.data_root / "images").glob("val_*"))[0]
    (found,) = Segmenter(bundle)([photo])
    np.testing.assert_array_equal(found.labels, predictor(read_photo(photo)))

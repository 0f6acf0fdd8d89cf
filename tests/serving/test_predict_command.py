"""`wsss-tf predict BUNDLE`: what it prints and writes, its status, and no TensorFlow for it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_tf import requirements
from wsss_tf.cli.main import main
from wsss_tf.files import read_jsonl
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.requirements import Package

ABSENT = Package("no_such_module_anywhere", ("no-such-distribution",))


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_all_photos_of_a_folder(tiny, bundle, photos, tmp_path):
    out = tmp_path / "out"
    result = invoke("predict", bundle, photos, "--out", out, "--overlay", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert f"6 label maps in {out}, of which 0 were there; 0 photos failed; " in result.stdout
    assert " photos a second." in result.stdout
    for path in photos.iterdir():
        expected = tiny.expected(read_photo(path))
        np.testing.assert_array_equal(read_label_map(out / path.name), expected)
        assert (out / f"{path.stem}_overlay.jpg").is_file()
    again = invoke("predict", bundle, photos / "*.png", "--out", out, "--overlay")
    assert "6 label maps" in again.stdout
    assert "of which 6 were there" in again.stdout


def test_a_bad_photo_is_told_and_the_status_is_3(bundle, photos, tmp_path):
    (photos / "bad.jpg").write_bytes(b"no photo")
    (photos / "list.txt").write_text("bad.jpg\np0.png\ngone.jpg\n")
    result = invoke("predict", bundle, photos / "list.txt", "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "1 label maps" in result.stdout
    assert "2 photos failed" in result.stdout
    assert "bad.jpg: must be an image" in result.stderr
    assert "gone.jpg: does not exist" in result.stderr
    rows = read_jsonl(tmp_path / "out" / "manifest.jsonl")
    assert [row["status"] for row in rows] == ["error", "ok", "error"]


@pytest.mark.parametrize(
    ("options", "told"), [((), True), (("--crf",), False), (("--no-crf",), False)]
)
def test_a_crf_of_the_recipe_that_is_left_out_is_told(tiny, photos, tmp_path, options, told):
    bundle = tiny.write_bundle(tmp_path / "crf", crf=tiny.crf_model(False))
    tiny.edit(bundle, lambda about: about["crf"].update(by_default=True))
    result = invoke("predict", bundle, photos / "p4.png", "--out", tmp_path / "o", *options)
    assert result.exit_code == 0, result.output
    assert ("--crf adds the bundle's" in result.stderr) == told


def test_the_crf_and_tiles_are_asked_for(tiny, photos, tmp_path):
    bundle = tiny.write_bundle(tmp_path / "crf", crf=tiny.crf_model(False))
    for options, moved in (((), 0), (("--crf",), 1), (("--no-crf", "--tile", 64), 0)):
        result = invoke("predict", bundle, photos / "p4.png", "--out", tmp_path / "o", *options)
        assert result.exit_code == 0, result.output
        expected = (tiny.expected(read_photo(photos / "p4.png")) + moved) % 3
        np.testing.assert_array_equal(read_label_map(tmp_path / "o" / "p4.png"), expected)


USAGE = {
    "scales": (("--scales", "0.5,1"), "--scales: only for a run"),
    "flip": (("--flip",), "--flip: only for a run"),
    "crf": (("--crf",), "has no CRF"),
    "regions": (("--regions",), "`regions` must go with crf=True"),
    "precision": (("--precision", "int8"), "`precision` must be one that the bundle"),
    "tile": (("--tile", "8"), "`tile` must be at least 32 more"),
    "provider": (("--provider", "gpu"), "'gpu' is not one of"),
    "batch": (("--batch-size", "0"), "x>=1"),
}


@pytest.mark.parametrize(("options", "message"), USAGE.values(), ids=USAGE)
def test_wrong_options_exit_with_2_before_anything_is_written(
    bundle, photos, tmp_path, options, message
):
    result = invoke("predict", bundle, photos, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [("--tile", "64"), ("--batch-size", "2"), ("--regions",)])
def test_options_of_a_bundle_are_not_for_a_run(tmp_path, photos, option):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").touch()
    result = invoke("predict", tmp_path / "run", photos, "--out", tmp_path / "out", *option)
    assert result.exit_code == 2
    assert f"{option[0]}: only for a bundle" in result.output


def test_a_model_alone_or_an_empty_folder_is_refused(bundle, photos, tmp_path):
    model = bundle / "onnx" / "model.onnx"
    result = invoke("predict", model, photos, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "give the folder of the bundle" in " ".join(result.output.split())
    result = invoke("predict", photos, photos, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no bundle and no run here" in " ".join(result.output.split())


def test_a_damaged_bundle_and_a_missing_provider_exit_with_2(bundle, photos, tmp_path):
    arguments = ("predict", bundle, photos, "--out", tmp_path / "out")
    result = invoke(*arguments, "--provider", "tensorrt")
    assert (result.exit_code, "wsss-tf[onnx-gpu]" in result.stderr) == (2, True)
    (bundle / "README.md").write_text("changed")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert "README.md: has 7 bytes instead" in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_train_a_bundle_runs_and_a_run_names_the_extra(
    monkeypatch, bundle, photos, tmp_path
):
    monkeypatch.setitem(requirements.EXTRAS, "train", (ABSENT,))
    assert invoke("predict", bundle, photos, "--out", tmp_path / "out").exit_code == 0
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").touch()
    result = invoke("predict", tmp_path / "run", photos, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert 'pip install "wsss-tf[train]"' in result.stderr


@pytest.mark.parametrize(("provider", "extra"), [("cpu", "onnx-cpu"), ("cuda", "onnx-gpu")])
def test_without_onnxruntime_the_extra_is_named(
    monkeypatch, bundle, photos, tmp_path, provider, extra
):
    monkeypatch.setitem(requirements.EXTRAS, extra, (ABSENT,))
    arguments = ("predict", bundle, photos, "--out", tmp_path / "out", "--provider", provider)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert f'pip install "wsss-tf[{extra}]"' in result.stderr


_IMPORTED = """
import sys
from wsss_tf.cli.main import main
try:
    main(sys.argv[1:], prog_name="wsss-tf")
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_a_bundle_loads_no_tensorflow(bundle, photos, tmp_path):
    command = [sys.executable, "-c", _IMPORTED, "predict", bundle, photos, "--out", tmp_path / "o"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "onnxruntime" in imported
    assert imported & {"tensorflow", "keras", "onnx", "tf2onnx", "skimage", "scipy"} == set()

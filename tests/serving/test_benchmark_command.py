"""`wsss-tf benchmark`: its table, its JSON, its statuses, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from wsss_tf import requirements
from wsss_tf.cli import benchmark as command_module
from wsss_tf.cli.main import main
from wsss_tf.images import read_photo, write_photo
from wsss_tf.requirements import Package

SIZE = (20, 30)
QUICK = ("--sizes", "20x30", "--batches", "2", "--repeats", "3", "--providers", "cpu")

# Stands for export/timing.py, which needs TensorFlow.
LOADERS = """
import os, signal
import numpy as np

def red(options):
    assert options["provider"] == "cpu" and options["folder"].endswith("saved_model/1")
    return lambda photos: [
        np.digitize(photo[..., 0], [84.95, 170.05]).astype(np.uint8) for photo in photos
    ]

def dies(options):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def invoke(*arguments):
    return CliRunner().invoke(main, ["benchmark", *(str(argument) for argument in arguments)])


def shifted(content, by):
    """The brightness model whose classes begin `by` later."""
    model = onnx.load_from_string(content)
    (centres,) = (each for each in model.graph.initializer if each.name == "centres")
    values = onnx.numpy_helper.to_array(centres) + np.float32(by)
    centres.CopyFrom(onnx.numpy_helper.from_array(values, "centres"))
    return model.SerializeToString()


def add(tiny, folder, files, **changes):
    """Adds files and what bundle.json says of them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    entries = {name: tiny.entry(content) for name, content in files.items()}
    tiny.edit(folder, lambda about: about["files"].update(entries) or about.update(changes))


@pytest.fixture
def two_precisions(tiny, tmp_path):
    """int8 answers as fp32 does, but for reds of 85..94 and 171..180, which it has one lower."""
    folder = tiny.write_bundle(tmp_path / "two", crf=tiny.crf_model(False))
    files = {"onnx/model.int8.onnx": shifted(tiny.brightness_model(), 10)}
    models = {"fp32": "onnx/model.onnx", "int8": "onnx/model.int8.onnx"}
    add(tiny, folder, files, models=models)
    return folder


@pytest.fixture
def with_saved_model(tiny, tmp_path, monkeypatch):
    """A bundle that has a SavedModel, of a sort, and a setter for what loads it."""
    folder = tiny.write_bundle(tmp_path / "saved")
    files = {"saved_model/1/saved_model.pb": b"x" * 2_000_000, "saved_model/1/a/b": b"y" * 500_000}
    add(tiny, folder, files, saved_model="saved_model/1")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "stand_in.py").write_text(LOADERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    find_spec = importlib.util.find_spec
    there = lambda name: find_spec("json" if name == "tensorflow" else name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", there)

    def load_with(name):
        monkeypatch.setattr(command_module, "_SAVED_MODEL_LOADER", f"stand_in:{name}")

    return folder, load_with


def test_table_and_json_of_two_precisions_with_a_known_agreement(
    tiny, two_precisions, photos, tmp_path
):
    same_size = [photos / "p0.png", photos / "p2.png"]
    red = np.stack([read_photo(path) for path in same_size])[..., 0]
    equal = ~(((red > 84) & (red < 95)) | ((red > 170) & (red < 181)))
    result = invoke(two_precisions, *same_size, *QUICK, "--json", tmp_path / "new" / "times.json")
    assert result.exit_code == 0, result.output
    about = json.loads((tmp_path / "new" / "times.json").read_text())
    first, second = about["rows"]
    assert (first["precision"], first["agreement"]) == ("fp32", 1.0)
    assert (second["precision"], second["agreement"]) == ("int8", pytest.approx(equal.mean()))
    assert 0.85 < equal.mean() < 0.97
    for row in about["rows"]:
        assert len(row["seconds"]) == row["calls"] == 3
        assert row["median_ms"] == pytest.approx(1e3 * sorted(row["seconds"])[1])
        assert row["p95_ms"] == pytest.approx(1e3 * max(row["seconds"]))
        assert row["photos_per_second"] == pytest.approx(6 / sum(row["seconds"]))
        assert (row["height"], row["width"], row["batch"], row["crf"]) == (20, 30, 2, None)
        assert row["peak_bytes"] > 20_000_000
    assert second["file_bytes"] == (two_precisions / "onnx" / "model.int8.onnx").stat().st_size
    assert (about["complete"], about["photos"]) == (True, [str(path) for path in same_size])
    assert about["machine"]["onnxruntime"]
    assert about["models"]["fp32"] != about["models"]["int8"]
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{two_precisions}: weights aaaaaaaaaaaa, wsss-tf ")
    assert sum(line.startswith("| onnx ") for line in lines) == 2
    assert "; on 2 photos." in result.stdout
    assert result.stderr.splitlines()[1:] == [
        "20x30: labels of onnx fp32 cpu to compare with",
        "20x30, batch 2: onnx fp32 cpu",
        "20x30, batch 2: onnx int8 cpu",
    ]


def test_every_case_of_sizes_batches_and_crf(two_precisions, tmp_path):
    """Without photos, and in turn: first every batch of a size, then those with its CRF."""
    result = invoke(
        two_precisions, "--sizes", "8x9,5x4", "--batches", "1,3", "--crf", "--precisions", "int8",
        "--repeats", 1, "--json", tmp_path / "a.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    about = json.loads((tmp_path / "a.json").read_text())
    found = [(row["height"], row["width"], row["crf"], row["batch"]) for row in about["rows"]]
    assert found == [
        (*size, crf, batch)
        for size in ((8, 9), (5, 4))
        for crf in (None, "pairwise")
        for batch in (1, 3)
    ]
    sizes = {row["crf"]: row["file_bytes"] for row in about["rows"]}
    assert sizes["pairwise"] - sizes[None] == (two_precisions / "onnx/crf.onnx").stat().st_size
    # Against fp32 with the same CRF; against fp32 without, the labels would all differ.
    assert all(0.8 < row["agreement"] < 1 for row in about["rows"])
    assert about["photos"] is None
    assert "generated pictures (*)" in result.stdout


def test_the_saved_model_is_timed_beside(with_saved_model, tmp_path):
    folder, load_with = with_saved_model
    load_with("red")
    result = invoke(folder, *QUICK, "--json", tmp_path / "a.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert [(row["form"], row["precision"], row["provider"]) for row in rows] == [
        ("onnx", "fp32", "cpu"),
        ("saved_model", "fp32", "cpu"),
    ]
    assert (rows[1]["file_bytes"], rows[1]["agreement"]) == (2_500_000, 1)
    assert "saved_model" not in invoke(folder, *QUICK, "--no-saved-model").stderr


def test_a_killed_form_is_a_row_and_the_status_is_3(with_saved_model, tmp_path):
    folder, load_with = with_saved_model
    load_with("dies")
    result = invoke(folder, *QUICK, "--saved-model", "--json", tmp_path / "a.json")
    assert result.exit_code == 3, result.output
    first, second = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert (first["error"], first["calls"]) == (None, 3)
    assert second["error"].startswith("Its process was killed (SIGKILL)")
    assert " FAILED " in result.stdout
    assert "- Failed: saved_model fp32 cpu, 20x30, batch 2: Its process was kil" in result.stdout


def test_a_form_that_does_not_load_is_a_row_and_the_status_is_3(tiny, bundle):
    models = {"fp32": "onnx/model.onnx", "fp16": "onnx/model.fp16.onnx"}
    # Field 8, a graph of no bytes: an ONNX file to its digest and its wire form, and no model.
    add(tiny, bundle, {"onnx/model.fp16.onnx": bytes.fromhex("08083a00")}, models=models)
    result = invoke(bundle, *QUICK)
    assert result.exit_code == 3, result.output
    assert "Failed: onnx fp16 cpu, 20x30, batch 2: " in result.stdout
    assert "onnxruntime cannot load it" in result.stdout


def test_the_default_is_what_is_there(bundle):
    """The bundle has no SavedModel, this onnxruntime no GPU: no row, and no failure."""
    result = invoke(bundle, "--sizes", "8x8", "--batches", "1", "--repeats", "1")
    assert result.exit_code == 0, result.output
    assert "saved_model: left out: the bundle has none; export it with" in result.stderr
    assert sum(line.startswith("| onnx ") for line in result.stdout.splitlines()) == 1


def test_a_file_that_cannot_be_written_shows_before_any_work(bundle, tmp_path):
    (tmp_path / "file").touch()
    result = invoke(bundle, *QUICK, "--json", tmp_path / "file" / "a.json")
    assert result.exit_code == 2
    assert "a.json: cannot be written" in result.stderr
    assert "batch" not in result.stderr


USAGE = {
    "sizes": (("--sizes", "321"), "must be HEIGHTxWIDTH,HEIGHTxWIDTH,... in pixels"),
    "size of 0": (("--sizes", "0x5"), "must be HEIGHTxWIDTH"),
    "batches": (("--batches", "1,0"), "must be counts of photos from 1 to 9999"),
    "no batch": (("--batches", ""), "must be counts of photos"),
    "precision": (("--precisions", "fp8"), "must be one or some of fp32,fp16,int8"),
    "not there": (("--precisions", "int8"), "`precision` must be one that the bundle"),
    "provider": (("--providers", "gpu"), "must be one or some of cpu,cuda,tensorrt"),
    "repeats": (("--repeats", "0"), "x>=1"),
    "seconds": (("--seconds", "0"), "x>0"),
    "crf": (("--crf",), "which has no CRF"),
    "regions": (("--regions",), "`regions` must go with crf=True"),
    "saved model": (("--saved-model",), "--saved-model: the bundle has none"),
    "server": (("--server", "ftp://a"), "ftp"),
}


@pytest.mark.parametrize(("options", "message"), USAGE.values(), ids=USAGE)
def test_wrong_options_exit_with_2(bundle, options, message):
    result = invoke(bundle, *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_regions_that_the_crf_does_not_take(two_precisions):
    result = invoke(two_precisions, "--crf", "--regions")
    assert result.exit_code == 2
    assert "takes no regions" in " ".join(result.stderr.split())


def test_regions_name_the_extra_they_need(tiny, tmp_path, monkeypatch):
    folder = tiny.write_bundle(tmp_path / "regions", crf=tiny.crf_model(True), regions=True)
    absent = Package("no_such_module_anywhere", ("no-such-distribution",))
    monkeypatch.setitem(requirements.EXTRAS, "regions", (absent,))
    result = invoke(folder, *QUICK, "--crf")
    assert (result.exit_code, "wsss-tf[regions]" in result.stderr) == (2, True)
    assert invoke(folder, *QUICK, "--crf", "--no-regions").exit_code == 0


@pytest.mark.parametrize(("provider", "extra"), [("cpu", "onnx-cpu"), ("cuda", "onnx-gpu")])
def test_without_onnxruntime_the_extra_is_named(monkeypatch, bundle, provider, extra):
    absent = Package("no_such_module_anywhere", ("no-such-distribution",))
    monkeypatch.setitem(requirements.EXTRAS, extra, (absent,))
    result = invoke(bundle, "--providers", provider)
    assert result.exit_code == 2
    assert f'pip install "wsss-tf[{extra}]"' in result.stderr


def test_a_provider_that_is_asked_for_must_be_there(bundle):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    result = invoke(bundle, "--providers", "cpu,cuda")
    assert result.exit_code == 2
    assert "cuda: cannot be timed. provider 'cuda' is not in this onnxruntime" in result.stderr
    assert result.stdout == ""


def test_a_provider_that_does_not_load_is_left_out_unless_asked_for(bundle, monkeypatch):
    """onnxruntime-gpu on a machine without a GPU names providers that do not load."""
    import onnxruntime

    built_in = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in built_in:
        pytest.skip("this onnxruntime has CUDA")
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *built_in]
    )
    result = invoke(bundle, *QUICK[:-2])
    assert result.exit_code == 0, result.output
    assert "cuda: left out. " in result.stderr
    assert " cuda " not in result.stdout
    assert invoke(bundle, *QUICK[:-1], "cuda").exit_code == 2


def test_what_is_no_sound_bundle_or_photo_exits_with_2(tiny, bundle, photos, tmp_path):
    result = invoke(bundle / "onnx" / "model.onnx")
    assert (result.exit_code, "must be a bundle's folder" in result.stderr) == (2, True)
    result = invoke(bundle, photos / "p0.png", photos / "gone.png", *QUICK)
    assert (result.exit_code, "gone.png: does not exist" in result.stderr) == (2, True)
    (photos / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    result = invoke(bundle, photos, *QUICK)
    assert (result.exit_code, "cut.jpg: " in result.stderr) == (2, True)
    other = tiny.write_bundle(tmp_path / "none", models={})
    result = invoke(other, *QUICK)
    assert result.exit_code == 2
    assert "none; export it with --onnx" in " ".join(result.stderr.split())
    (bundle / "README.md").write_text("changed")
    result = invoke(bundle, *QUICK)
    assert (result.exit_code, "README.md: has 7 bytes" in result.stderr) == (2, True)


def test_no_more_than_16_photos_are_used(bundle, tiny, tmp_path):
    (tmp_path / "many").mkdir()
    for index in range(40):
        write_photo(tmp_path / "many" / f"{index:02}.png", tiny.noise(4, 5, seed=index))
    result = invoke(bundle, tmp_path / "many", *QUICK, "--json", tmp_path / "a.json")
    assert result.exit_code == 0, result.output
    assert len(json.loads((tmp_path / "a.json").read_text())["photos"]) == 16
    assert "on 16 photos." in result.stdout


_IMPORTED = """
import sys
from wsss_tf.cli.main import main
try:
    main(sys.argv[1:], prog_name="wsss-tf")
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_the_parent_loads_no_tensorflow(bundle):
    command = [sys.executable, "-c", _IMPORTED, "benchmark", bundle, *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert imported & {"tensorflow", "keras", "onnx", "tf2onnx", "skimage", "scipy"} == set()

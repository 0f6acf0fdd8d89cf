"""`wsss-tf export`: what it refuses before TensorFlow loads, and what its options ask for."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def some_run(tmp_path):
    """A folder that passes for a run until one is opened."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").touch()
    return tmp_path / "run"


def test_help_tells_the_options():
    text = invoke("export", "--help").output
    options = ("--onnx", "--saved-model", "--fp16", "--int8", "--crf / --no-crf", "--out",
               "--force", "--photos")  # fmt: skip
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Say what to export: --onnx, --saved-model or both."),
        (("--fp16", "--saved-model"), "add --onnx"),
        (("--int8",), "Say what to export"),
        (("--onnx", "--photos", "0"), "--photos"),
    ],
)
def test_usage_errors(some_run, tmp_path, options, message):
    result = invoke("export", some_run, *options, "--out", tmp_path / "bundle")
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "bundle").exists()


def test_usage_errors_load_nothing_heavy(some_run, tmp_path):
    source = (
        "import sys\n"
        "from wsss_tf.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    command = [sys.executable, "-c", source, "export", str(some_run), "--out", str(tmp_path / "b")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & {"tensorflow", "keras", "onnx", "onnxruntime", "numpy"}


@pytest.fixture
def asked(monkeypatch):
    """What the library is asked for, in place of doing it."""
    from wsss_tf.export import bundle

    calls = []

    def export_bundle(run, out, parts, **options):
        calls.append((run.path, out, parts, options))
        options["say"]("working")
        row = {"form": "onnx fp32", "photos": 1, "max_difference": 0.0, "agreement": 1.0,
               "miou": None, "miou_keras": None, "bar": 0.9999, "passed": True}  # fmt: skip
        return {"parity": [row], "forced": options["force"]}

    monkeypatch.setattr(bundle, "export_bundle", export_bundle)
    return calls


def test_options_arrive(asked, tiny_run, tmp_path):
    options = ("--onnx", "--int8", "--no-crf", "--force", "--photos", "3")
    result = invoke("export", tiny_run.path, *options, "--out", tmp_path / "bundle")
    assert result.exit_code == 0, result.output
    ((path, out, parts, rest),) = asked
    assert (path, out) == (tiny_run.path, tmp_path / "bundle")
    assert (parts.onnx, parts.saved_model, parts.fp16, parts.int8, parts.crf) == (
        True, False, False, True, False,
    )  # fmt: skip
    assert (rest["photos"], rest["force"]) == (3, True)
    assert "working" in result.stderr
    assert "Warning: written with --force" in result.stderr
    assert "| onnx fp32 |" in result.stdout


def test_a_crf_is_exported_unless_refused(asked, tiny_run, tmp_path):
    invoke("export", tiny_run.path, "--saved-model", "--out", tmp_path / "bundle")
    parts = asked[0][2]
    assert parts.crf
    assert not parts.onnx


def test_an_error_is_one_message_and_exit_status_2(tiny_run, tmp_path):
    (tmp_path / "mine").touch()
    result = invoke("export", tiny_run.path, "--onnx", "--out", tmp_path)
    assert result.exit_code == 2
    assert "must be a new or empty folder" in result.output
    assert "Traceback" not in result.output


def test_the_record_of_a_run_that_stopped_at_once(tiny_run, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_bytes((tiny_run.path / "recipe.yaml").read_bytes())
    (run / "run.json").write_text(json.dumps({"format": 1}))
    result = invoke("export", run, "--onnx", "--out", tmp_path / "bundle")
    assert result.exit_code == 2
    assert "must be a finished run" in result.output
    assert not (tmp_path / "bundle").exists()

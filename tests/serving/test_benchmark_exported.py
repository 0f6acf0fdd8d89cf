"""`wsss-tf benchmark` of an exported bundle: TensorFlow and a server beside ONNX.

The server is the double of this folder, which is not TensorFlow Serving: its times mean nothing.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.serving import Client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="no TensorFlow"),
]
DOUBLE = Path(__file__).with_name("tf_serving_double.py")


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    from wsss_tf.export.bundle import export_bundle
    from wsss_tf.export.contract import Parts

    out = tmp_path_factory.mktemp("timed") / "bundle"
    # What untrained weights answer is near a tie anywhere, which is no matter of this test.
    export_bundle(tiny_run, out, Parts(onnx=True, saved_model=True), photos=1, force=True)
    return out


@pytest.fixture
def server(exported, tmp_path):
    """Address of the double, which has the bundle's SavedModel."""
    pytest.importorskip("tensorflow_serving")
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (one, two)]
    command = [sys.executable, DOUBLE, f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
    command += ["--model_name=wsss_tf", f"--model_base_path={exported / 'saved_model'}"]
    log = tmp_path / "server.txt"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            url = f"http://127.0.0.1:{ports[1]}"
            with Client(url) as client:
                client.wait(120)
            yield url
        finally:
            process.kill()


def test_all_forms_of_a_real_bundle(tiny_run, exported, server, tmp_path):
    photos = sorted((tiny_run.data_root / "images").glob("val_*"))[:2]
    result = CliRunner().invoke(
        main,
        [
            "benchmark", str(exported), *map(str, photos), "--sizes", "48x64", "--batches", "2",
            "--repeats", "2", "--providers", "cpu", "--crf", "--no-regions", "--saved-model",
            "--server", server, "--threads", "1", "--json", str(tmp_path / "a.json"),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "a.json").read_text())["rows"]
    names = [(row["form"], row["precision"], row["crf"]) for row in rows]
    assert names == [
        (*form, crf)
        for crf in (None, "pairwise")
        for form in (("onnx", "fp32"), ("saved_model", "fp32"), ("server", None))
    ]
    by_name = dict(zip(names, rows, strict=True))
    assert by_name["onnx", "fp32", None]["agreement"] == 1
    assert by_name["saved_model", "fp32", None]["agreement"] > 0.995
    # The same SavedModel, by another way.
    for crf in (None, "pairwise"):
        ours, theirs = by_name["saved_model", "fp32", crf], by_name["server", None, crf]
        assert theirs["agreement"] == pytest.approx(ours["agreement"], abs=1e-3)
        assert (theirs["peak_bytes"], theirs["file_bytes"]) == (None, None)
    assert by_name["saved_model", "fp32", None]["peak_bytes"] > 200_000_000
    assert "server's memory" in result.stdout


def test_a_server_that_is_not_there_is_an_error(exported):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    arguments = ["benchmark", str(exported), "--providers", "cpu", "--server", url]
    result = CliRunner().invoke(main, [*arguments, "--no-saved-model"])
    assert result.exit_code == 2
    assert f"--server {url}: cannot be timed. " in result.stderr


def test_a_saved_model_without_a_crf_says_so(tiny_run, tmp_path):
    from wsss_tf.errors import WsssError
    from wsss_tf.export.bundle import export_bundle
    from wsss_tf.export.contract import Parts
    from wsss_tf.serving import open_bundle
    from wsss_tf.serving.benchmark import Case
    from wsss_tf.serving.benchmark.cases import saved_model_form
    from wsss_tf.serving.benchmark.process import Worker

    out = tmp_path / "bundle"
    export_bundle(tiny_run, out, Parts(saved_model=True, crf=False), photos=1, force=True)
    form = saved_model_form(open_bundle(out), "cpu", loader="wsss_tf.export.timing:saved_model")
    with pytest.raises(WsssError, match="must have the signature serving_default_crf"):
        Worker(form, Case((8, 8), True, 1), threads=1, log=tmp_path / "log")

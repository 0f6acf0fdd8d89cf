"""Workers: what they answer, how they die and what that looks like, and that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wsss_tf.errors import WsssError
from wsss_tf.serving import Segmenter, open_bundle
from wsss_tf.serving.benchmark import Benchmark, Case, Form, Settings, write_arrays
from wsss_tf.serving.benchmark import timing as timing_module
from wsss_tf.serving.benchmark.cases import onnx_form
from wsss_tf.serving.benchmark.loaders import onnx
from wsss_tf.serving.benchmark.process import Worker

SIZE = (6, 8)
CASE = Case(SIZE, False, 2)

# Loaders that a worker finds on its path: of each a form whose labels or end are known.
LOADERS = """
import os, signal, sys
import numpy as np

def zeros(options):
    print("chatter", options["threads"], options["batch"])
    os.write(1, b"more chatter\\n")
    return lambda photos: [np.zeros(photo.shape[:2], np.uint8) for photo in photos]

def large(options):
    held = []
    def run(photos):
        held.clear()
        held.append(np.ones(100_000_000, np.uint8))
        return zeros(options)(photos)
    return run

def third(options):
    calls = []
    def run(photos):
        calls.append(None)
        if len(calls) > 4:
            os.kill(os.getpid(), getattr(signal, options["signal"]))
        return zeros(options)(photos)
    return run

def exits(options):
    sys.exit("no such luck")

def wrong(options):
    return lambda photos: [np.zeros((1, 1), np.uint8) for photo in photos]

def fails(options):
    raise KeyError("a\\nb")

def runs_out(options):
    def run(photos):
        raise MemoryError("no more")
    return run
"""


@pytest.fixture
def form(tmp_path, monkeypatch):
    """Makes a form of one of the loaders above."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "known_loaders.py").write_text(LOADERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    return lambda name, **options: Form(name, "fp32", "cpu", f"known_loaders:{name}", options)


@pytest.fixture
def arrays(tmp_path):
    (tmp_path / "arrays").mkdir()
    return write_arrays([], [SIZE], tmp_path / "arrays")


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def measure(arrays, scratch):
    """The rows of forms in `CASE`, and what was said."""

    def rows(*forms, reference=None, settings=None):
        said = []
        settings = settings or Settings(1, repeats=4)
        reference = reference or forms[0]
        timed = Benchmark(forms, arrays, settings, scratch, reference, say=said.append)
        return timed.rows(CASE), said

    return rows


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_answers_and_ends(form, arrays, tmp_path):
    with Worker(form("zeros"), CASE, threads=3, log=tmp_path / "log") as worker:
        labels = [tmp_path / "a.npy", tmp_path / "b.npy"]
        answer = worker.call(arrays[SIZE][:2], labels)
        assert 0 < answer.seconds < 60
        assert 1_000 < answer.peak_kb < 1_000_000
        np.testing.assert_array_equal(np.load(labels[1]), np.zeros(SIZE, np.uint8))
        assert alive(worker.pid)
    assert not alive(worker.pid)
    # What a library prints is no answer.
    assert (tmp_path / "log").read_text().splitlines() == ["chatter 3 2", "more chatter"]


FAILURES = {
    "exits": "Its process ended with status 1: no such luck",
    "fails": "KeyError: 'a\\nb'",
    "unknown": "AttributeError: module 'known_loaders' has no attribute 'unknown'",
}


@pytest.mark.parametrize(("name", "message"), FAILURES.items(), ids=FAILURES)
def test_a_form_that_cannot_be_loaded_says_why(form, tmp_path, name, message):
    with pytest.raises(WsssError) as caught:
        Worker(form(name), CASE, threads=1, log=tmp_path / "log")
    assert str(caught.value) == message


def test_a_wrong_answer_and_an_error_are_told_and_the_worker_goes_on(form, arrays, tmp_path):
    for name, message in (("wrong", "label map for each of 2"), ("runs_out", "MemoryError: no mo")):
        with Worker(form(name), CASE, threads=1, log=tmp_path / "log") as worker:
            for _ in range(2):
                with pytest.raises(WsssError, match=message):
                    worker.call(arrays[SIZE][:2])


def test_rows_of_forms_in_turns(form, measure):
    rows, said = measure(form("zeros"), form("large"))
    assert [row["form"] for row in rows] == ["zeros", "large"]
    assert [row["calls"] for row in rows] == [len(row["seconds"]) for row in rows] == [4, 4]
    assert [row["agreement"] for row in rows] == [1, 1]
    assert [row["error"] for row in rows] == [None, None]
    # Of its own process, not of the parent or of the other form.
    # 100 MB more; how much a process takes to start differs by some megabytes.
    assert 80_000_000 < rows[1]["peak_bytes"] - rows[0]["peak_bytes"] < 130_000_000
    assert said[-2:] == ["6x8, batch 2: zeros fp32 cpu", "6x8, batch 2: large fp32 cpu"]


KILLED = {
    "SIGKILL": "Its process was killed (SIGKILL), for want of memory as a rule.",
    "SIGSEGV": f"Its process died of signal 11 ({signal.strsignal(11)}).",
}


@pytest.mark.parametrize(("name", "message"), KILLED.items(), ids=KILLED)
def test_a_killed_form_is_a_row_and_the_others_go_on(form, measure, name, message):
    rows, _ = measure(form("third", signal=name), form("zeros"), reference=form("zeros"))
    assert rows[0]["error"] == message
    # Two calls on four photos in pairs, two timed ones, and then no more.
    assert (rows[0]["calls"], rows[0]["median_ms"], rows[0]["peak_bytes"]) == (2, None, None)
    assert (rows[1]["error"], rows[1]["calls"]) == (None, 4)


def test_without_the_reference_there_is_no_agreement(form, measure):
    rows, said = measure(form("zeros"), reference=form("fails"))
    assert (rows[0]["agreement"], rows[0]["error"]) == (None, None)
    assert "nothing to compare with. KeyError" in said[1]


@pytest.mark.parametrize("cause", ["memory", "gpu"])
def test_forms_that_do_not_fit_side_by_side_follow_one_another(form, measure, monkeypatch, cause):
    """One after another: the first worker is gone when the next one is there."""
    living, most = set(), []

    class Watched(Worker):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            living.add(self.pid)
            most.append(len(living))

        def close(self):
            living.discard(self.pid)
            super().close()

    monkeypatch.setattr("wsss_tf.serving.benchmark.trial.Worker", Watched)
    forms = [form("zeros"), form("zeros"), form("zeros")]
    rows, _ = measure(*forms)
    assert (len(rows), max(most)) == (3, 3)
    most.clear()
    if cause == "memory":
        monkeypatch.setattr(timing_module, "available_memory", lambda: 1_000_000)
    else:
        forms = [Form("zeros", "fp32", "cuda", "known_loaders:zeros")] * 3
    rows, _ = measure(*forms)
    assert ([row["calls"] for row in rows], max(most), living) == ([4, 4, 4], 1, set())


@pytest.mark.parametrize("size", [(6, 8), (48, 80)])
@pytest.mark.parametrize("crf", [False, True])
def test_what_is_timed_is_what_the_segmenter_does(tiny, tmp_path, size, crf):
    """Also where a photo is reduced for the network, at 64, and for the CRF."""
    settings = {"model": tiny.model(), "max_side": 64}
    folder = tiny.write_bundle(tmp_path / "bundle", crf=tiny.crf_model(False), **settings)
    options = onnx_form(open_bundle(folder), "fp32", "cpu").options
    photos = [tiny.noise(*size, seed=seed) for seed in range(3)]
    found = onnx({**options, "threads": 1, "crf": crf})(photos)
    expected = Segmenter(folder, crf=crf, threads=1)(photos)
    for labels, segmentation in zip(found, expected, strict=True):
        np.testing.assert_array_equal(labels, segmentation.labels)
    assert len(np.unique(found[0])) == 3


def test_the_regions_of_a_crf_are_asked_for(tiny, tmp_path):
    pytest.importorskip("skimage")
    folder = tiny.write_bundle(tmp_path / "bundle", crf=tiny.crf_model(True), regions=True)
    bundle, photo = open_bundle(folder), tiny.noise(40, 40) // 8
    photo[:, 20:] += 200  # Two regions at least, of which one has another id than 0.
    found = {}
    for regions in (None, False):
        form = onnx_form(bundle, "fp32", "cpu", regions=regions)
        found[form.crf] = onnx({**form.options, "threads": 1, "crf": True})([photo])[0]
    np.testing.assert_array_equal(found["pairwise"], (tiny.expected(photo) + 1) % 3)
    assert np.mean(found["regions"] != found["pairwise"]) > 0.1


def children(pid):
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids, seconds=60):
    """Waits until none of the processes is there; False where one stays."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, pids))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(bundle, tmp_path, ending):
    command = [sys.executable, "-m", "wsss_tf.cli", "benchmark", bundle, "--sizes", "8x8"]
    command += ["--repeats", "1000000000", "--seconds", "1000000", "--batches", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **streams) as process:
        for line in process.stderr:
            if line.startswith("8x8, batch 1: onnx"):
                break
        while not (workers := children(process.pid)):
            time.sleep(0.01)
        process.send_signal(ending)
        output, errors = process.communicate(timeout=60)
    assert gone(workers)
    if ending == signal.SIGINT:
        assert (process.returncode, output) == (130, "")
        assert errors.splitlines()[-1] == "Stopped."
        assert list(tmp_path.glob("wsss-tf-benchmark-*")) == []

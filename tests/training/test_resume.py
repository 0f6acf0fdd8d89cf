"""A run killed with SIGKILL at random steps ends with the same bits as an uninterrupted one."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

OVERRIDES = (  # Long enough to be killed five times.
    "data.scenes.train=12",
    "data.scenes.val=2",
    "data.scenes.size=48",
    "augment.crop=48",
    "localize.crop=48",
    "localize.batch_size=4",
    "localize.steps=30",
    "localize.learning_rates=[1e-4]",
    "localize.boundaries=[]",
    "segment.batch_size=2",
    "segment.steps=40",
    "segment.learning_rates=[1e-3]",
    "segment.boundaries=[]",
    "log.every=1",
    "log.checkpoint_every=3",
)
KILLS = 5
TIME_LIMIT = 240


def start(out):
    command = [sys.executable, "-m", "wsss_tf.cli", "train", "scenes", "--out", str(out)]
    command += [part for override in OVERRIDES for part in ("--set", override)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def steps_done(out):
    """Rows of both training stages, torn ones included."""
    files = [out / stage / "metrics.jsonl" for stage in ("localize", "segment")]
    return sum(file.read_bytes().count(b"\n") for file in files if file.exists())


def kill_after(out, steps):
    """Lets the run do `steps` more, then kills it; False when it ended before that."""
    process = start(out)
    before, deadline = steps_done(out), time.monotonic() + TIME_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        # A resumed run first drops rows after its checkpoint, so the count may fall below `before`.
        if steps_done(out) >= before + steps:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def results(out):
    files = [out / "localize" / "checkpoint.npz", out / "segment" / "checkpoint.npz"]
    files += sorted((out / "masks").iterdir())
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


@pytest.mark.slow
def test_five_kills_change_no_bit(tmp_path):
    whole = start(tmp_path / "whole")
    assert whole.wait(TIME_LIMIT) == 0, whole.stderr.read().decode()[-2000:]
    rng = random.Random(3)
    kills = sum(kill_after(tmp_path / "killed", rng.randint(2, 12)) for _ in range(KILLS))
    assert kills == KILLS
    last = start(tmp_path / "killed")
    assert last.wait(TIME_LIMIT) == 0, last.stderr.read().decode()[-2000:]
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert json.loads((tmp_path / "killed" / "run.json").read_text())["stages"].keys() == {
        "localize",
        "masks",
        "segment",
    }

"""The loop on a tiny network: stop and resume to the bit, NaN before anything is saved, records."""

import json
import os
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.errors import RunError
from wsss_tf.training.checkpoint import read_header
from wsss_tf.training.loop import Task, fit, is_finished

STEPS = 10
LOG = SimpleNamespace(every=3, checkpoint_every=4, images_every=100)


def task(*, at_step=lambda step: None, bad_step=None):
    """Least squares with dropout; element t of the data depends on t alone."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(8, name="hidden", kernel_initializer=_start(0)),
            keras.layers.Dropout(0.5, seed=5, name="drop"),
            keras.layers.Dense(1, name="out", kernel_initializer=_start(1)),
        ]
    )

    def element(step):
        at_step(step)
        x = np.random.default_rng(step).normal(size=(2, 3)).astype(np.float32)
        if step == bad_step:
            x[0, 0] = np.nan
        return {"x": x, "index": np.array([step % 4, 3], np.int32)}

    def batches(start, steps):
        signature = {
            "x": tf.TensorSpec((2, 3), tf.float32),
            "index": tf.TensorSpec((2,), tf.int32),
        }
        return tf.data.Dataset.from_generator(
            lambda: (element(start + i) for i in range(steps)), output_signature=signature
        )

    settings = SimpleNamespace(
        steps=STEPS,
        learning_rates=[0.02, 0.002],
        boundaries=[6],
        momentum=0.9,
        weight_decay=1e-3,
        frozen_blocks=0,
        new_layer_rate=1.0,
    )
    return Task(
        "segment",
        model,
        lambda batch: tf.reduce_sum((model(batch["x"], training=True) - 1.0) ** 2, axis=-1),
        batches,
        settings,
        ["ape", "bee", "cat", "dog"],
    )


def _start(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_stopped_by_ctrl_c_and_resumed_equals_one_go(tmp_path):
    before = signal.getsignal(signal.SIGINT)  # Ignored, where a shell runs the tests in background.
    fit(task(), tmp_path / "whole", log=LOG)

    def interrupt(step):
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(task(at_step=interrupt), tmp_path / "stopped", log=LOG)
    stopped_at = read_header(tmp_path / "stopped" / "checkpoint.npz")["step"]
    assert 0 < stopped_at < STEPS
    fit(task(), tmp_path / "stopped", log=LOG)
    whole, resumed = (tmp_path / name / "checkpoint.npz" for name in ("whole", "stopped"))
    assert whole.read_bytes() == resumed.read_bytes()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_older_checkpoint_drops_the_rows_that_came_after_it(tmp_path):
    with pytest.raises(RunError):
        fit(task(bad_step=8), tmp_path, log=LOG)  # Fails after the checkpoint of step 8.
    assert read_header(tmp_path / "checkpoint.npz")["step"] == 8
    fit(task(), tmp_path, log=LOG)
    steps = [row["step"] for row in rows(tmp_path)]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS


def test_a_finished_stage_is_left_alone(tmp_path):
    fit(task(), tmp_path, log=LOG)
    assert is_finished(tmp_path, STEPS)
    assert not is_finished(tmp_path, STEPS + 1)
    before = (tmp_path / "checkpoint.npz").stat().st_mtime_ns
    fit(task(), tmp_path, log=LOG)
    assert (tmp_path / "checkpoint.npz").stat().st_mtime_ns == before


def test_nan_stops_the_run_names_step_and_photos_and_is_not_saved(tmp_path):
    with pytest.raises(RunError, match=r"step 7: the loss is nan.*Photos of that step: cat, dog"):
        fit(task(bad_step=6), tmp_path, log=LOG)
    with np.load(tmp_path / "checkpoint.npz") as arrays:
        numbers = [arrays[name] for name in arrays.files if name != "header"]
        assert all(np.isfinite(array).all() for array in numbers)
    assert read_header(tmp_path / "checkpoint.npz")["step"] == 4


def test_records_tell_loss_rate_speed_and_wait(tmp_path):
    fit(task(), tmp_path, log=LOG)
    found = rows(tmp_path)
    assert [row["step"] for row in found] == [3, 4, 6, 8, 9, 10]
    assert found[0]["learning_rate"] == pytest.approx(0.02)
    assert found[-1]["learning_rate"] == pytest.approx(0.002)
    assert all(0.0 <= row["data_wait"] <= 1.0 and row["steps_per_second"] > 0 for row in found)
    assert list(tmp_path.glob("events.out.tfevents.*"))

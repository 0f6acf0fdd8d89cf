"""Losses and priors on Keras's JAX backend, which runs on GPUs where TensorFlow does not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from wsss_tf import losses, priors

# Run by this process's interpreter on the JAX backend; both files are npz.
SCRIPT = """
import sys
import jax
import numpy as np
sys.path.insert(0, sys.argv[3])
from test_jax_backend import results
arrays = dict(np.load(sys.argv[1]))
values = results(**arrays)
logits = arrays.pop("logits")
loss = lambda x: results(logits=x, **arrays)["multi_class"].sum()
values["gradient"] = jax.jit(jax.grad(loss))(logits)
np.savez(sys.argv[2], **values)
assert "tensorflow" not in sys.modules
"""


def results(logits, tags, mask, valid, cams, block):
    """What the functions of both rooms give; on whichever backend Keras has."""
    values = {
        kind: losses.WeakSegmentationLoss(kind)(logits, tags, mask, valid)
        for kind in ("tags", "foreground", "multi_class")
    }
    for scaling in ("min_max", "centred", "balanced"):
        foreground = priors.foreground_probability([block], logits.shape[1:3], scaling=scaling)
        values[scaling] = foreground
    for combination in ("linear", "geometric"):
        fusion = priors.Fusion(combination, background_score=0.3)
        probabilities = priors.class_probabilities(cams, foreground, tags, fusion)
        values[combination] = probabilities
        values[f"labels_{combination}"] = priors.label_map(probabilities, cams, tags)
    values["size"] = priors.size_within((375, 500), 321)
    return values


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_jax_gives_what_tensorflow_gives(tmp_path, random_generator):
    import tensorflow as tf

    arrays = {
        "logits": random_generator.normal(scale=4, size=(2, 6, 7, 4)).astype("float32"),
        "tags": np.array([[1, 0, 1], [0, 0, 0]], "float32"),
        "mask": random_generator.choice([0, 1, 3, 255], size=(2, 6, 7)).astype("uint8"),
        "valid": random_generator.random((2, 6, 7)) < 0.8,
        "cams": random_generator.normal(size=(2, 3, 3, 3)).astype("float32"),
        "block": random_generator.random((2, 3, 4, 5)).astype("float32"),
    }
    np.savez(tmp_path / "arrays.npz", **arrays)
    here, results_file = os.path.dirname(__file__), tmp_path / "results.npz"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "arrays.npz", results_file, here],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    logits = tf.constant(arrays["logits"])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        expected = results(**{**arrays, "logits": logits})
        total = tf.reduce_sum(expected["multi_class"])
    expected["gradient"] = tape.gradient(total, logits)
    with np.load(results_file) as received:
        assert set(received) == set(expected)
        for name in received:
            np.testing.assert_allclose(received[name], expected[name], atol=1e-5, err_msg=name)

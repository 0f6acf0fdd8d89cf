"""Energies of pixels against float64 loops, and what becomes of a probability of 0."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf.unary import unary_energies

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def energies_by_loops(probabilities, form, floor=1e-5):
    """Float64, one pixel at a time."""
    energies = np.empty(probabilities.shape)
    for pixel in np.ndindex(probabilities.shape[:-1]):
        scores = [float(p) for p in probabilities[pixel]]
        partition = math.fsum(math.exp(score) for score in scores)
        for label, score in enumerate(scores):
            if form == "log":
                energies[(*pixel, label)] = -math.log(max(score, floor))
            else:
                energies[(*pixel, label)] = -math.log(math.exp(score) / partition)
    return energies


def random_probabilities(generator, shape):
    return generator.dirichlet(np.ones(shape[-1]), shape[:-1]).astype("float32")


@WRAPS
@pytest.mark.parametrize("form", ["log", "softmax"])
@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 5, 4), (2, 3, 4, 21)])
def test_energies_match_loops(random_generator, shape, form, wrap):
    probabilities = random_probabilities(random_generator, shape)
    energies = wrap(unary_energies)(probabilities, form=form)
    assert energies.dtype == tf.float32
    np.testing.assert_allclose(energies, energies_by_loops(probabilities, form), atol=2e-6)


def test_mean_field_starts_from_the_probabilities(random_generator):
    probabilities = random_probabilities(random_generator, (4, 6, 5))
    start = tf.nn.softmax(-unary_energies(probabilities))
    np.testing.assert_allclose(start, probabilities, atol=2e-5)  # Twice the floor.


def test_certain_and_impossible_labels_are_finite():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
    energies = unary_energies(probabilities)
    dear = -math.log(1e-5)
    np.testing.assert_allclose(energies, [[0, dear], [dear, 0]], atol=1e-5)
    energies = unary_energies(probabilities, floor=1e-12)
    np.testing.assert_allclose(energies[0, 1], -math.log(1e-12), rtol=1e-6)


def test_energies_as_printed_differ_by_one_at_most():
    energies = unary_energies(np.array([[1.0, 0.0, 0.0]], "float32"), form="softmax")
    np.testing.assert_allclose(energies[0, 1] - energies[0, 0], 1.0, rtol=1e-6)


@WRAPS
@pytest.mark.parametrize("form", ["log", "softmax"])
def test_gradients_are_finite(random_generator, form, wrap):
    probabilities = random_probabilities(random_generator, (3, 4, 3))
    probabilities[0, 0] = (1, 0, 0)

    @wrap
    def gradient(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(unary_energies(values, form=form)[..., 0])
        return tape.gradient(total, values)

    slopes = gradient(tf.constant(probabilities)).numpy()
    assert np.isfinite(slopes).all()
    assert np.abs(slopes[..., 0]).min() > 0
    if form == "log":
        np.testing.assert_allclose(slopes[..., 0], -1 / probabilities[..., 0], rtol=1e-5)
        np.testing.assert_array_equal(slopes[..., 1:], 0)


def test_one_trace_serves_every_size_and_number_of_labels(random_generator):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, None], tf.float32)])
    def traced(probabilities):
        traces.append(None)
        return unary_energies(probabilities)

    for shape in ((2, 3, 4), (5, 1, 2)):
        probabilities = random_probabilities(random_generator, shape)
        expected = energies_by_loops(probabilities, "log")
        np.testing.assert_allclose(traced(probabilities), expected, atol=2e-6)
    assert len(traces) == 1


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_become_float32(dtype):
    energies = unary_energies(np.array([[0.5, 0.5]], dtype))
    assert energies.dtype == tf.float32
    np.testing.assert_allclose(energies, math.log(2), rtol=1e-6)


def test_form_must_be_known():
    with pytest.raises(ValueError, match="`form` must be one of log, softmax. Received"):
        unary_energies(np.ones((1, 1, 2), "float32"), form="exp")


@pytest.mark.parametrize("floor", [0.0, 1.0, -1e-3, float("nan")])
def test_floor_must_be_a_probability(floor):
    with pytest.raises(ValueError, match="`floor` must be between 0 and 1"):
        unary_energies(np.ones((1, 1, 2), "float32"), floor=floor)

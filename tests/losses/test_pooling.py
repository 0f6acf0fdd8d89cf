"""Log-sum-exp pooling against float64 loops, at both ends of r and of the scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.losses.numerics import complement
from wsss_tf.losses.pooling import complement_of_pool, log_sum_exp_pool

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def pool_by_loops(probabilities, mask, sharpness):
    """Float64, one pixel at a time; slow and obvious. [B, K], nan where the mask is empty."""
    batch, height, width, classes = probabilities.shape
    scores = np.full((batch, classes), np.nan)
    for b in range(batch):
        for k in range(classes):
            pooled = []
            for i in range(height):
                for j in range(width):
                    if mask is None or mask[b, i, j, min(k, mask.shape[-1] - 1)]:
                        pooled.append(float(probabilities[b, i, j, k]))
            if pooled:
                peak = max(pooled)
                mean = math.fsum(math.exp(sharpness * (s - peak)) for s in pooled) / len(pooled)
                scores[b, k] = peak + math.log(mean) / sharpness
    return scores


def random_softmax(generator, shape, spread=2.0):
    logits = generator.normal(scale=spread, size=shape)
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exps / exps.sum(axis=-1, keepdims=True)).astype("float32")


@WRAPS
@pytest.mark.parametrize("sharpness", [0.01, 5.0, 59.0, 61.0, 1000.0])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 4)])
def test_pool_matches_loops(random_generator, shape, sharpness, wrap):
    probabilities = random_softmax(random_generator, shape)
    for channels in (None, 1, shape[-1]):
        mask = None
        if channels is not None:
            mask = random_generator.random((*shape[:3], channels)) < 0.6
        scores, present = wrap(log_sum_exp_pool)(probabilities, mask, sharpness=sharpness)
        expected = pool_by_loops(probabilities, mask, sharpness)
        np.testing.assert_array_equal(present, ~np.isnan(expected))
        np.testing.assert_allclose(scores, np.nan_to_num(expected), rtol=1e-5, atol=1e-7)


def test_pool_of_two_pixels_by_hand():
    probabilities = np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1)
    scores, _ = log_sum_exp_pool(probabilities, sharpness=5.0)
    assert float(scores[0, 0]) == pytest.approx(math.log((1 + math.exp(5)) / 2) / 5, abs=1e-6)


def test_ends_of_sharpness_are_mean_and_maximum(random_generator):
    probabilities = random_softmax(random_generator, (1, 6, 7, 3))
    mean, _ = log_sum_exp_pool(probabilities, sharpness=1e-4)
    np.testing.assert_allclose(mean[0], probabilities.mean(axis=(0, 1, 2)), atol=1e-5)
    # The soft maximum of N pixels lies at most log(N) / r below the maximum.
    maximum, _ = log_sum_exp_pool(probabilities, sharpness=1e6)
    np.testing.assert_allclose(maximum[0], probabilities.max(axis=(0, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("sharpness", [5.0, 1000.0])
def test_scores_near_zero_keep_their_relative_precision(sharpness):
    probabilities = np.full((1, 8, 8, 1), 1e-20, "float32")
    scores, _ = log_sum_exp_pool(probabilities, sharpness=sharpness)
    np.testing.assert_allclose(scores, [[1e-20]], rtol=1e-5)


@pytest.mark.parametrize("sharpness", [1e-3, 5.0, 1e3, 1e6])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_scores_pool_to_themselves(value, sharpness):
    probabilities = np.full((1, 4, 4, 2), value, "float32")
    scores, _ = log_sum_exp_pool(probabilities, sharpness=sharpness)
    np.testing.assert_allclose(scores, [[value, value]], atol=1e-6)


@WRAPS
@pytest.mark.parametrize("sharpness", [5.0, 1e4])
def test_pixels_outside_the_mask_change_nothing(random_generator, sharpness, wrap):
    inside = random_softmax(random_generator, (1, 2, 6, 3)) * np.float32(0.1)
    mask = np.zeros((1, 4, 6, 1), bool)
    mask[:, :2] = True
    scores = [
        wrap(log_sum_exp_pool)(
            np.concatenate([inside, np.full_like(inside, outside)], axis=1),
            mask,
            sharpness=sharpness,
        )[0]
        for outside in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_allclose(scores[0], pool_by_loops(inside, None, sharpness), rtol=1e-5)


@WRAPS
@pytest.mark.parametrize("sharpness", [5.0, 1e3])
def test_empty_mask_has_no_term_and_no_gradient(random_generator, sharpness, wrap):
    probabilities = tf.constant(random_softmax(random_generator, (2, 3, 3, 2)))
    mask = np.zeros((2, 3, 3, 1), bool)
    mask[0] = True

    @wrap
    def pool_and_gradient(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            scores, present = log_sum_exp_pool(values, mask, sharpness=sharpness)
            total = tf.reduce_sum(scores)
        return scores, present, tape.gradient(total, values)

    scores, present, gradient = pool_and_gradient(probabilities)
    assert present.numpy().tolist() == [[True, True], [False, False]]
    np.testing.assert_array_equal(scores[1], 0.0)
    np.testing.assert_array_equal(gradient[1], 0.0)
    # A soft maximum moves with its arguments: its gradient sums to 1 over the pixels of a class.
    np.testing.assert_allclose(tf.reduce_sum(gradient[0], axis=(0, 1)), 1.0, rtol=1e-4)


@pytest.mark.parametrize("sharpness", [0.01, 5.0, 1e3])
@pytest.mark.parametrize("masked", [False, True])
def test_complement_of_pool_matches_loops(random_generator, sharpness, masked):
    probabilities = random_softmax(random_generator, (2, 3, 5, 4))
    mask = random_generator.random((2, 3, 5, 1)) < 0.6 if masked else None
    remainders, _ = complement_of_pool(probabilities, mask, sharpness=sharpness)
    expected = 1 - pool_by_loops(probabilities, mask, sharpness)
    np.testing.assert_allclose(remainders, expected, rtol=1e-5, atol=1e-6)


def test_complement_does_not_cancel():
    logits = np.array([[30.0, 0.0, 0.0]], "float32")
    probabilities = tf.nn.softmax(logits)
    assert probabilities[0, 0] == 1.0
    np.testing.assert_allclose(complement(probabilities)[0, 0], 2 * math.exp(-30), rtol=1e-5)
    remainders, _ = complement_of_pool(probabilities[:, None, None, :], sharpness=5.0)
    np.testing.assert_allclose(remainders[0, 0], 2 * math.exp(-30), rtol=1e-5)


def test_complement_is_one_where_it_does_not_apply():
    probabilities = tf.constant([[1.0, 0.0], [0.25, 0.75]])
    where = tf.constant([[False], [True]])
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        remainders = complement(probabilities, where)
    np.testing.assert_allclose(remainders, [[1, 1], [0.75, 0.25]], rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(remainders, probabilities)[0], 0.0)
    assert complement(tf.constant([[1.0, 0.0]]))[0, 0] > 0


def test_half_precision_is_pooled_in_float32():
    probabilities = np.full((1, 200, 200, 1), 0.001, "float16")
    scores, _ = log_sum_exp_pool(probabilities)
    assert scores.dtype == tf.float32
    np.testing.assert_allclose(scores, [[0.001]], rtol=1e-3)  # float16 rounds 0.001 itself.


@pytest.mark.parametrize("sharpness", [0.0, -1.0, float("nan")])
def test_sharpness_must_be_positive(sharpness):
    with pytest.raises(ValueError, match="`sharpness` must be a positive number"):
        log_sum_exp_pool(np.ones((1, 1, 1, 1), "float32"), sharpness=sharpness)


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 2, 2, 2)])
def test_mask_must_have_a_fitting_class_axis(shape):
    with pytest.raises(ValueError, match="`mask` must have the shape"):
        log_sum_exp_pool(np.ones((1, 2, 2, 3), "float32"), np.ones(shape, bool))

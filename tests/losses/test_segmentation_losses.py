"""Eq. 10 to 16 against float64 loops, by hand, and where a softmax saturates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.losses.segmentation import foreground_loss, multi_class_loss, tag_loss

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
KINDS = pytest.mark.parametrize("kind", ["tags", "foreground", "multi_class"])


def evaluate(kind, probabilities, tags, mask, valid, sharpness=5.0):
    """The loss of that kind, called as a user calls it."""
    if kind == "tags":
        return tag_loss(probabilities, tags, valid, sharpness=sharpness)
    loss = {"foreground": foreground_loss, "multi_class": multi_class_loss}[kind]
    return loss(probabilities, tags, mask, valid, sharpness=sharpness)


def pool(values, sharpness):
    """Eq. 11 over a list of scores; None for an empty one."""
    if not values:
        return None
    peak = max(values)
    mean = math.fsum(math.exp(sharpness * (v - peak)) for v in values) / len(values)
    return peak + math.log(mean) / sharpness


def mean_cost(scores):
    """Mean of -log over the scores that exist, 0 if none does."""
    costs = [-math.log(score) for score in scores if score is not None]
    return math.fsum(costs) / len(costs) if costs else 0.0


def loss_by_loops(kind, probabilities, tags, mask, valid, sharpness=5.0):
    """Float64, one photo, one class and one pixel at a time, equation by equation."""
    losses = []
    for S, t, m, v in zip(np.float64(probabilities), tags, mask, valid, strict=True):
        present = [0, *(k + 1 for k in range(len(t)) if t[k])]
        absent = [k for k in range(S.shape[-1]) if k not in present]
        pixels = [(i, j) for i in range(S.shape[0]) for j in range(S.shape[1]) if v[i, j]]
        scores = {
            label: {k: pool([S[p][k] for p in pixels if m[p] in label], sharpness) for k in present}
            for label in [(0,), tuple(range(1, 255)), *((k,) for k in present)]
        }
        if kind == "tags":
            everywhere = [pool([S[p][k] for p in pixels], sharpness) for k in range(S.shape[-1])]
            loss = mean_cost([everywhere[k] for k in present])
            loss += mean_cost([1 - everywhere[k] for k in absent if pixels])
        else:
            if kind == "foreground":
                loss = mean_cost([scores[tuple(range(1, 255))][k] for k in present[1:]])
                loss += mean_cost([scores[(0,)][0]])
            else:
                loss = mean_cost([scores[(k,)][k] for k in present])
            loss += mean_cost([1 - S[p][k] for p in pixels for k in absent])
        losses.append(loss)
    return np.array(losses)


def softmax(logits):
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def random_case(generator, shape=(3, 4, 5), num_tags=3, spread=2.0):
    """Float64 probabilities, tags, a mask with every kind of label, and valid pixels."""
    probabilities = softmax(generator.normal(scale=spread, size=(*shape, num_tags + 1)))
    tags = (generator.random((shape[0], num_tags)) < 0.5).astype("float32")
    mask = generator.choice([*range(num_tags + 1), 255], size=shape).astype("uint8")
    valid = generator.random(shape) < 0.8
    return probabilities, tags, mask, valid


@WRAPS
@KINDS
@pytest.mark.parametrize("sharpness", [0.1, 5.0, 200.0])
def test_losses_match_loops(random_generator, kind, sharpness, wrap):
    compiled = wrap(evaluate)
    for shape, num_tags in (((3, 4, 5), 3), ((2, 1, 1), 1), ((4, 3, 3), 6)):
        probabilities, tags, mask, valid = random_case(random_generator, shape, num_tags)
        expected = loss_by_loops(kind, probabilities, tags, mask, valid, sharpness)
        for dtype, tolerance in (("float64", 1e-10), ("float32", 2e-5)):
            loss = compiled(kind, probabilities.astype(dtype), tags, mask, valid, sharpness)
            assert loss.dtype == dtype
            np.testing.assert_allclose(loss, expected, rtol=tolerance, atol=tolerance)


@KINDS
def test_no_valid_argument_means_all_valid(random_generator, kind):
    probabilities, tags, mask, _ = random_case(random_generator)
    everywhere = np.ones(mask.shape, bool)
    np.testing.assert_allclose(
        evaluate(kind, probabilities, tags, mask, None),
        loss_by_loops(kind, probabilities, tags, mask, everywhere),
        rtol=1e-10,
    )


# Two pixels, background and two classes, the first of them tagged.
TWO_PIXELS = np.array([[[[0.7, 0.2, 0.1], [0.3, 0.6, 0.1]]]])
FIRST_TAG = np.array([[1.0, 0.0]])


def lse(*scores):
    return math.log(sum(math.exp(5 * s) for s in scores) / len(scores)) / 5


def test_tag_loss_by_hand():
    present = -0.5 * (math.log(lse(0.7, 0.3)) + math.log(lse(0.2, 0.6)))
    absent = -math.log(1 - lse(0.1, 0.1))
    loss = tag_loss(TWO_PIXELS, FIRST_TAG)
    assert float(loss[0]) == pytest.approx(present + absent, rel=1e-9)


def test_foreground_loss_by_hand():
    # Any label but 0 and 255 is foreground, whichever class it names.
    mask = np.array([[[0, 2]]], "uint8")
    expected = -math.log(0.6) - math.log(0.7) - math.log(0.9)
    loss = foreground_loss(TWO_PIXELS, FIRST_TAG, mask)
    assert float(loss[0]) == pytest.approx(expected, rel=1e-9)


def test_multi_class_loss_by_hand():
    mask = np.array([[[0, 1]]], "uint8")
    expected = -0.5 * (math.log(0.7) + math.log(0.6)) - math.log(0.9)
    loss = multi_class_loss(TWO_PIXELS, FIRST_TAG, mask)
    assert float(loss[0]) == pytest.approx(expected, rel=1e-9)


def test_a_class_without_pixels_leaves_the_sum_and_its_divisor():
    mask = np.array([[[0, 255]]], "uint8")
    expected = -math.log(0.7) - math.log(0.9)
    for loss in (multi_class_loss, foreground_loss):
        assert float(loss(TWO_PIXELS, FIRST_TAG, mask)[0]) == pytest.approx(expected, rel=1e-9)


def test_pixels_of_a_class_that_is_not_tagged_are_pooled_by_none():
    mask = np.array([[[0, 2]]], "uint8")
    expected = -math.log(0.7) - math.log(0.9)
    assert float(multi_class_loss(TWO_PIXELS, FIRST_TAG, mask)[0]) == pytest.approx(expected)


@KINDS
def test_all_classes_present_leaves_no_absent_term(random_generator, kind):
    probabilities, tags, mask, valid = random_case(random_generator)
    tags = np.ones_like(tags)
    np.testing.assert_allclose(
        evaluate(kind, probabilities, tags, mask, valid),
        loss_by_loops(kind, probabilities, tags, mask, valid),
        rtol=1e-10,
    )


def loss_and_gradient(kind, logits, tags, mask, valid=None, sharpness=5.0):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = evaluate(kind, tf.nn.softmax(logits), tags, mask, valid, sharpness)
        total = tf.reduce_sum(loss)
    return loss, tape.gradient(total, logits)


@KINDS
@pytest.mark.parametrize("hidden", ["valid", "tags_too"])
def test_no_valid_pixel_gives_zero_loss_and_zero_gradient(random_generator, kind, hidden):
    _, tags, mask, valid = random_case(random_generator)
    tags = np.zeros_like(tags) if hidden == "tags_too" else tags
    logits = random_generator.normal(size=(*mask.shape, tags.shape[1] + 1)).astype("float32")
    loss, gradient = loss_and_gradient(kind, logits, tags, mask, np.zeros_like(valid))
    np.testing.assert_array_equal(loss, 0.0)
    np.testing.assert_array_equal(gradient, 0.0)


@KINDS
@pytest.mark.parametrize("sharpness", [5.0, 100.0])
def test_gradient_matches_finite_differences(random_generator, kind, sharpness):
    probabilities, tags, mask, valid = random_case(random_generator, (2, 2, 3), 2)
    logits = np.log(probabilities)
    _, gradient = loss_and_gradient(kind, logits, tags, mask, valid, sharpness)
    step, expected = 1e-5, np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        sums = []
        for sign in (step, -step):
            moved = logits.copy()
            moved[index] += sign
            sums.append(loss_by_loops(kind, softmax(moved), tags, mask, valid, sharpness)[index[0]])
        expected[index] = (sums[0] - sums[1]) / (2 * step)
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


@WRAPS
@KINDS
@pytest.mark.parametrize("sharpness", [5.0, 1e3])
@pytest.mark.parametrize("spread", [30.0, 1e4])
def test_saturated_softmax_keeps_loss_and_gradient_finite(
    random_generator, kind, sharpness, spread, wrap
):
    _, tags, mask, valid = random_case(random_generator, (4, 5, 5))
    logits = random_generator.normal(scale=spread, size=(*mask.shape, 4)).astype("float32")
    loss, gradient = wrap(loss_and_gradient)(kind, logits, tags, mask, valid, sharpness)
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()


@KINDS
def test_gradient_lives_where_the_network_is_wrong_and_sure(kind):
    # One background pixel that the network calls, with S = 1 in float32, the absent class 2.
    logits = np.array([[[[0.0, 0.0, 40.0]]]], "float32")
    tags, mask = np.array([[1.0, 0.0]], "float32"), np.zeros((1, 1, 1), "uint8")
    loss, gradient = loss_and_gradient(kind, logits, tags, mask)
    # -log S_0 = 40 and -log(1 - S_2) = 40 - log 2; -log S_1 = 40 is a term of Eq. 10 only, where
    # the mean of the two present classes is taken.
    np.testing.assert_allclose(loss, [80 - math.log(2)], rtol=1e-5)
    of_present = [-0.5, -0.5, 1.0] if kind == "tags" else [-1.0, 0.0, 1.0]
    expected = np.array(of_present) + [-0.5, -0.5, 1.0]
    np.testing.assert_allclose(gradient[0, 0, 0], expected, rtol=1e-5)


@KINDS
def test_losses_compile_with_xla(random_generator, kind):
    probabilities, tags, mask, valid = random_case(random_generator)
    compiled = tf.function(evaluate, jit_compile=True)
    loss = compiled(kind, probabilities.astype("float32"), tags, mask, valid)
    expected = loss_by_loops(kind, probabilities, tags, mask, valid)
    np.testing.assert_allclose(loss, expected, rtol=2e-5)


@KINDS
def test_losses_take_any_size_at_run_time(random_generator, kind):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 4], tf.float64),
            tf.TensorSpec([None, 3], tf.float32),
            tf.TensorSpec([None, None, None], tf.uint8),
            tf.TensorSpec([None, None, None], tf.bool),
        ]
    )
    def dynamic(probabilities, tags, mask, valid):
        return evaluate(kind, probabilities, tags, mask, valid)

    for shape in ((1, 2, 3), (2, 4, 1)):
        case = random_case(random_generator, shape)
        np.testing.assert_allclose(dynamic(*case), loss_by_loops(kind, *case), rtol=1e-10)


@KINDS
def test_messages_name_the_argument(random_generator, kind):
    probabilities, tags, mask, valid = random_case(random_generator)
    with pytest.raises(ValueError, match="Background has no column"):
        evaluate(kind, probabilities, np.ones((3, 4)), mask, valid)
    with pytest.raises(ValueError, match="`probabilities` must have the shape"):
        evaluate(kind, probabilities[0], tags, mask, valid)
    with pytest.raises(ValueError, match="`valid` must have the shape"):
        evaluate(kind, probabilities, tags, mask, valid[..., None])
    with pytest.raises(ValueError, match="`sharpness` must be"):
        evaluate(kind, probabilities, tags, mask, valid, sharpness=0.0)
    if kind != "tags":
        with pytest.raises(ValueError, match="`mask` must have the shape"):
            evaluate(kind, probabilities, tags, mask[..., None], valid)

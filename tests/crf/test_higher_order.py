"""The region term against enumeration of all labellings and against float64 loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf.higher_order import RegionTerm

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
PLAIN, ROBUST = 1.0, 0.0  # Progress.

# Layers of regions of six pixels.
SIX_PIXELS = {
    "disjoint": [[0, 0, 0, 1, 1, 1]],
    "scattered": [[0, 1, 0, 2, 1, 0]],
    "nested": [[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 0, 1, 2, 2, 3]],
    "overlapping": [[0, 0, 0, 0, 1, 1], [5, 5, 7, 7, 7, 7], [0, 1, 0, 1, 0, 1]],
    "single pixels": [[0, 1, 2, 3, 4, 5]],
    "the same twice": [[0, 0, 0, 1, 1, 1], [3, 3, 3, 2, 2, 2]],
}


def costs(ids, probabilities, weight, max_cost):
    """[(pixels of a region, weighted cost of each label)], Eq. 8, in float64."""
    if max_cost is None:
        max_cost = math.log(probabilities.shape[-1])
    regions = []
    for layer in np.asarray(ids):
        for region in np.unique(layer):
            pixels = np.flatnonzero(layer == region)
            means = probabilities[pixels].astype(np.float64).mean(axis=0)
            thetas = [-math.log(mean) if mean > 0 else math.inf for mean in means]
            regions.append((pixels, [weight * min(theta, max_cost) for theta in thetas]))
    return regions, weight * max_cost


def message_by_enumeration(q, ids, probabilities, weight, max_cost):
    """-E[cost of the regions | x_i = l] under Q, over every labelling; float64 [N, L]."""
    regions, mixed = costs(ids, probabilities, weight, max_cost)
    num_pixels, num_labels = q.shape
    message = np.zeros_like(q)
    for labelling in itertools.product(range(num_labels), repeat=num_pixels):
        cost = 0.0
        for pixels, uniform in regions:
            labels = {labelling[j] for j in pixels}
            cost += uniform[labels.pop()] if len(labels) == 1 else mixed
        for i, label in enumerate(labelling):
            others = [q[j, labelling[j]] for j in range(num_pixels) if j != i]
            message[i, label] -= math.prod(others) * cost
    return message


def message_by_loops(q, ids, probabilities, form, *, weight=1.0, max_cost=None):
    """One pixel, region and label at a time, in float64."""
    q = q.astype(np.float64)
    regions, mixed = costs(ids, probabilities, weight, max_cost)
    message = np.zeros_like(q)
    for pixels, uniform in regions:
        for i, label in itertools.product(pixels, range(q.shape[1])):
            shares = [q[j, label] for j in pixels if form == ROBUST or j != i]
            agreed = math.prod(shares) if form == PLAIN else math.fsum(shares) / len(shares)
            message[i, label] += (mixed - uniform[label]) * agreed
    return message


def message(q, ids, probabilities, progress, *, height=1, **options):
    """The code under test on rows: Q and P [N, L], ids [layers, N]."""
    ids = tf.cast(ids, tf.int32)
    size = [height, tf.shape(q)[0] // height]
    regions = tf.reshape(ids, [tf.shape(ids)[0], *size])
    probabilities = tf.reshape(probabilities, [*size, tf.shape(q)[1]])
    term = RegionTerm(regions, probabilities, **options)
    return term.message(tf.convert_to_tensor(q, tf.float32), progress)


def random_rows(generator, num_pixels, num_labels, sharpness=1.0):
    rows = generator.dirichlet(np.full(num_labels, 1 / sharpness), num_pixels)
    return rows.astype("float32")


def random_layers(generator, num_pixels, counts):
    return np.stack([generator.integers(0, count, num_pixels) for count in counts])


@pytest.mark.parametrize("max_cost", [None, 0.7, 4.0])
@pytest.mark.parametrize("layout", SIX_PIXELS)
def test_plain_message_is_the_mean_field_of_every_labelling(random_generator, layout, max_cost):
    q, probabilities = (random_rows(random_generator, 6, 3) for _ in range(2))
    q[1] = (0, 1, 0)
    ids = SIX_PIXELS[layout]
    expected = message_by_enumeration(q.astype(np.float64), ids, probabilities, 0.8, max_cost)
    received = message(q, ids, probabilities, PLAIN, weight=0.8, max_cost=max_cost).numpy()
    # What a label-independent constant adds to the logits makes no difference.
    np.testing.assert_allclose(
        received - received[:, :1], expected - expected[:, :1], rtol=1e-5, atol=1e-6
    )


@WRAPS
@pytest.mark.parametrize("form", [PLAIN, ROBUST], ids=["plain", "robust"])
@pytest.mark.parametrize("sharpness", [1.0, 30.0])
def test_message_matches_loops(random_generator, sharpness, form, wrap):
    ids = random_layers(random_generator, 42, (3, 9, 40))
    q = random_rows(random_generator, 42, 5, sharpness)
    probabilities = random_rows(random_generator, 42, 5)
    for options in ({}, {"weight": 2.5, "max_cost": 3.0}, {"weight": 0.0}):
        expected = message_by_loops(q, ids, probabilities, form, **options)
        received = wrap(message)(q, ids, probabilities, form, height=6, **options)
        assert received.dtype == tf.float32
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


def test_first_half_of_the_iterations_is_robust(random_generator):
    ids = [[0] * 6]
    q, probabilities = (random_rows(random_generator, 6, 3) for _ in range(2))
    forms = {form: message(q, ids, probabilities, form).numpy() for form in (PLAIN, ROBUST)}
    assert np.abs(forms[PLAIN] - forms[ROBUST]).max() > 0.01
    for iterations in (1, 2, 3, 10):
        for iteration in range(1, iterations + 1):
            received = message(q, ids, probabilities, tf.constant(iteration / iterations))
            expected = ROBUST if 2 * iteration <= iterations else PLAIN
            np.testing.assert_array_equal(received, forms[expected])
    for share, expected in ((0.0, PLAIN), (1.0, ROBUST)):
        for progress in (0.1, 1.0):
            received = message(q, ids, probabilities, progress, robust_share=share)
            np.testing.assert_array_equal(received, forms[expected])


def test_only_the_robust_form_acts_on_a_large_undecided_region():
    q = np.tile(np.array([0.6, 0.4], "float32"), (900, 1))
    probabilities = np.tile(np.array([0.9, 0.1], "float32"), (900, 1))
    ids = np.zeros((1, 900), int)
    benefit = math.log(2) + math.log(0.9)
    np.testing.assert_array_equal(message(q, ids, probabilities, PLAIN), 0)
    robust = message(q, ids, probabilities, ROBUST)
    np.testing.assert_allclose(robust[:, 0], 0.6 * benefit, rtol=1e-4)
    np.testing.assert_array_equal(robust[:, 1], 0)


@pytest.mark.parametrize("dissent", [0.0, 1e-30, 1e-6])
def test_plain_form_calls_back_the_one_pixel_that_dissents(dissent):
    q = np.tile(np.array([1, 0], "float32"), (500, 1))
    q[17] = (dissent, 1)
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (500, 1))
    received = message(q, np.zeros((1, 500), int), probabilities, PLAIN, max_cost=2.0).numpy()
    benefit = 2 + math.log(0.8)
    np.testing.assert_allclose(received[17], [benefit, 0], rtol=1e-4, atol=1e-12)
    rest = np.delete(received, 17, axis=0)
    np.testing.assert_allclose(rest[:, 0], benefit * dissent, rtol=1e-4, atol=1e-12)


def test_products_over_a_whole_photo_keep_their_precision(random_generator):
    doubts = random_generator.uniform(0, 2e-5, 187500)
    q = np.stack([1 - doubts, doubts], axis=1).astype("float32")
    ids = np.zeros((1, len(q)), int)
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (len(q), 1))
    received = message(q, ids, probabilities, PLAIN, height=375).numpy()
    logs = np.log(q[:, 0].astype(np.float64))
    expected = math.log(1.6) * np.exp(logs.sum() - logs)
    np.testing.assert_allclose(received[:, 0], expected, rtol=1e-2)  # A sum of 187,500 float32.
    assert 0.05 < expected[0] < 0.1


def test_undecided_regions_have_no_pull_and_the_likeliest_label_always_may(random_generator):
    num_labels = 4
    q = random_rows(random_generator, 30, num_labels)
    even = np.full((30, num_labels), 1 / num_labels, "float32")
    ids = random_layers(random_generator, 30, (2, 5))
    for form in (PLAIN, ROBUST):
        np.testing.assert_allclose(message(q, ids, even, form), 0, atol=1e-6)
    # With Q certain of the label that P makes likeliest, each region pays less than a mixture.
    probabilities = random_rows(random_generator, 30, num_labels)
    likeliest = probabilities.mean(axis=0).argmax()
    certain = np.eye(num_labels, dtype="float32")[np.full(30, likeliest)]
    whole = message(certain, np.zeros((1, 30), int), probabilities, PLAIN).numpy()
    assert (whole[:, likeliest] > 0).all()


@pytest.mark.parametrize("form", [PLAIN, ROBUST], ids=["plain", "robust"])
def test_ids_may_be_sparse(random_generator, form):
    ids = random_layers(random_generator, 42, (3, 9))
    q, probabilities = (random_rows(random_generator, 42, 3) for _ in range(2))
    names = np.array([2**31 - 1, 0, 10**6, 7, 2**30, 65536, 65537, 12345678, 1])
    expected = message(q, ids, probabilities, form, height=7)
    received = message(q, names[ids], probabilities, form, height=7)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 255, 256, 1000, 1024, 65536, 10**6, 2**30, 2**31 - 1])
def test_pieces_of_distant_ids_are_told_apart(random_generator, step):
    q, probabilities = (random_rows(random_generator, 4, 3) for _ in range(2))
    received = message(q, [[0, 0, 1, 1], [step, step, 0, 0]], probabilities, ROBUST)
    expected = message(q, [[0, 0, 1, 1], [0, 0, 1, 1]], probabilities, ROBUST)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.mark.parametrize("form", [PLAIN, ROBUST], ids=["plain", "robust"])
def test_regions_at_their_smallest(random_generator, form):
    q, probabilities = (random_rows(random_generator, 12, 3) for _ in range(2))
    none = message(q, np.zeros((0, 12), int), probabilities, form, height=3)
    np.testing.assert_array_equal(none, np.zeros((12, 3)))
    for count in (1, 12):
        ids = np.arange(count)[None]
        expected = message_by_loops(q[:count], ids, probabilities[:count], form)
        received = message(q[:count], ids, probabilities[:count], form)
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_impossible_labels_have_no_pull(random_generator):
    q = random_rows(random_generator, 6, 3)
    probabilities = np.tile(np.array([1, 0, 0], "float32"), (6, 1))
    received = message(q, [[0] * 6], probabilities, ROBUST, max_cost=50.0).numpy()
    np.testing.assert_allclose(received[:, 0], 50 * q[:, 0].mean(), rtol=1e-5)
    np.testing.assert_array_equal(received[:, 1:], 0)


@WRAPS
@pytest.mark.parametrize("form", [PLAIN, ROBUST], ids=["plain", "robust"])
def test_gradients_are_finite(random_generator, form, wrap):
    ids = random_layers(random_generator, 24, (2, 5))
    logits = random_generator.normal(scale=4, size=(24, 3)).astype("float32")
    logits[3] = (-200, 100, -100)  # Q is exactly 0, 1, 0.
    probabilities = random_rows(random_generator, 24, 3)
    probabilities[:, 2] = 0

    @wrap
    def gradients(logits, probabilities):
        with tf.GradientTape() as tape:
            tape.watch([logits, probabilities])
            received = message(tf.nn.softmax(logits), ids, probabilities, form, max_cost=3.0)
            total = tf.reduce_sum(received * tf.range(3.0))
        return tape.gradient(total, [logits, probabilities])

    for gradient in gradients(tf.constant(logits), tf.constant(probabilities)):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("form", [PLAIN, ROBUST], ids=["plain", "robust"])
def test_gradient_matches_differences(random_generator, form):
    ids = np.array(SIX_PIXELS["overlapping"])
    q, probabilities = (random_rows(random_generator, 6, 3) for _ in range(2))
    direction = random_generator.normal(size=q.shape)
    values = tf.constant(q)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(tf.square(message(values, ids, probabilities, form)))
    slope = np.sum(tape.gradient(total, values).numpy() * direction)
    step = 1e-6
    ends = [
        np.square(message_by_loops(q + sign * step * direction, ids, probabilities, form)).sum()
        for sign in (1, -1)
    ]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3)


def test_one_trace_serves_every_size_and_number_of_labels_and_layers(random_generator):
    traces = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([], tf.float32),
        ]
    )
    def traced(q, ids, probabilities, progress):
        traces.append(None)
        return message(q, ids, probabilities, progress, height=2)

    for num_pixels, num_labels, counts in ((12, 3, (2, 4)), (20, 5, (3,)), (6, 2, ())):
        ids = np.zeros((0, num_pixels), int)
        if counts:
            ids = random_layers(random_generator, num_pixels, counts)
        q, probabilities = (random_rows(random_generator, num_pixels, num_labels) for _ in "qp")
        for form in (PLAIN, ROBUST):
            expected = message_by_loops(q, ids, probabilities, form)
            received = traced(q, ids.astype("int32"), probabilities, form)
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)
    assert len(traces) == 1

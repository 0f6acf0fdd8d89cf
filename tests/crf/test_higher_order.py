"""The region term against enumeration of all labellings and against float64 loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf.higher_order import RegionTerm

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
FORMS = pytest.mark.parametrize("tolerance", [0.0, 0.03, 0.5], ids=["plain", "narrow", "wide"])

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


def message_by_loops(q, ids, probabilities, tolerance=0.03, *, weight=1.0, max_cost=None):
    """One pixel, region and label at a time, in float64."""
    q = q.astype(np.float64)
    regions, mixed = costs(ids, probabilities, weight, max_cost)
    message = np.zeros_like(q)
    for pixels, uniform in regions:
        for i, label in itertools.product(pixels, range(q.shape[1])):
            if tolerance == 0:
                agreed = math.prod(q[j, label] for j in pixels if j != i)
            else:
                dissent = math.fsum(1 - q[j, label] for j in pixels)
                agreed = max(0, 1 - max(0, dissent - 1) / (tolerance * len(pixels)))
            message[i, label] += (mixed - uniform[label]) * agreed
    return message


def message(q, ids, probabilities, tolerance=0.03, *, height=1, progress=1.0, **options):
    """The code under test on rows: Q and P [N, L], ids [layers, N]."""
    ids = tf.cast(ids, tf.int32)
    size = [height, tf.shape(q)[0] // height]
    regions = tf.reshape(ids, [tf.shape(ids)[0], *size])
    probabilities = tf.reshape(probabilities, [*size, tf.shape(q)[1]])
    term = RegionTerm(regions, probabilities, tolerance=tolerance, **options)
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
    received = message(q, ids, probabilities, 0.0, weight=0.8, max_cost=max_cost).numpy()
    # What a label-independent constant adds to the logits makes no difference.
    np.testing.assert_allclose(
        received - received[:, :1], expected - expected[:, :1], rtol=1e-5, atol=1e-6
    )


@WRAPS
@FORMS
@pytest.mark.parametrize("sharpness", [1.0, 30.0])
def test_message_matches_loops(random_generator, sharpness, tolerance, wrap):
    ids = random_layers(random_generator, 42, (3, 9, 40))
    q = random_rows(random_generator, 42, 5, sharpness)
    probabilities = random_rows(random_generator, 42, 5)
    q[np.isin(ids[0], (0, 1))] = (0.97, 0.03, 0, 0, 0)  # Two regions that nearly agree.
    for options in ({}, {"weight": 2.5, "max_cost": 3.0}, {"weight": 0.0}):
        expected = message_by_loops(q, ids, probabilities, tolerance, **options)
        received = wrap(message)(q, ids, probabilities, tolerance, height=6, **options)
        assert received.dtype == tf.float32
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


@FORMS
def test_regions_speak_in_the_last_iterations(random_generator, tolerance):
    q, probabilities = (random_rows(random_generator, 6, 3) for _ in range(2))
    ids = [[0, 0, 0, 0, 0, 1]]
    spoken = message(q, ids, probabilities, tolerance).numpy()
    assert np.abs(spoken).max() > 0.01
    for start, iterations, first in ((0.8, 10, 9), (0.8, 5, 5), (0.8, 1, 1), (0.0, 4, 1)):
        for iteration in range(1, iterations + 1):
            progress = tf.constant(iteration) / iterations
            received = message(q, ids, probabilities, tolerance, progress=progress, start=start)
            np.testing.assert_array_equal(received, spoken if iteration >= first else 0)


def test_only_the_robust_form_acts_on_a_large_region_that_a_few_pixels_leave():
    q = np.tile(np.array([1, 0], "float32"), (900, 1))
    q[::100] = (0, 1)  # 9 pixels, of which 27 would be tolerated.
    probabilities = np.tile(np.array([0.9, 0.1], "float32"), (900, 1))
    ids = np.zeros((1, 900), int)
    benefit = math.log(2) + math.log(0.9)
    np.testing.assert_allclose(message(q, ids, probabilities, 0.0), 0, atol=1e-20)
    received = message(q, ids, probabilities, 0.03)
    np.testing.assert_allclose(received[:, 0], (1 - 8 / 27) * benefit, rtol=1e-4)
    np.testing.assert_array_equal(received[:, 1], 0)
    q[::30] = (0, 1)  # 30 pixels and more.
    np.testing.assert_array_equal(message(q, ids, probabilities, 0.03), 0)


def test_all_forms_agree_where_all_pixels_do():
    q = np.tile(np.array([1, 0], "float32"), (40, 1))
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (40, 1))
    ids = [np.zeros(40, int), np.arange(40) // 20]
    for tolerance in (0.0, 0.03, 1.0):
        received = message(q, ids, probabilities, tolerance, weight=2.0, max_cost=1.0)
        np.testing.assert_allclose(received[:, 0], 4 * (1 + math.log(0.8)), rtol=1e-5)
        np.testing.assert_array_equal(received[:, 1], 0)


@pytest.mark.parametrize("dissent", [0.0, 1e-30, 1e-6])
@FORMS
def test_the_one_pixel_that_dissents_is_called_back(tolerance, dissent):
    q = np.tile(np.array([1, 0], "float32"), (500, 1))
    q[17] = (dissent, 1)
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (500, 1))
    ids = np.zeros((1, 500), int)
    received = message(q, ids, probabilities, tolerance, max_cost=2.0).numpy()
    benefit = 2 + math.log(0.8)
    np.testing.assert_allclose(received[17], [benefit, 0], rtol=1e-4, atol=1e-12)
    if tolerance == 0:  # The others are told that one of them does not agree.
        rest = np.delete(received, 17, axis=0)
        np.testing.assert_allclose(rest[:, 0], benefit * dissent, rtol=1e-4, atol=1e-12)


def test_products_over_a_whole_photo_keep_their_precision(random_generator):
    doubts = random_generator.uniform(0, 2e-5, 187500)
    q = np.stack([1 - doubts, doubts], axis=1).astype("float32")
    ids = np.zeros((1, len(q)), int)
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (len(q), 1))
    received = message(q, ids, probabilities, 0.0, height=375).numpy()
    logs = np.log(q[:, 0].astype(np.float64))
    expected = math.log(1.6) * np.exp(logs.sum() - logs)
    np.testing.assert_allclose(received[:, 0], expected, rtol=1e-2)  # A sum of 187,500 float32.
    assert 0.05 < expected[0] < 0.1


@pytest.mark.parametrize("share", [1e-4, 0.02])
def test_dissent_over_a_whole_photo_keeps_its_precision(share):
    q = np.tile(np.array([1 - share, share], "float32"), (187500, 1))
    probabilities = np.tile(np.array([0.8, 0.2], "float32"), (187500, 1))
    received = message(q, np.zeros((1, 187500), int), probabilities, height=375)
    expected = math.log(1.6) * (1 - (share * 187500 - 1) / (0.03 * 187500))
    np.testing.assert_allclose(received[:, 0], expected, rtol=1e-2)  # A sum of 187,500 float32.
    np.testing.assert_array_equal(received[:, 1], 0)


def test_undecided_regions_have_no_pull_and_the_likeliest_label_always_may(random_generator):
    num_labels = 4
    q = random_rows(random_generator, 30, num_labels)
    even = np.full((30, num_labels), 1 / num_labels, "float32")
    ids = random_layers(random_generator, 30, (2, 5))
    for tolerance in (0.0, 1.0):
        np.testing.assert_allclose(message(q, ids, even, tolerance), 0, atol=1e-6)
    # With Q certain of the label that P makes likeliest, each region pays less than a mixture.
    probabilities = random_rows(random_generator, 30, num_labels)
    likeliest = probabilities.mean(axis=0).argmax()
    certain = np.eye(num_labels, dtype="float32")[np.full(30, likeliest)]
    whole = message(certain, np.zeros((1, 30), int), probabilities).numpy()
    assert (whole[:, likeliest] > 0).all()


@FORMS
def test_ids_may_be_sparse(random_generator, tolerance):
    ids = random_layers(random_generator, 42, (3, 9))
    q, probabilities = (random_rows(random_generator, 42, 3) for _ in range(2))
    names = np.array([2**31 - 1, 0, 10**6, 7, 2**30, 65536, 65537, 12345678, 1])
    expected = message(q, ids, probabilities, tolerance, height=7)
    received = message(q, names[ids], probabilities, tolerance, height=7)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 255, 256, 1000, 1024, 65536, 10**6, 2**30, 2**31 - 1])
def test_pieces_of_distant_ids_are_told_apart(random_generator, step):
    q, probabilities = (random_rows(random_generator, 4, 3) for _ in range(2))
    received = message(q, [[0, 0, 1, 1], [step, step, 0, 0]], probabilities, 1.0)
    expected = message(q, [[0, 0, 1, 1], [0, 0, 1, 1]], probabilities, 1.0)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


@FORMS
def test_regions_at_their_smallest(random_generator, tolerance):
    q, probabilities = (random_rows(random_generator, 12, 3) for _ in range(2))
    none = message(q, np.zeros((0, 12), int), probabilities, tolerance, height=3)
    np.testing.assert_array_equal(none, np.zeros((12, 3)))
    for count in (1, 12):
        ids = np.arange(count)[None]
        expected = message_by_loops(q[:count], ids, probabilities[:count], tolerance)
        received = message(q[:count], ids, probabilities[:count], tolerance)
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_impossible_labels_have_no_pull(random_generator):
    q = random_rows(random_generator, 6, 3)
    probabilities = np.tile(np.array([1, 0, 0], "float32"), (6, 1))
    q[:, 0] = 1
    received = message(q, [[0] * 6], probabilities, max_cost=50.0).numpy()
    np.testing.assert_allclose(received[:, 0], 50, rtol=1e-5)
    np.testing.assert_array_equal(received[:, 1:], 0)


@WRAPS
@pytest.mark.parametrize("tolerance", [0.0, 0.5], ids=["plain", "robust"])
def test_gradients_are_finite(random_generator, tolerance, wrap):
    ids = random_layers(random_generator, 24, (2, 5))
    logits = random_generator.normal(scale=4, size=(24, 3)).astype("float32")
    logits[3] = (-200, 100, -100)  # Q is exactly 0, 1, 0.
    probabilities = random_rows(random_generator, 24, 3)
    probabilities[:, 2] = 0

    @wrap
    def gradients(logits, probabilities):
        with tf.GradientTape() as tape:
            tape.watch([logits, probabilities])
            received = message(tf.nn.softmax(logits), ids, probabilities, tolerance, max_cost=3.0)
            total = tf.reduce_sum(received * tf.range(3.0))
        return tape.gradient(total, [logits, probabilities])

    for gradient in gradients(tf.constant(logits), tf.constant(probabilities)):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("tolerance", [0.0, 0.5], ids=["plain", "robust"])
def test_gradient_matches_differences(random_generator, tolerance):
    ids = np.array(SIX_PIXELS["overlapping"])
    q, probabilities = (random_rows(random_generator, 6, 3) for _ in range(2))
    direction = random_generator.normal(size=q.shape)
    values = tf.constant(q)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(tf.square(message(values, ids, probabilities, tolerance)))
    slope = np.sum(tape.gradient(total, values).numpy() * direction)
    step = 1e-6
    ends = [
        np.square(
            message_by_loops(q + sign * step * direction, ids, probabilities, tolerance)
        ).sum()
        for sign in (1, -1)
    ]
    assert abs(slope) > 0.01
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3)


def test_one_trace_serves_every_size_and_number_of_labels_and_layers(random_generator):
    traces = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, None], tf.float32),
        ]
    )
    def traced(q, ids, probabilities):
        traces.append(None)
        return [message(q, ids, probabilities, tolerance, height=2) for tolerance in (0.0, 0.5)]

    for num_pixels, num_labels, counts in ((12, 3, (2, 4)), (20, 5, (3,)), (6, 2, ())):
        ids = np.zeros((0, num_pixels), int)
        if counts:
            ids = random_layers(random_generator, num_pixels, counts)
        q, probabilities = (random_rows(random_generator, num_pixels, num_labels) for _ in "qp")
        received = traced(q, ids.astype("int32"), probabilities)
        for tolerance, one in zip((0.0, 0.5), received, strict=True):
            expected = message_by_loops(q, ids, probabilities, tolerance)
            np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-6)
    assert len(traces) == 1

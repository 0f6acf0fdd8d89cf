"""The inference graph: what `wsss-tf predict RUN` gives, for any batch, size and view."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.export.graphs import Inference, nearest, softmax_by_parts
from wsss_tf.images import enlarged
from wsss_tf.training import Predictor, RunFolder


def photos(*shape):
    """Blocks of colour with noise, uint8 [..., H, W, 3]."""
    generator = np.random.default_rng(0)
    *batch, height, width = shape
    blocks = generator.integers(0, 220, (*batch, -(-height // 8), -(-width // 8), 3))
    blocks = blocks.repeat(8, -3).repeat(8, -2)[..., :height, :width, :]
    return (blocks + generator.integers(0, 36, blocks.shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def inference(lively_run):
    found = Inference.of_run(lively_run)
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    return tf.function(found, input_signature=[spec])


@pytest.mark.parametrize("size", [(48, 48), (37, 61), (1, 19), (20, 1100), (24, 2100)])
def test_is_what_predict_gives(inference, predictor, size):
    photo = photos(*size)
    found = inference(photo[None])
    assert found["labels"].dtype == tf.uint8
    np.testing.assert_array_equal(found["labels"][0], predictor(photo))
    np.testing.assert_allclose(found["probabilities"][0], predictor.probabilities(photo), atol=1e-6)


def test_the_network_tells_classes_apart(predictor):
    """Else the comparisons of labels here would show nothing."""
    assert len(np.unique(predictor(photos(64, 64)))) >= 3


def test_a_batch_is_its_photos(inference):
    batch = photos(3, 30, 41)
    together = inference(batch)
    for index, photo in enumerate(batch):
        alone = inference(photo[None])
        np.testing.assert_array_equal(together["labels"][index], alone["labels"][0])


def test_views_of_the_recipe_are_in_the_graph(lively_run):
    views = {"scales": (0.5, 1.0, 1.5), "flip": True}
    recipe = lively_run.recipe
    settings = recipe.inference.model_copy(update={**views, "crf": None})
    run = RunFolder(lively_run.path, recipe.model_copy(update={"inference": settings}))
    photo = photos(40, 56)
    found = Inference.of_run(run)(tf.constant(photo[None]))
    expected = Predictor(run).probabilities(photo)
    np.testing.assert_allclose(found["probabilities"][0], expected, atol=1e-6)
    plain = Predictor(run, scales=(1.0,), flip=False).probabilities(photo)
    assert np.abs(expected - plain).max() > 0.01


def nearest_by_loops(maps, size):
    result = np.zeros((*size, *maps.shape[2:]), maps.dtype)
    for y, x in np.ndindex(*size):
        # The centre of a pixel in the other grid; a centre on a line falls to the right or below.
        row, column = ((2 * y + 1) * maps.shape[0]) // (2 * size[0]), 0
        column = ((2 * x + 1) * maps.shape[1]) // (2 * size[1])
        result[y, x] = maps[row, column]
    return result


@pytest.mark.parametrize("size", [(7, 5), (1, 1), (3, 11), (14, 10), (50, 3)])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_nearest_is_that_of_loops_and_of_the_images(size, graph):
    maps = np.random.default_rng(0).integers(0, 9, (7, 5), dtype=np.uint8)

    def stretched(maps, size):
        return nearest(maps, size, axis=1)

    function = tf.function(stretched) if graph else stretched
    found = function(tf.constant(maps[None]), tf.constant(size))
    np.testing.assert_array_equal(found[0], nearest_by_loops(maps, size))
    np.testing.assert_array_equal(found[0], enlarged(maps, size))


def test_nearest_leaves_other_axes():
    maps = tf.reshape(tf.range(2 * 3 * 4 * 5), [2, 3, 4, 5])
    found = nearest(maps, tf.constant([8, 5]), axis=2)
    assert found.shape == (2, 3, 8, 5)
    np.testing.assert_array_equal(found[:, :, ::2], maps)


def test_a_crf_is_that_of_predict(lively_run):
    inference, sharp = Inference.of_run(lively_run), Predictor(lively_run, crf=True)
    settings = lively_run.recipe.inference.crf
    batch = photos(2, 40, 33)
    found = inference.sharpened(settings)(tf.constant(batch))
    for index, photo in enumerate(batch):
        np.testing.assert_allclose(
            found["probabilities"][index], sharp.probabilities(photo), atol=1e-5
        )
        np.testing.assert_array_equal(found["labels"][index], sharp(photo))


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_softmax_is_that_of_loops(graph):
    logits = np.random.default_rng(0).normal(0, 5, (2, 3, 2, 4)).astype(np.float32)
    logits[0, 0, 0] = [1e4, -1e4, 1e4, 0]  # exp would overflow.
    logits[0, 0, 1] = -1e30
    expected = np.zeros(logits.shape)
    for place in np.ndindex(*logits.shape[:-1]):
        scores = logits[place].astype(np.float64)
        powers = np.exp(scores - scores.max())
        expected[place] = powers / powers.sum()
    function = tf.function(softmax_by_parts) if graph else softmax_by_parts
    np.testing.assert_allclose(function(tf.constant(logits)), expected, atol=1e-6)


def test_gradients_of_the_softmax_are_finite():
    logits = tf.constant([[1e4, -1e4, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        first = softmax_by_parts(logits)[..., 0]
    assert np.isfinite(tape.gradient(first, logits)).all()

"""Predictions from several views: the mean of their probabilities, by a loop over them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import load_recipe
from wsss_tf.crf import unary_energies
from wsss_tf.priors import Views, resize
from wsss_tf.training import Predictor, RunFolder
from wsss_tf.training.crf import dense_crf
from wsss_tf.training.segment import load_segmentation_network

SCALES = (0.5, 1.0, 1.5)


@pytest.fixture
def photo(random_generator):
    """A smooth photo of even sides."""
    noise = random_generator.integers(0, 256, (5, 6, 3))
    return tf.cast(tf.image.resize(noise, (40, 46)), tf.uint8).numpy()


def mean_by_loops(run, photo, scales, flip):
    """Softmax of the logits in the photo's grid, view by view, and their mean in float64."""
    model = load_segmentation_network(run, run.labels.num_classes)
    found = []
    for scale in scales:
        for mirrored in (False, True)[: 1 + flip]:
            size = [max(int(side * scale + 0.5), 1) for side in photo.shape[:2]]
            seen = np.asarray(resize(photo[None].astype("float32"), size))
            logits = model(seen[:, :, ::-1] if mirrored else seen, training=False).numpy()
            logits = logits[:, :, ::-1] if mirrored else logits
            logits = np.asarray(resize(logits, photo.shape[:2]), np.float64)[0]
            powers = np.exp(logits - logits.max(-1, keepdims=True))
            found.append(powers / powers.sum(-1, keepdims=True))
    return np.mean(found, axis=0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.5,), SCALES])
def test_probabilities_are_the_mean_over_views(tiny_run, photo, scales, flip):
    predictor = Predictor(tiny_run, crf=False, scales=scales, flip=flip)
    assert predictor.views == Views(scales, flip)
    expected = mean_by_loops(tiny_run, photo, scales, flip)
    np.testing.assert_allclose(predictor.probabilities(photo), expected, atol=1e-4)


def test_the_crf_gets_the_mean_of_the_views(tiny_run, photo):
    plain, sharp = (Predictor(tiny_run, crf=c, scales=SCALES, flip=True) for c in (False, True))
    unary = unary_energies(tf.constant(plain.probabilities(photo)), form=sharp.crf.unary)
    expected = dense_crf(sharp.crf)(tf.constant(photo), unary)
    np.testing.assert_allclose(sharp.probabilities(photo), expected, atol=1e-4)


def test_one_plain_view_changes_no_bit(tiny_run, photo):
    default, asked = Predictor(tiny_run), Predictor(tiny_run, scales=(1,), flip=False)
    assert default.views == asked.views == Views()
    np.testing.assert_array_equal(default.probabilities(photo), asked.probabilities(photo))


def test_with_flips_a_mirrored_photo_has_the_mirror_image(tiny_run, photo):
    predictor = Predictor(tiny_run, crf=False, scales=SCALES, flip=True)
    mirrored = predictor.probabilities(photo[:, ::-1].copy())
    np.testing.assert_allclose(mirrored, predictor.probabilities(photo)[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("crf", [False, True])
def test_any_size_keeps_its_grid(tiny_run, crf):
    predictor = Predictor(tiny_run, crf=crf, scales=(0.25, 1.25), flip=True)
    for size in ((1, 1), (1, 7), (1300, 24)):
        photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        found = predictor.probabilities(photo)
        assert found.shape == (*size, 9)
        np.testing.assert_allclose(found.sum(-1), 1.0, rtol=1e-5)


def test_views_are_the_recipe_s_unless_given(tiny_run):
    changes = ["inference.scales=[0.5, 1]", "inference.flip=true"]
    recipe = load_recipe(tiny_run.path / "recipe.yaml", changes)
    run = RunFolder(tiny_run.path, recipe)
    assert Predictor(run).views == Views((0.5, 1.0), flip=True)
    assert Predictor(run, scales=[2]).views == Views((2.0,), flip=True)
    assert Predictor(run, flip=False).views == Views((0.5, 1.0))
    with pytest.raises(ValueError, match="`scales` must be one or more factors"):
        Predictor(run, scales=(2, 1))

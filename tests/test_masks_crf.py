"""The mask function with a CRF: only background and the tagged labels take part in it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF, unary_energies
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.vgg import activation_network
from wsss_tf.priors import label_map

NUM_TAGS = 4
SIZE = (37, 45)
TAGS = np.array([0, 1, 0, 1], "float32")
COLUMNS = [0, 2, 4]
ABSENT = [1, 3]


class CountedCRF(DenseCRF):
    """Remembers how many labels each call had."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.labels = []

    def call(self, photo, unary, **arguments):
        self.labels.append(int(unary.shape[-1]))
        return super().call(photo, unary, **arguments)


@pytest.fixture(scope="module")
def networks():
    """Networks of random weights, 1/16 as wide as VGG-16; calling them changes nothing."""
    return activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)


@pytest.fixture
def photo(random_generator):
    """Two halves of different colour, and noise."""
    pixels = random_generator.normal(100, 10, (*SIZE, 3))
    pixels[:, 20:, 0] += 80
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture
def crf():
    """Too weak to settle every pixel, so that what goes in shows in what comes out."""
    return CountedCRF(spatial_weight=1, bilateral_weight=1, bilateral_sigma=20, iterations=3)


@pytest.mark.parametrize("form", ["log", "softmax"])
def test_refined_is_the_crf_of_the_columns_that_take_part(networks, photo, crf, form):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf, unary=form)
    steps = maker.intermediates(photo, TAGS)
    before = tf.gather(steps["probabilities"], COLUMNS, axis=-1)
    expected = crf(tf.constant(photo), unary_energies(before, form=form))
    refined = steps["refined"].numpy()
    np.testing.assert_allclose(refined[..., COLUMNS], expected, atol=1e-6)
    np.testing.assert_array_equal(refined[..., ABSENT], 0)
    np.testing.assert_allclose(refined.sum(-1), 1.0, atol=1e-5)
    assert crf.labels == [3, 3]
    assert np.abs(refined - steps["probabilities"]).max() > 0.01
    expected_mask = label_map(refined[None], steps["cams"][None], TAGS[None])[0]
    np.testing.assert_array_equal(steps["mask"], expected_mask)
    np.testing.assert_array_equal(maker(photo, TAGS), expected_mask)


def test_the_form_of_the_unaries_matters(networks, photo, crf):
    refined = [
        MaskMaker(*networks, kind="multi_class", crf=crf, unary=form)
        .intermediates(photo, TAGS)["refined"]
        .numpy()
        for form in ("log", "softmax")
    ]
    assert np.abs(refined[0] - refined[1]).max() > 0.01


def test_a_foreground_mask_has_two_labels(networks, photo, crf):
    maker = MaskMaker(networks[0], kind="foreground", scaling="centred", crf=crf)
    steps = maker.intermediates(photo, TAGS)
    expected = crf(tf.constant(photo), unary_energies(steps["probabilities"]))
    np.testing.assert_allclose(steps["refined"], expected, atol=1e-6)
    assert crf.labels == [2, 2]
    np.testing.assert_array_equal(steps["mask"], steps["refined"][..., 1] > 0.5)


@pytest.mark.parametrize("kind", ["foreground", "multi_class"])
def test_a_photo_without_tags_needs_no_crf(networks, photo, crf, kind):
    maker = MaskMaker(*networks, kind=kind, crf=crf)
    steps = maker.intermediates(photo, np.zeros(NUM_TAGS))
    assert crf.labels == []
    np.testing.assert_array_equal(steps["refined"], steps["probabilities"])
    np.testing.assert_array_equal(steps["mask"], 0)


def test_one_graph_serves_every_number_of_tags(networks, photo):
    maker = MaskMaker(*networks, kind="multi_class", crf=DenseCRF(bilateral_sigma=20, iterations=2))
    signature = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([NUM_TAGS], tf.float32)]
    graph = tf.function(maker.intermediates, input_signature=signature)
    for count in range(NUM_TAGS + 1):
        tags = (np.arange(NUM_TAGS) < count).astype("float32")
        steps = graph(photo, tags)
        assert steps["refined"].shape == (*SIZE, NUM_TAGS + 1)
        expected = maker.intermediates(photo, tags)
        np.testing.assert_allclose(steps["refined"], expected["refined"], atol=1e-4)
        assert np.all(steps["refined"][..., count + 1 :] == 0)


def test_a_tagged_class_that_the_crf_swallows_falls_back_to_its_own_pixels(networks, photo):
    strong = DenseCRF(spatial_weight=50, bilateral_weight=50)
    maker = MaskMaker(
        *networks, kind="multi_class", crf=strong, background="constant", background_score=1.0
    )
    steps = maker.intermediates(photo, TAGS)
    assert not np.argmax(steps["refined"], axis=-1).any()
    found = set(np.unique(steps["mask"]))
    assert found & {2, 4}
    assert found <= {0, 2, 4}


def test_without_a_crf_nothing_is_refined(networks, photo):
    assert "refined" not in MaskMaker(*networks, kind="multi_class").intermediates(photo, TAGS)


def test_an_unknown_form_is_refused_at_once(networks, crf):
    with pytest.raises(ValueError, match="`unary` must be one of"):
        MaskMaker(*networks, kind="multi_class", crf=crf, unary="exp")

"""The mask function with regions: they reach the CRF with P, and only where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF, unary_energies
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.vgg import activation_network

NUM_TAGS = 3
SIZE = (24, 30)
TAGS = np.array([1, 0, 1], "float32")
COLUMNS = [0, 1, 3]


@pytest.fixture(scope="module")
def networks():
    return activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)


@pytest.fixture
def photo(random_generator):
    return random_generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture
def regions():
    """Halves, and squares of 6 pixels inside them: int32 [2, 24, 30]."""
    y, x = np.indices(SIZE)
    return np.stack([x // 15, y // 6 * 5 + x // 6]).astype(np.int32)


@pytest.fixture
def crf():
    """Tolerant regions that act at once, so that they show."""
    return DenseCRF(
        spatial_weight=1,
        bilateral_weight=1,
        bilateral_sigma=20,
        iterations=3,
        region_weight=3.0,
        region_tolerance=0.5,
        region_start=0.0,
    )


@pytest.mark.parametrize("form", ["log", "softmax"])
@pytest.mark.parametrize("kind", ["foreground", "multi_class"])
def test_refined_is_the_crf_with_regions_and_p_itself(networks, photo, crf, regions, kind, form):
    maker = MaskMaker(*networks, kind=kind, crf=crf, unary=form)
    steps = maker.intermediates(photo, TAGS, regions)
    columns = COLUMNS if kind == "multi_class" else [0, 1]
    before = tf.gather(steps["probabilities"], columns, axis=-1)
    expected = crf(
        tf.constant(photo), unary_energies(before, form=form), regions, region_probabilities=before
    )
    np.testing.assert_allclose(tf.gather(steps["refined"], columns, axis=-1), expected, atol=1e-6)
    without = maker.intermediates(photo, TAGS)
    assert np.abs(steps["refined"] - without["refined"]).max() > 0.01
    np.testing.assert_array_equal(maker(photo, TAGS, regions), steps["mask"])


def test_one_graph_serves_every_size_and_number_of_layers(networks, photo, crf, regions):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    signature = [
        tf.TensorSpec([None, None, 3], tf.uint8),
        tf.TensorSpec([NUM_TAGS], tf.float32),
        tf.TensorSpec([None, None, None], tf.int32),
    ]
    graph = tf.function(maker.intermediates, input_signature=signature)
    for size, layers in ((SIZE, 2), ((13, 17), 1)):
        cut = regions[:layers, : size[0], : size[1]], photo[: size[0], : size[1]]
        refined = graph(cut[1], TAGS, cut[0])["refined"]
        expected = maker.intermediates(cut[1], TAGS, cut[0])["refined"]
        np.testing.assert_allclose(refined, expected, atol=1e-4)


def test_regions_of_a_photo_without_tags_change_nothing(networks, photo, crf, regions):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    np.testing.assert_array_equal(maker(photo, np.zeros(NUM_TAGS), regions), 0)


def test_a_graph_with_regions_can_be_saved(networks, photo, crf, regions, tmp_path):
    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.maker = MaskMaker(*networks, kind="multi_class", crf=crf)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, 3], tf.uint8),
                tf.TensorSpec([NUM_TAGS], tf.float32),
                tf.TensorSpec([None, None, None], tf.int32),
            ]
        )
        def mask(self, photo, tags, regions):
            return self.maker(photo, tags, regions)

    served = Served()
    tf.saved_model.save(served, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    again = loaded.mask(photo, TAGS, regions)
    assert np.mean(again == served.mask(photo, TAGS, regions)) > 0.99


def test_regions_without_a_crf_are_refused(networks, photo, regions):
    maker = MaskMaker(*networks, kind="multi_class")
    with pytest.raises(ValueError, match=r"`regions` must .*shape=\(2, 24, 30\), no CRF"):
        maker(photo, TAGS, regions)


@pytest.mark.parametrize(
    "wrong", [np.zeros(SIZE, np.int32), np.zeros((1, 1, *SIZE), np.int32)], ids=["map", "batch"]
)
def test_regions_of_another_rank_are_refused(networks, photo, crf, wrong):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    with pytest.raises(
        ValueError, match=r"`regions` must have the shape \[layers, height, width\]"
    ):
        maker(photo, TAGS, wrong)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 24, 29), np.int32), np.full((1, *SIZE), -1, np.int32), np.zeros((1, *SIZE))],
    ids=["size", "id", "type"],
)
def test_regions_that_are_no_partition_of_the_photo_are_refused(networks, photo, crf, wrong):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    with pytest.raises(ValueError, match="`regions` must"):
        maker(photo, TAGS, wrong)

"""The steps from a photo to its mask in pictures."""

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.vgg import activation_network
from wsss_tf.regions.pictures import outlines
from wsss_tf.reports.method_sheet import step_pictures
from wsss_tf.reports.sheets import heat, labelled
from wsss_tf.training.crf import CRF_SIDE

NUM_TAGS = 3
TAGS = np.array([1, 0, 1], "float32")


@pytest.fixture(scope="module")
def networks():
    return activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)


@pytest.fixture
def crf():
    return DenseCRF(bilateral_sigma=10, iterations=2)


@pytest.fixture
def photo(random_generator):
    return random_generator.integers(0, 256, (30, 41, 3), dtype=np.uint8)


BEFORE = ["photo", "activations", "CAMs", "fused map"]


@pytest.mark.parametrize(
    ("kind", "with_crf", "titles"),
    [
        ("multi_class", True, [*BEFORE, "CRF", "mask"]),
        ("multi_class", False, [*BEFORE, "mask"]),
        ("foreground", True, ["photo", "activations", "fused map", "CRF", "mask"]),
    ],
)
def test_every_step_has_its_picture(networks, crf, photo, kind, with_crf, titles):
    maker = MaskMaker(*networks, kind=kind, crf=crf if with_crf else None)
    pictures = step_pictures(maker, photo, TAGS)
    assert list(pictures) == titles
    assert {(p.shape, p.dtype) for p in pictures.values()} == {(photo.shape, np.dtype("uint8"))}
    np.testing.assert_array_equal(pictures["photo"], photo)
    np.testing.assert_array_equal(pictures["mask"], labelled(photo, maker(photo, TAGS).numpy()))


def test_the_picture_of_the_crf_is_its_own_result(networks, crf, photo):
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    pictures = step_pictures(maker, photo, TAGS)
    refined = maker.intermediates(photo, TAGS)["refined"].numpy()
    np.testing.assert_array_equal(pictures["CRF"], heat(photo, 1.0 - refined[..., 0]))
    assert np.any(pictures["CRF"] != pictures["fused map"])


def test_regions_are_drawn_and_used(networks, photo):
    whole = np.zeros((1, *photo.shape[:2]), np.int32)
    asked = []

    def regions(pixels, size):
        asked.append((pixels.shape, size))
        return whole

    crf = DenseCRF(bilateral_sigma=10, iterations=2, region_start=0.0, region_tolerance=0.5)
    maker = MaskMaker(*networks, kind="multi_class", crf=crf)
    pictures = step_pictures(maker, photo, TAGS, regions)
    assert list(pictures) == [*BEFORE, "regions", "CRF", "mask"]
    assert asked == [(photo.shape, photo.shape[:2])]
    np.testing.assert_array_equal(pictures["regions"], outlines(photo, whole))
    refined = maker.intermediates(photo, TAGS, whole)["refined"].numpy()
    np.testing.assert_array_equal(pictures["CRF"], heat(photo, 1.0 - refined[..., 0]))
    assert np.any(pictures["CRF"] != step_pictures(maker, photo, TAGS)["CRF"])


def test_regions_of_a_large_photo_are_found_on_the_whole_of_it(networks, crf):
    photo = np.zeros((20, CRF_SIDE + 400, 3), np.uint8)
    asked = []

    def regions(pixels, size):
        asked.append((pixels.shape[:2], size))
        return np.zeros((1, *size), np.int32)

    pictures = step_pictures(
        MaskMaker(networks[0], kind="foreground", crf=crf), photo, TAGS, regions
    )
    assert asked == [(photo.shape[:2], pictures["regions"].shape[:2])]


def test_a_mask_is_computed_once(networks, photo):
    calls = []

    def counted(seen, training):
        calls.append(seen)
        return networks[0](seen, training=training)

    step_pictures(MaskMaker(counted, networks[1], kind="multi_class"), photo, TAGS)
    assert len(calls) == 1


def test_a_large_photo_is_shown_as_the_stage_sees_it(networks, crf):
    stripe = np.zeros((20, CRF_SIDE + 400, 3), np.uint8)
    stripe[:, ::2] = 100
    pictures = step_pictures(MaskMaker(networks[0], kind="foreground", crf=crf), stripe, TAGS)
    assert {picture.shape[1] for picture in pictures.values()} == {CRF_SIDE}
    assert tf.reduce_max(pictures["photo"]) < 100

"""What is measured on one photo's steps, against loops over its pixels."""

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.masks import MaskMaker
from wsss_tf.reports.mask_measures import (
    MEASURES,
    core_lost,
    inside_cams,
    iou,
    label_change,
    step_measures,
)

SIZES = [(1, 1), (1, 5), (7, 9)]


def iou_by_loops(one, other):
    both = either = 0
    for a, b in zip(one.ravel(), other.ravel(), strict=True):
        both += bool(a and b)
        either += bool(a or b)
    return both / either if either else None


def change_by_loops(before, after):
    pixels = list(zip(before.ravel().tolist(), after.ravel().tolist(), strict=True))
    had = [pair for pair in pixels if pair[0] != 0]
    has = [pair for pair in pixels if pair[1] != 0]
    return {
        "changed": sum(a != b for a, b in pixels) / len(pixels),
        "removed": sum(b == 0 for _, b in had) / len(had) if had else None,
        "added": sum(a == 0 for a, _ in has) / len(has) if has else None,
    }


def core_lost_by_loops(probabilities, after):
    """Float64; a class's pixels sorted by its probability, the last quarter of them."""
    height, width, labels = probabilities.shape
    found = {}
    for label in range(1, labels):
        own = []
        for y in range(height):
            for x in range(width):
                scores = probabilities[y, x].astype(np.float64).tolist()
                if scores.index(max(scores)) == label:
                    own.append((scores[label], after[y, x] != label))
        if own:
            ranked = sorted(score for score, _ in own)
            place = 0.75 * (len(ranked) - 1)
            low, part = int(place), place - int(place)
            high = ranked[min(low + 1, len(ranked) - 1)]
            limit = ranked[low] + part * (high - ranked[low])
            core = [gone for score, gone in own if score >= limit]
            found[label] = sum(core) / len(core)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_iou_is_that_of_the_loops(size, random_generator):
    one, other = random_generator.random((2, *size)) < 0.4
    assert iou(one, other) == iou_by_loops(one, other)


def test_two_empty_sets_have_no_iou_and_one_has_0():
    empty, full = np.zeros((2, 3), bool), np.ones((2, 3), bool)
    assert iou(empty, empty) is None
    assert iou(empty, full) == 0.0
    assert iou(full, full) == 1.0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("labels", [1, 2, 4])
def test_a_change_is_that_of_the_loops(size, labels, random_generator):
    before, after = random_generator.integers(0, labels, (2, *size))
    assert label_change(before, after) == pytest.approx(change_by_loops(before, after))


def test_a_swallowed_object_and_one_out_of_nothing():
    thing, nothing = np.array([[0, 2, 2, 0]]), np.zeros((1, 4), int)
    assert label_change(thing, nothing) == {"changed": 0.5, "removed": 1.0, "added": None}
    assert label_change(nothing, thing) == {"changed": 0.5, "removed": None, "added": 1.0}


def test_a_class_that_becomes_another_is_changed_and_not_removed():
    found = label_change(np.array([[1, 1]]), np.array([[1, 2]]))
    assert found == {"changed": 0.5, "removed": 0.0, "added": 0.0}


@pytest.mark.parametrize("size", SIZES)
def test_a_core_is_that_of_the_loops(size, random_generator):
    probabilities = random_generator.dirichlet(np.ones(4), size)
    after = random_generator.integers(0, 4, size)
    expected = core_lost_by_loops(probabilities, after)
    assert core_lost(probabilities, after) == pytest.approx(expected)


def test_trimming_leaves_the_core_and_swallowing_takes_it():
    share = np.array([[0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.9, 0.9]])
    probabilities = np.stack([1 - share, share], axis=-1)
    assert core_lost(probabilities, np.array([[0, 0, 0, 0, 0, 0, 1, 1]])) == {1: 0.0}
    assert core_lost(probabilities, np.array([[1, 1, 1, 1, 1, 1, 0, 1]])) == {1: 0.5}
    assert core_lost(probabilities, np.zeros((1, 8), int)) == {1: 1.0}
    assert core_lost(probabilities[:, :, ::-1], np.zeros((1, 8), int)) == {}


def test_inside_is_the_union_over_the_tags_of_what_is_above_the_threshold():
    cams = np.zeros((2, 2, 3), np.float32)
    cams[..., 0] = [[10, 1], [3, -5]]  # Scaled: 1, 0.1, 0.3, 0.
    cams[..., 1] = [[0, 0], [0, 0.5]]  # 0, 0, 0, 1.
    cams[..., 2] = 7  # No tag.
    for tags, expected in (
        ([1, 0, 0], [[1, 0], [1, 0]]),
        ([1, 1, 0], [[1, 0], [1, 1]]),
        ([0, 0, 0], [[0, 0], [0, 0]]),
    ):
        found = inside_cams(cams, np.array(tags), (2, 2), cam_threshold=0.2)
        np.testing.assert_array_equal(found, np.array(expected, bool))


def steps_of(size=(2, 2), **changes):
    """One tag of two, label 1 at the left, and CAM and foreground map there too."""
    left = np.zeros(size, np.float32)
    left[:, 0] = 1.0
    share = 0.2 + 0.6 * left
    probabilities = np.stack([1 - share, share, np.zeros(size)], axis=-1)
    steps = {
        "foreground": left,
        "cams": np.stack([left, 1 - left], axis=-1),
        "probabilities": probabilities,
    }
    return {name: tf.constant(array) for name, array in {**steps, **changes}.items()}


def test_measures_of_a_photo_with_known_ones():
    found = step_measures(steps_of(), np.array([1, 0]), cam_threshold=0.2)
    assert tuple(found) == MEASURES
    assert found["agreement"] == 1.0
    assert found["fallback"] == []
    assert [found[name] for name in ("changed", "removed", "added", "core_lost")] == [None] * 4
    found = step_measures(steps_of(), np.array([1, 1]), cam_threshold=0.2)
    assert (found["agreement"], found["fallback"]) == (0.5, [2])


def test_a_crf_that_swallows_the_object():
    background = np.zeros((2, 2, 3))
    background[..., 0] = 1.0
    found = step_measures(steps_of(refined=background), np.array([1, 0]), cam_threshold=0.2)
    assert found == {
        "agreement": 1.0,
        "fallback": [1],
        "changed": 0.5,
        "removed": 1.0,
        "added": None,
        "core_lost": {1: 1.0},
    }


def test_foreground_masks_have_no_cam_to_agree_with():
    steps = steps_of()
    del steps["cams"]
    found = step_measures(steps, np.array([1, 0]), cam_threshold=0.2)
    assert (found["agreement"], found["fallback"]) == (None, None)


@pytest.mark.parametrize("kind", ["multi_class", "foreground"])
def test_a_photo_of_one_pixel(kind):
    def constant(photo, training):
        return tf.ones((1, 1, 1, 4))

    def cams(photo, training):
        return {"cams": tf.ones((1, 1, 1, 2))}

    maker = MaskMaker(constant, cams, kind=kind)
    tags = np.array([1, 0], np.float32)
    steps = maker.intermediates(np.zeros((1, 1, 3), np.uint8), tags)
    found = step_measures(steps, tags, cam_threshold=0.2)
    assert found["agreement"] == (0.0 if kind == "multi_class" else None)
    assert found["changed"] is None

"""Bands along the outlines of the truth, against a walk over every pixel's surroundings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wsss_tf.metrics import ConfusionMatrix, Trimap
from wsss_tf.metrics.trimap import outline_distance


def distance_by_loops(labels, widest):
    height, width = labels.shape
    distance = np.full(labels.shape, widest + 1)
    for y in range(height):
        for x in range(width):
            for step in range(widest, 0, -1):
                around = labels[
                    max(0, y - step) : y + step + 1, max(0, x - step) : x + step + 1
                ].ravel()
                if any(other != labels[y, x] for other in around.tolist()):
                    distance[y, x] = step
    return distance


def blobs(generator, shape, classes):
    """Labels in blocks of about 5 pixels, some of them 255."""
    coarse = generator.integers(0, classes, (shape[0] // 5 + 1, shape[1] // 5 + 1))
    coarse[generator.random(coarse.shape) < 0.2] = 255
    return coarse.repeat(5, 0).repeat(5, 1)[: shape[0], : shape[1]].astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (23, 31)])
@pytest.mark.parametrize("widest", [1, 3, 9])
def test_distances_match_loops(random_generator, shape, widest):
    labels = blobs(random_generator, shape, 2)
    found = outline_distance(labels, widest=widest)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, distance_by_loops(labels, widest))


def test_every_band_matches_loops(random_generator):
    widest, trimap = 7, Trimap(4, widest=7)
    confusions = [ConfusionMatrix(4) for _ in range(widest)]
    for shape in ((23, 31), (9, 40)):
        truth = blobs(random_generator, shape, 3)
        prediction = random_generator.integers(0, 3, shape)
        trimap.update(truth, prediction)
        distance = distance_by_loops(truth, widest)
        for width, confusion in enumerate(confusions, start=1):
            inside = distance <= width
            confusion.update(truth[inside], prediction[inside])
    expected = np.array([confusion.counts for confusion in confusions])
    np.testing.assert_array_equal(np.cumsum(trimap.counts, axis=0), expected)
    assert trimap.counts.dtype == np.int64
    accuracy = [confusion.pixel_accuracy() for confusion in confusions]
    np.testing.assert_allclose(trimap.pixel_accuracy(), accuracy, rtol=1e-12)
    miou = [confusion.miou() for confusion in confusions]
    np.testing.assert_allclose(trimap.miou(), miou, rtol=1e-12)


def test_a_straight_outline_by_hand():
    truth = np.repeat([[0, 0, 0, 1, 1, 1]], 2, axis=0)
    trimap = Trimap(2, widest=3)
    trimap.update(truth, np.repeat([[0, 0, 1, 1, 1, 0]], 2, axis=0))
    np.testing.assert_allclose(trimap.pixel_accuracy(), [1 / 2, 3 / 4, 4 / 6])
    np.testing.assert_allclose(trimap.miou(), [1 / 4, (1 / 2 + 2 / 3) / 2, 1 / 2])


def test_void_makes_outlines_and_is_never_scored():
    # An object within a void ring: the outline with void is the object's own.
    truth = np.array([[0, 0, 255, 1, 255, 0, 0]])
    trimap = Trimap(2, widest=1)
    trimap.update(truth, np.array([[0, 0, 1, 1, 1, 1, 0]]))
    np.testing.assert_array_equal(trimap.counts, [[[1, 1], [0, 1]]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("shape", [(1, 1), (4, 5), (0, 3)])
def test_without_an_outline_there_is_no_band(value, shape):
    trimap = Trimap(2)
    trimap.update(np.full(shape, value), np.zeros(shape, int))
    assert not trimap.counts.any()
    assert trimap.pixel_accuracy().shape == trimap.miou().shape == (40,)
    assert all(math.isnan(value) for value in (*trimap.pixel_accuracy(), *trimap.miou()))


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), "the shape of `truth`"),
        (np.zeros(4, int), np.zeros(4, int), r"shape \[height, width\]"),
        (np.array([[0, 1]]), np.array([[0, 2]]), "`prediction` must hold class ids below 2"),
        (np.array([[0, 2]]), np.array([[0, 1]]), "`truth` must hold class ids below 2, or 255"),
        (np.array([[0, 1]]), np.array([[0.0, 1.0]]), "`prediction` must hold integer"),
    ],
)
def test_wrong_labels_count_nothing(truth, prediction, message):
    trimap = Trimap(2)
    with pytest.raises(ValueError, match=message):
        trimap.update(truth, prediction)
    assert not trimap.counts.any()


@pytest.mark.parametrize("widest", [0, 255])
def test_the_widest_band_must_fit(widest):
    with pytest.raises(ValueError, match=r"`widest` must be in 1\.\.254"):
        Trimap(2, widest=widest)

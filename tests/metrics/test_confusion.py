"""The confusion matrix against one pixel at a time."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from wsss_tf.metrics import ConfusionMatrix


def count_by_loops(truth, prediction, num_classes):
    counts = [[0] * num_classes for _ in range(num_classes)]
    for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if t != 255:
            counts[t][p] += 1
    return np.array(counts)


def iou_by_loops(counts):
    values = []
    for k in range(len(counts)):
        union = sum(counts[k]) + sum(row[k] for row in counts) - counts[k][k]
        values.append(counts[k][k] / union if union else math.nan)
    return np.array(values)


@pytest.mark.parametrize("num_classes", [1, 2, 21, 255])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (7, 9), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_counts_match_loops(random_generator, num_classes, shape, dtype):
    truth = random_generator.integers(0, num_classes, shape).astype(dtype)
    truth[random_generator.random(shape) < 0.2] = 255
    prediction = random_generator.integers(0, num_classes, shape).astype(dtype)
    matrix = ConfusionMatrix(num_classes)
    matrix.update(truth, prediction)
    expected = count_by_loops(truth, prediction, num_classes)
    np.testing.assert_array_equal(matrix.counts, expected)
    assert matrix.counts.dtype == np.int64
    np.testing.assert_allclose(matrix.iou(), iou_by_loops(expected.tolist()), rtol=1e-12)


def test_measures_by_hand():
    matrix = ConfusionMatrix(4)
    matrix.update(
        np.array([[0, 0, 0, 1, 1, 255]], np.uint8), np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
    )
    # Class 2 is predicted once and never true, class 3 neither.
    np.testing.assert_allclose(matrix.iou(), [2 / 3, 1 / 3, 0, math.nan])
    assert matrix.miou() == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert matrix.pixel_accuracy() == pytest.approx(3 / 5)
    np.testing.assert_allclose(matrix.class_accuracy(), [2 / 3, 1 / 2, math.nan, math.nan])
    assert matrix.mean_class_accuracy() == pytest.approx((2 / 3 + 1 / 2) / 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truth", [[], [255, 255]])
def test_without_pixels_every_measure_is_nan_without_a_warning(truth):
    matrix = ConfusionMatrix(3)
    matrix.update(np.array(truth, np.uint8), np.zeros(len(truth), np.uint8))
    assert np.isnan(matrix.iou()).all()
    measures = (matrix.miou(), matrix.pixel_accuracy(), matrix.mean_class_accuracy())
    assert all(math.isnan(value) for value in measures)


def test_photos_add_up_and_matrices_merge(random_generator):
    truth, prediction = random_generator.integers(0, 5, (2, 6, 4, 4)).astype(np.uint8)
    whole, first, second = (ConfusionMatrix(5) for _ in range(3))
    whole.update(truth, prediction)
    for index in range(6):
        (first if index < 2 else second).update(truth[index], prediction[index])
    same = first
    first += second
    assert first is same
    np.testing.assert_array_equal(first.counts, whole.counts)
    with pytest.raises(ValueError, match="same classes"):
        first.merge(ConfusionMatrix(4))


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), "the shape of `truth`"),
        (np.zeros((2, 2), np.float32), np.zeros((2, 2), np.uint8), "`truth` must hold integer"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), bool), "`prediction` must hold integer"),
        (np.array([3], np.uint8), np.array([0], np.uint8), "`truth` must hold class ids below 3"),
        (np.array([254], np.uint8), np.array([0], np.uint8), "Received: 254"),
        (np.array([0], np.uint8), np.array([3], np.uint8), "`prediction` must hold class ids"),
        (np.array([255], np.uint8), np.array([255], np.uint8), "`prediction` must hold class ids"),
        (np.array([0], np.int16), np.array([-1], np.int16), "ids in 0..255"),
        (np.array([256], np.int16), np.array([0], np.int16), "ids in 0..255"),
    ],
)
def test_wrong_labels_are_named_and_count_nothing(truth, prediction, message):
    matrix = ConfusionMatrix(3)
    with pytest.raises(ValueError, match=message):
        matrix.update(truth, prediction)
    assert not matrix.counts.any()


@pytest.mark.parametrize("num_classes", [0, 256])
def test_number_of_classes_must_fit_uint8(num_classes):
    with pytest.raises(ValueError, match=r"`num_classes` must be in 1\.\.255"):
        ConfusionMatrix(num_classes)


def test_a_voc_photo_takes_milliseconds(random_generator):
    truth, prediction = random_generator.integers(0, 21, (2, 375, 500)).astype(np.uint8)
    matrix, seconds = ConfusionMatrix(21), []
    for _ in range(10):
        start = time.perf_counter()
        matrix.update(truth, prediction)
        seconds.append(time.perf_counter() - start)
    # About 1 ms on one core; the margin is for a busy machine. Loops take 50 ms.
    assert min(seconds) < 0.02

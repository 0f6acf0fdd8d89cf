"""Reducing and enlarging on the serving side, against slow loops and against training's own."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.images import enlarged
from wsss_tf.serving import resizing


def reduced_by_loops(photo, side):
    """Float64, one pixel at a time: the four pixels around each point, centres at half-integers."""
    height, width = resizing.size_within(photo.shape[:2], side)
    result = np.empty((height, width, 3))
    for row in range(height):
        for column in range(width):
            y = max((row + 0.5) * photo.shape[0] / height - 0.5, 0.0)
            x = max((column + 0.5) * photo.shape[1] / width - 0.5, 0.0)
            top, left = int(y), int(x)
            below, right = min(top + 1, photo.shape[0] - 1), min(left + 1, photo.shape[1] - 1)
            a, b = y - top, x - left
            upper = (1 - b) * photo[top, left] + b * photo[top, right]
            lower = (1 - b) * photo[below, left] + b * photo[below, right]
            result[row, column] = (1 - a) * upper + a * lower
    return result


@pytest.mark.parametrize("size", [(40, 30), (31, 97), (1, 50), (17, 17)])
@pytest.mark.parametrize("side", [16, 7, 1])
def test_photos_are_reduced_as_by_loops(tiny, size, side):
    photo = tiny.noise(*size)
    found = resizing.reduced(photo, side)
    assert found.dtype == np.uint8
    # Half a level of rounding, and what float32 makes of a half.
    assert np.abs(found - reduced_by_loops(photo, side)).max() <= 0.501


@pytest.mark.parametrize("function", [resizing.reduced, resizing.averaged])
def test_a_photo_that_is_small_enough_is_untouched(tiny, function):
    photo = tiny.noise(12, 16)
    assert function(photo, 16) is photo


def test_extreme_values_stay(tiny):
    photo = np.full((50, 40, 3), 255, np.uint8)
    assert resizing.reduced(photo, 13).min() == 255
    assert resizing.averaged(photo, 13).min() == 255


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((500, 375), 1024, (500, 375)),
        ((3000, 4000), 1024, (768, 1024)),
        ((1, 10_000), 100, (1, 100)),
        ((5, 3), 2, (2, 1)),
    ],
)
def test_sizes(size, side, expected):
    assert resizing.size_within(size, side) == expected


def test_labels_are_those_of_all_probabilities_enlarged(random_generator):
    probabilities = random_generator.dirichlet(np.ones(4), (13, 9)).astype(np.float32)
    for size in ((13, 9), (40, 31), (26, 18)):
        expected = resizing.resized(probabilities, size).argmax(axis=-1)
        np.testing.assert_array_equal(resizing.labels_at(probabilities, size), expected)


def test_the_first_of_equal_classes_wins():
    assert resizing.labels_at(np.full((2, 2, 3), 1 / 3, np.float32), (5, 5)).max() == 0


def test_beyond_the_grid_labels_are_enlarged(monkeypatch, random_generator):
    monkeypatch.setattr(resizing, "GRID_SIDE", 24)
    probabilities = random_generator.dirichlet(np.ones(3), (8, 6)).astype(np.float32)
    expected = enlarged(resizing.labels_at(probabilities, (24, 18)), (80, 60))
    np.testing.assert_array_equal(resizing.labels_at(probabilities, (80, 60)), expected)


@pytest.mark.slow
def test_it_is_the_resizing_of_training(tiny):
    tf = pytest.importorskip("tensorflow")
    from wsss_tf.priors import resize, size_within
    from wsss_tf.training.crf import photo_within
    from wsss_tf.training.predict import GRID_SIDE

    assert resizing.GRID_SIDE == GRID_SIDE
    generator = np.random.default_rng(0)
    for _ in range(6):
        size = tuple(int(n) for n in generator.integers(1, 90, 2))
        side = int(generator.integers(1, 60))
        ours = resizing.size_within(size, side)
        assert ours == tuple(size_within(size, side).numpy())
        photo = tiny.noise(*size)
        theirs = resize(tf.cast(photo, tf.float32)[None], ours)[0].numpy()
        if max(size) > side:
            assert np.abs(resizing.reduced(photo, side) - theirs).max() <= 0.501
        averaged = photo_within(photo, side).numpy().astype(int)
        # The two sum in another order, and a half may be rounded either way.
        assert np.abs(resizing.averaged(photo, side) - averaged).max() <= 1
        scores = generator.normal(0, 3, (*size, 3)).astype(np.float32)
        larger = (size[0] * 2 + 1, size[1] * 3)
        # As the graph has it: scores are resized, and become probabilities afterwards.
        expected = tf.nn.softmax(resize(scores[None], larger)[0]).numpy()
        found = resizing.resized(tf.nn.softmax(scores).numpy(), larger)
        np.testing.assert_allclose(found, expected, atol=5e-5)

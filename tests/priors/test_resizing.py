"""Bilinear resizing against loops, and the size at which a network looks."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.priors import resize, size_within


def resize_by_loops(maps, size):
    """Bilinear with pixel centres at half-integers and the border repeated."""
    batch, height, width, channels = maps.shape
    result = np.zeros((batch, *size, channels))
    for y in range(size[0]):
        for x in range(size[1]):
            v = min(max((y + 0.5) * height / size[0] - 0.5, 0), height - 1)
            u = min(max((x + 0.5) * width / size[1] - 0.5, 0), width - 1)
            top, left = math.floor(v), math.floor(u)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = (1 - u + left) * maps[:, top, left] + (u - left) * maps[:, top, right]
            lower = (1 - u + left) * maps[:, bottom, left] + (u - left) * maps[:, bottom, right]
            result[:, y, x] = (1 - v + top) * upper + (v - top) * lower
    return result


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (7, 11), (12, 2)])
def test_resize_matches_loops(random_generator, size):
    maps = random_generator.random((2, 3, 4, 2)).astype("float32")
    np.testing.assert_allclose(resize(maps, size), resize_by_loops(maps, size), atol=1e-6)
    other = keras.ops.image.resize(maps, size, data_format="channels_last")
    np.testing.assert_allclose(resize(maps, size), other, atol=1e-6)


def test_resize_to_a_size_known_at_run_time(random_generator):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 2], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def dynamic(maps, size):
        return resize(maps, size)

    maps = random_generator.random((1, 3, 4, 2)).astype("float32")
    np.testing.assert_allclose(dynamic(maps, [5, 6]), resize_by_loops(maps, (5, 6)), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((375, 500), 321, (241, 321)),
        ((500, 375), 250, (250, 188)),  # 187.5 rounds up.
        ((375, 500), 500, (375, 500)),
        ((30, 20), 321, (30, 20)),
        ((1, 1000), 10, (1, 10)),
        ((1, 1), 1, (1, 1)),
        ((20000, 20000), 1024, (1024, 1024)),
    ],
)
def test_size_within_reduces_the_longer_side(size, side, expected):
    assert tuple(size_within(size, side).numpy()) == expected


def test_size_within_needs_a_side():
    with pytest.raises(ValueError, match="`side` must be at least 1"):
        size_within((3, 4), 0)

"""Foreground probability against loops, and on flat and extreme activations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.priors import foreground_probability
from wsss_tf.priors.foreground import SCALINGS

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def means_by_loops(block):
    """Channel means of one photo, {(i, j): float}."""
    rows, columns, channels = block.shape
    return {
        (i, j): math.fsum(map(float, block[i, j])) / channels
        for i in range(rows)
        for j in range(columns)
    }


def standardised_by_loops(values):
    mean = math.fsum(values.values()) / len(values)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values.values()) / len(values))
    return {pixel: (value - mean) / deviation for pixel, value in values.items()}


def foreground_by_loops(blocks, scaling):
    """Blocks at the size of the photo already; float64."""
    batch, height, width, _ = blocks[0].shape
    result = np.zeros((batch, height, width))
    for b in range(batch):
        maps = [means_by_loops(block[b]) for block in blocks]
        if scaling == "balanced":
            maps = [standardised_by_loops(values) for values in maps]
        s = {pixel: sum(values[pixel] for values in maps) for pixel in maps[0]}
        low, high, standard = min(s.values()), max(s.values()), standardised_by_loops(s)
        for pixel, value in s.items():
            if scaling == "min_max":
                result[(b, *pixel)] = (value - low) / (high - low)
            else:
                result[(b, *pixel)] = 1 / (1 + math.exp(-2 * standard[pixel]))
    return result


@WRAPS
@pytest.mark.parametrize("scaling", SCALINGS)
def test_foreground_matches_loops(random_generator, scaling, wrap):
    blocks = [random_generator.random((2, 4, 5, c)).astype("float32") * 9 for c in (3, 7)]
    foreground = wrap(foreground_probability)(blocks, (4, 5), scaling=scaling)
    np.testing.assert_allclose(foreground, foreground_by_loops(blocks, scaling), atol=1e-5)


def test_blocks_are_resized_then_summed_as_they_are():
    # Block 5 is 100 times stronger: it decides, for the paper scales the sum only.
    weak = np.array([[1.0, 0.0], [0.0, 0.0]], "float32").reshape(1, 2, 2, 1)
    strong = np.full((1, 1, 1, 4), 100.0, "float32")
    foreground = foreground_probability([weak, strong], (2, 2))
    np.testing.assert_allclose(foreground[0], [[1, 0], [0, 0]], atol=1e-5)


def test_balanced_blocks_weigh_alike():
    weak = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)
    strong = 1000.0 * weak[:, :, ::-1]
    foreground = foreground_probability([weak, strong], (2, 3), scaling="balanced")
    np.testing.assert_allclose(foreground, foreground[..., ::-1], atol=1e-5)


@WRAPS
@pytest.mark.parametrize(
    ("scaling", "expected"), [("min_max", 0.0), ("centred", 0.5), ("balanced", 0.5)]
)
@pytest.mark.parametrize("value", [0.0, 1e-30, 0.1, 1e30])
@pytest.mark.parametrize("size", [(1, 1), (7, 9)])
def test_a_flat_map_is_no_division_by_zero(scaling, expected, value, size, wrap):
    blocks = [np.full((1, 3, 2, 4), value, "float32"), np.full((1, 2, 2, 4), value, "float32")]
    foreground = wrap(foreground_probability)(blocks, size, scaling=scaling)
    np.testing.assert_array_equal(foreground, np.full((1, *size), expected))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_photos_of_a_batch_do_not_mix(random_generator, scaling):
    block = random_generator.random((2, 3, 3, 4)).astype("float32") * [[[[1.0]]], [[[50.0]]]]
    both = foreground_probability([block], (6, 6), scaling=scaling)
    alone = foreground_probability([block[1:]], (6, 6), scaling=scaling)
    np.testing.assert_allclose(both[1:], alone, atol=1e-6)


def test_half_precision_activations_are_averaged_in_float32():
    block = np.full((1, 1, 2, 512), 300.0, "float16")  # Their sum is beyond float16.
    block[0, 0, 1] = 600.0
    np.testing.assert_array_equal(foreground_probability([block], (1, 2)), [[[0, 1]]])


def test_messages_name_the_argument():
    with pytest.raises(ValueError, match="`activations` must hold at least one block"):
        foreground_probability([], (2, 2))
    with pytest.raises(ValueError, match="`scaling` must be one of min_max, centred"):
        foreground_probability([np.ones((1, 1, 1, 1), "float32")], (2, 2), scaling="softmax")

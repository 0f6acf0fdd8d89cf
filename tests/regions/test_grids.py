"""Grids: labels and values in another grid, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.regions.features import block_mean
from wsss_tf.regions.grids import bilinear, nearest


def nearest_by_loops(labels, size):
    """Fractions of whole numbers, floored: the pixel that each centre lies in."""
    height, width = labels.shape
    result = np.zeros(size, labels.dtype)
    for row in range(size[0]):
        for column in range(size[1]):
            # (row + 1/2) / new * old, floored.
            up = ((2 * row + 1) * height) // (2 * size[0])
            left = ((2 * column + 1) * width) // (2 * size[1])
            result[row, column] = labels[up, left]
    return result


def bilinear_by_loops(image, size, block):
    """Float64: weights of the block centres (k + 1/2) block around the centre of each pixel."""

    def weights(position, count):
        centres = [(k + 0.5) * block for k in range(count)]
        if position <= centres[0]:
            return {0: 1.0}
        if position >= centres[-1]:
            return {count - 1: 1.0}
        first = max(k for k in range(count) if centres[k] <= position)
        share = (position - centres[first]) / block
        return {first: 1.0 - share, first + 1: share}

    result = np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            for up, one in weights(row + 0.5, image.shape[0]).items():
                for left, other in weights(column + 0.5, image.shape[1]).items():
                    result[row, column] += one * other * float(image[up, left])
    return result


@pytest.mark.parametrize("size", [(1, 1), (4, 5), (7, 9), (8, 10), (3, 2), (13, 1)])
def test_nearest_matches_loops(random_generator, size):
    labels = random_generator.integers(0, 100, (4, 5)).astype(np.int32)
    found = nearest(labels, size)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, nearest_by_loops(labels, size))


def test_nearest_takes_stacks_of_any_type(random_generator):
    stack = random_generator.random((2, 3, 4, 5)) > 0.5
    found = nearest(stack, (6, 7))
    assert found.dtype == bool
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found[1, 2], nearest_by_loops(stack[1, 2], (6, 7)))


def test_nearest_to_a_whole_multiple_repeats(random_generator):
    labels = random_generator.integers(0, 9, (3, 4))
    expected = labels.repeat(3, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(nearest(labels, (9, 8)), expected)


@pytest.mark.parametrize("size", [(0, 3), (3, 0), (-1, 2)])
def test_nearest_refuses_empty_sizes(size):
    with pytest.raises(ValueError, match="`size` must be"):
        nearest(np.zeros((2, 2), np.int32), size)


@pytest.mark.parametrize(
    ("shape", "size", "block"),
    [((4, 5), (8, 10), 2.0), ((4, 5), (7, 9), 2.0), ((3, 4), (5, 6), 1.5), ((1, 1), (3, 4), 4.0)],
)
def test_bilinear_matches_loops(random_generator, shape, size, block):
    image = random_generator.random(shape).astype(np.float32)
    found = bilinear(image, size, block=block)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, bilinear_by_loops(image, size, block), atol=1e-6)


def test_bilinear_at_a_block_of_one_changes_nothing(random_generator):
    image = random_generator.random((2, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(bilinear(image, (5, 6), block=1), image)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_bilinear_puts_a_ramp_of_block_means_back(scale):
    """Off by half a pixel, this would not hold."""
    ramp = np.add.outer(3.0 * np.arange(12), np.arange(18)).astype(np.float32)
    means = block_mean(ramp[..., None], scale)[..., 0]
    back = bilinear(means, ramp.shape, block=scale)
    inside = (slice(scale, -scale), slice(scale, -scale))
    np.testing.assert_allclose(back[inside], ramp[inside], atol=1e-4)

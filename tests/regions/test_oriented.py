"""Oriented strengths: against loops, and on ramps and steps whose direction is known."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from wsss_tf.regions.oriented import ORIENTATIONS, boundary_energy, spectral_strength

ANGLES = [index * np.pi / 8 for index in range(8)]
SPECTRAL, COLOUR = 0.37, 18.7
REACH = np.arange(-3, 4)
SMOOTH = np.exp(-0.5 * REACH**2) / np.exp(-0.5 * REACH**2).sum()
CHANGE = REACH * SMOOTH / np.abs(REACH * SMOOTH).sum()
# What the filter makes of a ramp that rises by 1 a pixel.
SLOPE = float((CHANGE * REACH).sum())


def gradient_by_loops(image):
    """(to the right, down) in float64; the border mirrors the image."""
    wide = np.pad(image.astype(np.float64), 3, mode="symmetric")
    right, down = np.zeros(image.shape), np.zeros(image.shape)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            for i in range(7):
                for j in range(7):
                    value = wide[row + i, column + j]
                    right[row, column] += SMOOTH[i] * CHANGE[j] * value
                    down[row, column] += CHANGE[i] * SMOOTH[j] * value
    return right, down


def kept_by_loops(shape):
    """What the fading near the border leaves of each orientation."""
    height, width = shape
    reach = max(np.ceil(0.03 * height), 1.0)
    kept = np.zeros((8, height, width))
    for index, angle in enumerate(ANGLES):
        for row in range(height):
            for column in range(width):
                sides = min(row, height - 1 - row), min(column, width - 1 - column)
                rows, columns = (1.0 - min((side / reach) ** 2, 1.0) for side in sides)
                faded = abs(np.cos(angle)) * columns + abs(np.sin(angle)) * rows
                kept[index, row, column] = min(max(1.0 - faded, 0.0), 1.0)
    return kept


def spectral_by_loops(values, vectors):
    result = np.zeros((8, *vectors.shape[1:]))
    for value, vector in zip(values, vectors, strict=True):
        if np.ptp(vector):
            right, down = gradient_by_loops(vector / np.ptp(vector.astype(np.float64)))
            for index, angle in enumerate(ANGLES):
                along = np.cos(angle) * right + np.sin(angle) * down
                result[index] += np.abs(along) / np.sqrt(value) / len(values)
    return result / SPECTRAL * kept_by_loops(vectors.shape[1:])


def ramp(angle, shape):
    """Rises by 1 a pixel along `angle`, from the right towards down."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (np.cos(angle) * columns + np.sin(angle) * rows).astype(np.float32)


@pytest.mark.parametrize("shape", [(9, 8), (1, 5), (40, 6)])
def test_spectral_strength_matches_loops(random_generator, shape):
    vectors = random_generator.standard_normal((3, *shape)).astype(np.float32)
    vectors[1] = 4.0
    values = np.float32([0.01, 0.02, 0.5])
    found = spectral_strength(values, vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, spectral_by_loops(values, vectors), rtol=1e-4, atol=1e-4)


def test_no_vectors_have_no_strength():
    found = spectral_strength(np.zeros(0, np.float32), np.zeros((0, 4, 5), np.float32))
    assert found.shape == (ORIENTATIONS, 4, 5)
    assert not found.any()


@pytest.mark.parametrize("direction", range(8))
def test_a_ramp_is_strongest_along_itself(direction):
    """Pins which way an orientation points: rows go down, so angles turn from the right down."""
    vector = ramp(ANGLES[direction], (30, 40))
    found = spectral_strength(np.float32([0.04]), vector[None])[:, 8:-8, 8:-8]
    for index, angle in enumerate(ANGLES):
        cosine = abs(np.cos(angle - ANGLES[direction]))
        expected = cosine * SLOPE / np.ptp(vector) / 0.2 / SPECTRAL
        np.testing.assert_allclose(found[index], expected, atol=1e-4)
    assert set(found.argmax(axis=0).ravel()) == {direction}


@pytest.mark.parametrize("direction", range(8))
def test_a_step_of_colour_is_strongest_across_itself(direction):
    distance = ramp(ANGLES[direction], (31, 31)) - ramp(ANGLES[direction], (31, 31))[15, 15]
    colours = np.where(distance[..., None] < 0.0, 0.2, 0.7).astype(np.float32).repeat(3, axis=2)
    energy = boundary_energy([np.ones((8, 31, 31), np.float32)], colours)
    assert energy[:, 15, 15].argmax() == direction
    assert energy[direction][np.abs(distance) < 1.0].min() > 0.0
    assert energy[:, np.abs(distance) > 6.0].max() == 0.0


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_boundary_energy_matches_loops(random_generator, scales):
    spectral = [random_generator.random((8, 7, 6)).astype(np.float32) for _ in range(scales)]
    before = [part.copy() for part in spectral]
    colours = random_generator.random((7, 6, 3)).astype(np.float32)
    found = boundary_energy(spectral, colours)
    squared = np.zeros((8, 7, 6))
    lab = rgb2lab(colours.astype(np.float64))
    for channel in range(3):
        right, down = gradient_by_loops(lab[..., channel])
        for index, angle in enumerate(ANGLES):
            squared[index] += (np.cos(angle) * right + np.sin(angle) * down) ** 2
    mean = np.prod(np.array(spectral, np.float64), axis=0) ** (1.0 / scales)
    expected = np.cbrt(mean**2 * np.sqrt(squared) / COLOUR)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    for part, copy in zip(spectral, before, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_a_constant_colour_has_no_energy():
    colours = np.full((20, 20, 3), np.float32(200 / 255))
    assert not boundary_energy([np.ones((8, 20, 20), np.float32)], colours).any()

"""Thinning: what lies across each orientation, on ridges that are known and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from wsss_tf.regions.oriented import boundary_energy
from wsss_tf.regions.thinning import thinned


def step_across(orientation):
    """(down, right) of the neighbour nearest in angle, the further of two as near."""
    turn = int(np.floor(orientation / 2 + 0.5)) * np.pi / 4
    return round(np.sin(turn)), round(np.cos(turn))


def thinned_by_loops(energy):
    _, height, width = energy.shape
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            values = energy[:, row, column].astype(np.float64)
            down, right = step_across(int(values.argmax()))
            beside = [
                energy[
                    :,
                    min(max(row + sign * down, 0), height - 1),
                    min(max(column + sign * right, 0), width - 1),
                ].max()
                for sign in (-1, 1)
            ]
            if values.max() >= max(beside):
                result[row, column] = values.max() / (1.0 + values.max())
    return result


def distances(orientation, side=41):
    """From the line through the middle that `orientation` is across, in pixels."""
    angle = orientation * np.pi / 8
    rows, columns = np.mgrid[:side, :side] - side // 2
    return np.cos(angle) * columns + np.sin(angle) * rows


@pytest.mark.parametrize("shape", [(8, 9, 7), (8, 1, 6), (8, 1, 1)])
def test_thinned_matches_loops(random_generator, shape):
    energy = random_generator.random(shape).astype(np.float32)
    found = thinned(energy)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, thinned_by_loops(energy), rtol=1e-6)


@pytest.mark.parametrize("orientation", range(8))
def test_a_ridge_of_each_orientation_keeps_its_crest_only(orientation):
    """With a step along the ridge instead of across it, all of its width would stay."""
    distance = distances(orientation)
    energy = np.zeros((8, *distance.shape), np.float32)
    energy[orientation] = np.exp(-0.5 * (distance / 2.0) ** 2)
    found = thinned(energy)
    # The neighbour nearest in angle is off by up to 22.5 degrees and 1.4 pixels away.
    inside = (slice(2, -2), slice(2, -2))
    assert np.abs(distance[inside])[found[inside] > 0.01].max() < 0.8
    assert found[np.abs(distance) < 0.25].min() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("orientation", range(8))
def test_a_step_of_colour_becomes_one_thin_line(orientation):
    """From colours to crests: the orientations of both modules are the same."""
    distance = distances(orientation)
    colours = np.where(distance[..., None] < 0.2, 0.2, 0.7).astype(np.float32).repeat(3, axis=2)
    found = thinned(boundary_energy([np.ones((8, 41, 41), np.float32)], colours))
    inside = found[5:-5, 5:-5] > 0.0
    assert np.abs(distance[5:-5, 5:-5])[inside].max() < 1.5
    # Two pixels where the step lies between them, no more.
    assert 31 <= inside.sum() <= 2 * 31 * 1.09
    assert label(inside, np.ones((3, 3)))[1] == 1


@pytest.mark.filterwarnings("error")
def test_extremes():
    assert not thinned(np.zeros((8, 3, 4), np.float32)).any()
    huge = thinned(np.full((8, 3, 4), 1e30, np.float32))
    np.testing.assert_array_equal(huge, np.ones((3, 4), np.float32))

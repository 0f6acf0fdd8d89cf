"""Features: colour and texture maps against float64 loops."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from wsss_tf.regions.features import block_mean, feature_maps


def block_mean_by_loops(image, scale):
    """Pixels beyond the border are those on it."""
    height, width, channels = image.shape
    means = np.zeros((-(-height // scale), -(-width // scale), channels))
    for row in range(means.shape[0]):
        for column in range(means.shape[1]):
            block = [
                image[min(scale * row + down, height - 1), min(scale * column + right, width - 1)]
                for down in range(scale)
                for right in range(scale)
            ]
            means[row, column] = np.mean(np.array(block, np.float64), axis=0)
    return means


def principal(image):
    """Rotated to the principal axes around the mean, the widest first; signs as they come."""
    pixels = image.reshape(-1, image.shape[-1])
    pixels = pixels - pixels.mean(axis=0)
    _, axes = np.linalg.eigh(pixels.T @ pixels)
    return (pixels @ axes[:, ::-1]).reshape(image.shape)


def root_deviations(image, window):
    """Fourth roots of the variances in windows around each pixel; the border mirrors the image."""
    reach = window // 2
    mirrored = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    result = np.zeros(image.shape)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            around = mirrored[row : row + window, column : column + window]
            result[row, column] = around.reshape(-1, image.shape[-1]).var(axis=0) ** 0.25
    return result


def unit(image):
    return (image - image.min()) / (image.max() - image.min())


def feature_maps_by_loops(photo, scale):
    colours = photo / 255.0
    lab = rgb2lab(block_mean_by_loops(colours, scale))
    texture = block_mean_by_loops(root_deviations(principal(colours), 2 * scale + 1), scale)
    return [principal(unit(part)) for part in (lab, texture)]


@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 9, 3), (7, 8, 2)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_block_mean_matches_loops(random_generator, shape, scale):
    image = random_generator.random(shape).astype(np.float32)
    found = block_mean(image, scale)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, block_mean_by_loops(image, scale), atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_feature_maps_match_loops(random_generator, scale):
    """Up to the signs of the principal axes, which are nobody's to choose."""
    photo = random_generator.integers(0, 256, (20, 23, 3)).astype(np.uint8)
    for found, expected in zip(
        feature_maps(photo, scale), feature_maps_by_loops(photo, scale), strict=True
    ):
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        signs = [
            np.sign(np.corrcoef(found[..., axis].ravel(), expected[..., axis].ravel())[0, 1])
            for axis in range(3)
        ]
        # Float32 colours and axes; the fourth root widens what rounding does.
        np.testing.assert_allclose(found, unit(expected * signs), atol=2e-3)


def test_feature_maps_are_decorrelated_and_in_range(random_generator):
    photo = random_generator.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    photo[:, 25:] //= 3
    for found in feature_maps(photo, 2):
        assert found.min() == 0.0
        assert found.max() == pytest.approx(1.0, abs=1e-6)
        covariance = np.cov(found.reshape(-1, 3).T)
        beside = covariance - np.diag(np.diag(covariance))
        np.testing.assert_allclose(beside, 0.0, atol=1e-5)
        assert np.all(np.diff(np.diag(covariance)) <= 1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_photo_has_constant_features(value):
    """Rounding stays below what would be scaled up to a feature."""
    for found in feature_maps(np.full((32, 40, 3), value, np.uint8), 3):
        assert np.isfinite(found).all()
        assert np.ptp(found.reshape(-1, 3), axis=0).max() < 0.02

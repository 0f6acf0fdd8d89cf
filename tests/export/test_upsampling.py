"""The transposed convolution by phases: the network's logits, at any size."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from wsss_tf.export.upsampling import UpsamplingByPhases, phase_kernel, with_upsampling_by_phases
from wsss_tf.nets.fcn import fcn


def transposed_by_loops(scores, kernel, stride):
    """Every input pixel adds its kernel around its place; float64."""
    height, width, _ = scores.shape
    size, *_, channels, _ = kernel.shape
    margin = (size - stride) // 2
    result = np.zeros((height * stride + 2 * margin, width * stride + 2 * margin, channels))
    for y in range(height):
        for x in range(width):
            place = np.s_[y * stride : y * stride + size, x * stride : x * stride + size]
            result[place] += kernel.astype(np.float64) @ scores[y, x].astype(np.float64)
    return result[margin : margin + height * stride, margin : margin + width * stride]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4), (3, 2)])
def test_layer_matches_loops(random_generator, height, width):
    kernel = random_generator.normal(size=(16, 16, 3, 5)).astype(np.float32)
    scores = random_generator.normal(size=(2, height, width, 5)).astype(np.float32)
    found = UpsamplingByPhases(kernel)(scores).numpy()
    expected = [transposed_by_loops(each, kernel, 8) for each in scores]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_kernel_has_each_of_its_values_once(random_generator):
    kernel = random_generator.uniform(1, 2, (8, 8, 2, 3)).astype(np.float32)
    found = phase_kernel(kernel, 4)
    assert found.shape == (3, 3, 3, 4 * 4 * 2)
    np.testing.assert_array_equal(np.sort(found[found > 0]), np.sort(kernel.ravel()))


def test_logits_are_those_of_the_network(random_generator):
    model = fcn(5, width=0.1)
    for name in ("upsample", "classifier"):
        kernel = model.get_layer(name).kernel
        kernel.assign(random_generator.normal(0, 0.05, kernel.shape))
    changed = with_upsampling_by_phases(model)
    assert changed.get_layer("fc6") is model.get_layer("fc6")
    assert not any(isinstance(layer, keras.layers.Conv2DTranspose) for layer in changed.layers)
    for size in ((1, 1), (7, 9), (33, 64)):
        photos = random_generator.uniform(0, 255, (2, *size, 3)).astype(np.float32)
        expected = model(photos, training=False).numpy()
        found = changed(photos, training=False).numpy()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

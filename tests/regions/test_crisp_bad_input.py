"""Crisp regions of photos that are tiny, flat, noisy or none: an answer or a clear ValueError."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wsss_tf.regions import PRESETS, boundary_map, region_tree, regions

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1), (1, 700), (2, 3), (12, 17), (31, 33), (16, 400)]

# Prints how many MiB more than after its imports a process held at once.
_MEMORY = """
import numpy as np
from scipy.ndimage import gaussian_filter
from wsss_tf.regions import boundary_map, region_tree

def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

noise = np.random.default_rng(0).standard_normal((480, 640, 3)).astype(np.float32)
photo = np.clip(128 + 400 * gaussian_filter(noise, (2, 2, 0)), 0, 255).astype(np.uint8)
del noise
before = int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024
open("/proc/self/clear_refs", "w").write("5")
tree = region_tree(photo)
tree.layers((25, 100, 400)), tree.ultrametric(), boundary_map(photo)
print(peak() - before)
"""


def assert_answers(photo, preset="default"):
    """Every question has an answer of the right form, without a warning."""
    height, width = photo.shape[:2]
    edges = boundary_map(photo, preset=preset)
    assert edges.shape == (height, width)
    assert edges.dtype == np.float32
    assert edges.min() >= 0.0
    assert edges.max() < 1.0
    tree = region_tree(photo, preset=preset)
    contour = tree.ultrametric()
    assert contour.shape == (height, width)
    assert 0.0 <= contour.min() <= contour.max() <= 1.0
    for labels in (*tree.layers((1, 2, 10**6)), tree.labels(threshold=0.2)):
        assert labels.shape == (height, width)
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert not tree.labels(n=1).any()
    return tree


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", SHAPES)
def test_noise_of_any_shape_has_an_answer(random_generator, shape):
    assert_answers(random_generator.integers(0, 256, (*shape, 3)).astype(np.uint8))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(1, 1), (12, 17), (100, 90)])
def test_noise_has_an_answer_in_each_preset(random_generator, shape, preset):
    assert_answers(random_generator.integers(0, 256, (*shape, 3)).astype(np.uint8), preset)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [(0, 0, 0), (255, 255, 255), (200, 3, 77)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (12, 17), (150, 200)])
def test_a_constant_photo_is_one_region(shape, value):
    photo = np.full((*shape, 3), value, np.uint8)
    assert assert_answers(photo).count == 1
    assert not boundary_map(photo).any()


@pytest.mark.filterwarnings("error")
def test_photos_of_two_values_have_an_answer():
    rows, columns = np.mgrid[:60, :70]
    for pattern in (rows % 2, (rows + columns) % 2, columns // 35, (rows == 30) & (columns == 30)):
        assert_answers(np.where(pattern[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2))


@pytest.mark.filterwarnings("error")
def test_more_regions_than_pixels_are_as_many_as_there_are(random_generator):
    photo = random_generator.integers(0, 256, (3, 4, 3)).astype(np.uint8)
    layers = regions(photo, (1, 12, 13, 10**9))
    assert layers.shape == (4, 3, 4)
    assert layers.max() < 12
    np.testing.assert_array_equal(layers[2], layers[3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 3)])
def test_a_long_strip_takes_no_longer_than_its_pixels(random_generator, shape):
    """Its graph has 100,000 nodes before it is reduced along its length."""
    photo = random_generator.integers(0, 256, (*shape, 3)).astype(np.uint8)
    tree = region_tree(photo, preset="fast")
    assert tree.shape == shape
    assert tree.labels(n=10).max() == 9


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.zeros((5, 6), np.uint8), "gray2rgb"),
        (np.zeros((5, 6, 1), np.uint8), "gray2rgb"),
        (np.zeros((5, 6, 4), np.uint8), "rgba2rgb"),
        (np.zeros((1, 5, 6, 3), np.uint8), r"Received: photo.shape=\(1, 5, 6, 3\)"),
        (np.zeros((0, 6, 3), np.uint8), "a pixel or more"),
        (np.zeros((5, 0, 3), np.uint8), "a pixel or more"),
        (np.zeros((5, 6, 3), np.float32), "img_as_ubyte"),
        (np.zeros((5, 6, 3), np.float64), "float64"),
        (np.zeros((5, 6, 3), np.int64), "int64"),
        (np.zeros((5, 6, 3), bool), "bool"),
        ([[[0, 0, 0]]], "list"),
        (None, "NoneType"),
    ],
)
@pytest.mark.parametrize("function", [boundary_map, region_tree, regions])
def test_what_is_no_photo_is_refused(function, photo, message):
    with pytest.raises(ValueError, match=message):
        function(photo)


@pytest.mark.parametrize("n", [(), (0,), (5, -1), (2.5,)])
def test_numbers_of_regions_out_of_range_are_refused(n):
    with pytest.raises(ValueError, match="`n` must"):
        regions(np.zeros((4, 5, 3), np.uint8), n)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_memory_at_640_by_480():
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) < 300.0

"""Crisp regions from end to end: what they find, and the same bits each time."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from wsss_tf.regions import PRESETS, boundary_map, region_tree, regions
from wsss_tf.regions.crisp import MAX_PIXELS

# Prints a digest of what is found in a photo of smooth noise.
_DIGEST = """
import hashlib
import numpy as np
from scipy.ndimage import gaussian_filter
from wsss_tf.regions import boundary_map, region_tree
noise = np.random.default_rng(0).standard_normal((150, 200, 3))
photo = gaussian_filter(noise, (5, 5, 0))
photo = np.clip(128 + 60 * photo / photo.std(), 0, 255).astype(np.uint8)
digest = hashlib.sha256()
for preset in ("fast", "default"):
    tree = region_tree(photo, preset=preset)
    for array in (*tree.arrays().values(), boundary_map(photo, preset=preset)):
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def two_colours(shape, inside, *, noise=0):
    """An object of one colour on another, uint8 [H, W, 3]."""
    photo = np.where(inside[..., None], [200, 60, 40], [40, 110, 60]).astype(np.float64)
    if noise:
        photo += np.random.default_rng(0).normal(0.0, noise, (*shape, 3))
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)


def disc(shape, centre, radius):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


@pytest.fixture
def photo():
    """Three discs of noise on noise: uint8 [96, 130, 3]."""
    result = two_colours((96, 130), disc((96, 130), (30, 40), 20), noise=12)
    result[disc((96, 130), (60, 90), 25)] //= 2
    result[disc((96, 130), (75, 30), 12), 2] += 90
    return result


@pytest.mark.parametrize("noise", [0, 8])
@pytest.mark.parametrize("preset", PRESETS)
def test_two_regions_are_the_object_and_the_rest(preset, noise):
    """Centred off every grid of blocks: half a pixel off would show."""
    inside = disc((121, 161), (53, 70), 31)
    tree = region_tree(two_colours((121, 161), inside, noise=noise), preset=preset)
    labels = tree.labels(n=2)
    assert labels[0, 0] != labels[53, 70]
    wrong = (labels == labels[53, 70]) != inside
    # The circle is 195 pixels long.
    assert wrong.sum() <= 100
    rows, columns = np.nonzero(wrong)
    assert np.abs(np.hypot(rows - 53, columns - 70) - 31).max(initial=0.0) < 3.0
    found_rows, found_columns = np.nonzero(labels == labels[53, 70])
    assert found_rows.mean() == pytest.approx(53.0, abs=0.3)
    assert found_columns.mean() == pytest.approx(70.0, abs=0.3)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_boundary_map_is_a_thin_line_around_the_object(preset):
    inside = disc((121, 161), (53, 70), 31)
    found = boundary_map(two_colours((121, 161), inside), preset=preset)
    assert found.dtype == np.float32
    assert found.shape == (121, 161)
    assert 0.0 <= found.min() <= found.max() < 1.0
    rows, columns = np.nonzero(found > 0.3)
    off = np.abs(np.hypot(rows - 53, columns - 70) - 31)
    assert off.max() < 3.0
    # About two pixels wide, and all the way around.
    assert len(rows) < 2.5 * 195
    angles = np.floor(np.arctan2(rows - 53, columns - 70) / (2 * np.pi) * 36) % 36
    assert len(np.unique(angles)) == 36


def test_regions_are_the_layers_of_the_tree(photo):
    layers = regions(photo, (3, 10, 40))
    assert layers.shape == (3, 96, 130)
    assert layers.dtype == np.int32
    np.testing.assert_array_equal(layers, region_tree(photo).layers((3, 10, 40)))
    assert [layer.max() + 1 for layer in layers] == [3, 10, 40]
    for coarse, fine in itertools.pairwise(layers):
        pairs = np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1)
        assert pairs.shape[1] == fine.max() + 1


def test_finest_boundaries_are_the_contour(photo):
    tree = region_tree(photo)
    labels, contour = tree.labels(n=10**6), tree.ultrametric()
    assert labels.max() + 1 == tree.count
    parted = np.zeros(labels.shape, bool)
    parted[:, :-1] = labels[:, :-1] != labels[:, 1:]
    parted[:-1] |= labels[:-1] != labels[1:]
    assert not contour[~parted].any()
    assert contour[parted].min() > 0.0


def test_presets_differ(photo):
    found = [region_tree(photo, preset=preset).ultrametric() for preset in PRESETS]
    for one, other in itertools.combinations(found, 2):
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("function", [boundary_map, region_tree, regions])
def test_a_preset_that_is_none_is_refused(photo, function):
    with pytest.raises(ValueError, match="`preset` must be one of fast, default, accurate"):
        function(photo, preset="best")


def test_a_photo_is_left_as_it_is_however_it_lies_in_memory(photo):
    photo.setflags(write=False)
    expected = region_tree(photo, preset="fast").arrays()
    others = (np.asfortranarray(photo), np.repeat(photo, 2, axis=1)[:, ::2])
    for other in others:
        for name, array in region_tree(other, preset="fast").arrays().items():
            np.testing.assert_array_equal(array, expected[name])


def test_the_same_bits_in_every_process_on_any_number_of_threads():
    """What a process found before, or how many threads BLAS has, must not show."""
    digests = set()
    for threads in ("1", "2", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        digests.add(
            subprocess.run(
                [sys.executable, "-c", _DIGEST],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_the_same_bits_twice_in_one_process(photo):
    first, again = region_tree(photo), region_tree(photo.copy())
    for name, array in first.arrays().items():
        assert array.tobytes() == again.arrays()[name].tobytes()
    assert boundary_map(photo).tobytes() == boundary_map(photo).tobytes()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1401, 1502), (1500, 1400)])
def test_a_large_photo_comes_back_at_full_size(shape):
    """Worked at half its size: labels may be off by a worked pixel and no more."""
    assert shape[0] * shape[1] > MAX_PIXELS
    inside = disc(shape, (600, 500), 300)
    tree = region_tree(two_colours(shape, inside), preset="fast")
    labels = tree.labels(n=2)
    assert tree.shape == labels.shape == tree.ultrametric().shape == shape
    wrong = (labels == labels[600, 500]) != inside
    rows, columns = np.nonzero(wrong)
    assert np.abs(np.hypot(rows - 600, columns - 500) - 300).max(initial=0.0) < 4.0
    assert set(np.unique(tree.labels(n=30))) == set(range(min(30, tree.count)))


def test_the_boundary_map_of_a_large_photo_comes_back_at_full_size():
    photo = np.full((1500, 1400, 3), 50, np.uint8)
    photo[:, 501:] = 200
    edges = boundary_map(photo, preset="fast")
    assert edges.shape == (1500, 1400)
    _, columns = np.nonzero(edges)
    # The edge lies inside a block of 2 x 2 pixels; beside it are blocks of 4 for colours.
    assert 496 <= columns.min() <= 501 <= columns.max() <= 506

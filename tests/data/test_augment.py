"""Random windows: photo, validity and mask on one pixel grid."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import AugmentSettings
from wsss_tf.data.augment import (
    PADDING,
    Window,
    cut_nearest,
    cut_photo,
    random_window,
    reduced_size,
)

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def window(scaled, offset, crop, *, flip=False) -> Window:
    return Window(tf.constant(scaled), tf.constant(offset), tf.constant(flip), crop)


def drawn(size, count, **augment) -> list[Window]:
    """Windows of many seeds."""
    settings = AugmentSettings(**augment)
    seeds = tf.data.Dataset.range(count)
    windows = seeds.map(lambda n: random_window(tf.constant(size), [7, n], augment=settings))
    return list(windows.as_numpy_iterator())


def weights_by_loops(size: int, scaled: int, offset: int, crop: int) -> np.ndarray:
    """float64 [crop, size]: triangle kernel at half-pixel centres, widened where it shrinks."""
    weights = np.zeros((crop, size))
    widening = max(1.0, size / scaled)
    for out in range(crop):
        centre = (out + offset + 0.5) * size / scaled - 0.5
        for source in range(size):
            weights[out, source] = max(0.0, 1 - abs(source - centre) / widening)
        total = weights[out].sum()
        weights[out] /= total if total > 0 else 1.0
    return weights


@WRAPS
@pytest.mark.parametrize(
    ("size", "scaled", "offset", "crop"),
    [
        ((13, 17), (13, 17), (2, 4), 9),
        ((13, 17), (26, 34), (5, 0), 21),
        ((13, 17), (7, 9), (-3, -2), 12),
        ((40, 9), (11, 20), (0, 3), 8),
        ((1, 1), (1, 1), (-2, 0), 4),
        ((1, 1), (3, 2), (0, 0), 2),
    ],
)
def test_a_cut_equals_loops(build, size, scaled, offset, crop, wrap):
    photo = build.noise(*size)
    cut = wrap(lambda pixels: cut_photo(pixels, window(scaled, offset, crop)))
    pixels, valid = (part.numpy() for part in cut(tf.constant(photo)))
    rows, columns = (
        weights_by_loops(size[axis], scaled[axis], offset[axis], crop) for axis in (0, 1)
    )
    expected = np.einsum("ys,xt,stc->yxc", rows, columns, photo.astype(np.float64))
    inside = [
        [0 <= y + offset[0] < scaled[0] and 0 <= x + offset[1] < scaled[1] for x in range(crop)]
        for y in range(crop)
    ]
    np.testing.assert_array_equal(valid, inside)
    # Half a level is the rounding to uint8.
    assert np.abs(pixels[valid] - expected[valid]).max() <= 0.5 + 1e-3
    assert (pixels[~valid] == PADDING).all()


@WRAPS
@pytest.mark.parametrize(
    ("size", "scaled"), [((13, 17), (13, 17)), ((13, 17), (30, 8)), ((8, 6), (16, 3))]
)
def test_nearest_equals_tensorflow_and_keeps_ids(size, scaled, wrap):
    ids = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    whole = tf.image.resize(ids[..., None], scaled, method="nearest")[..., 0].numpy()
    crop = 6
    offset = (max(0, scaled[0] - crop) // 2, max(0, scaled[1] - crop))
    cut = wrap(lambda values: cut_nearest(values, window(scaled, offset, crop)))
    expected = whole[offset[0] : offset[0] + crop, offset[1] : offset[1] + crop]
    got = cut(tf.constant(ids)).numpy()[: expected.shape[0], : expected.shape[1]]
    np.testing.assert_array_equal(got, expected)


def test_a_flip_mirrors_photo_validity_and_mask(build):
    photo = build.noise(9, 7)
    plain, flipped = (window((9, 7), (1, -2), 8, flip=flip) for flip in (False, True))
    for cut in (cut_photo(photo, plain), cut_photo(photo, flipped)):
        assert not cut[1].numpy().all()
    for one, other in zip(cut_photo(photo, plain), cut_photo(photo, flipped), strict=True):
        np.testing.assert_array_equal(one.numpy()[:, ::-1], other.numpy())
    one, other = (cut_nearest(photo[..., 0], cut).numpy() for cut in (plain, flipped))
    np.testing.assert_array_equal(one[:, ::-1], other)


@pytest.mark.parametrize("scaled", [(90, 70), (150, 130), (200, 101)])
def test_photo_and_mask_lie_on_the_same_grid(scaled):
    # Each pixel holds twice its own row and column, so that a shift of half a pixel is 1.
    y, x = np.mgrid[:90, :70]
    position = np.stack([y, x, y], -1).astype(np.uint8) * 2
    cut = window(scaled, (8, 6), 60)
    smooth = cut_photo(position, cut)[0].numpy().astype(float)
    difference = smooth - cut_nearest(position, cut).numpy()
    assert np.abs(difference).max() <= 1
    assert np.abs(difference.mean((0, 1))).max() < 0.2


@pytest.mark.parametrize(
    ("size", "crop"), [((50, 30), 20), ((5, 8), 20), ((50, 8), 20), ((1, 1), 16)]
)
def test_windows_reach_every_place_and_no_further(size, crop):
    windows = drawn(size, 300, crop=crop, scale=[1.0, 1.0])
    offsets = np.array([cut.offset for cut in windows])
    room = np.array(size) - crop
    np.testing.assert_array_equal(offsets.min(0), np.minimum(room, 0))
    np.testing.assert_array_equal(offsets.max(0), np.maximum(room, 0))


def test_scales_and_flips_fill_their_range():
    windows = drawn((100, 200), 300, crop=16, scale=[0.5, 1.5])
    heights = np.array([cut.scaled[0] for cut in windows])
    assert heights.min() in range(50, 56)
    assert heights.max() in range(145, 151)
    assert all(abs(cut.scaled[1] - 2 * cut.scaled[0]) <= 1 for cut in windows)
    assert 100 < sum(cut.flip for cut in windows) < 200
    assert not any(cut.flip for cut in drawn((9, 9), 50, crop=16, flip=False))


def test_a_side_reduces_the_photo_first():
    settings = AugmentSettings(crop=16, scale=[1.0, 1.0], side=50)
    for size, expected in (((100, 200), (25, 50)), ((40, 30), (40, 30)), ((1, 900), (1, 50))):
        scaled = random_window(tf.constant(size), [0, 0], augment=settings).scaled
        np.testing.assert_array_equal(scaled, expected)
        np.testing.assert_array_equal(reduced_size(tf.constant(size), 50), expected)
        np.testing.assert_array_equal(reduced_size(tf.constant(size), None), size)

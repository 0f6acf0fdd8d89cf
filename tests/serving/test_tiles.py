"""Tiles: each pixel once, and the untiled label map wherever the network's window fits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wsss_tf.serving import Segmenter
from wsss_tf.serving.tiles import ALIGNMENT, LARGE_FOV_REACH, Tiling, probabilities_by_tiles


@pytest.mark.parametrize("length", [1, 37, 64, 65, 97, 128, 1000, 5472])
@pytest.mark.parametrize(
    "tiling", [Tiling(64), Tiling(66, 1), Tiling(32, 0), Tiling(1024)], ids=str
)
def test_every_pixel_is_kept_once_and_inside_its_tile(tiling, length):
    spans = list(tiling.spans(length))
    assert spans[0].first == 0
    assert spans[-1].last == length
    assert all(before.last == after.first for before, after in itertools.pairwise(spans))
    for span in spans:
        assert span.start % ALIGNMENT == 0
        assert span.stop - span.start <= tiling.size
        assert span.start <= span.first < span.last <= span.stop
        assert span.start == 0 or span.first - span.start >= tiling.reach
        assert span.stop == length or span.stop - span.last >= tiling.reach


def test_the_usual_tile_holds_the_window_of_large_fov():
    """214 pixels on either side: 412 / 2 and the enlargement's 8."""
    for size in (896, 1024, 2048):
        assert Tiling(size).reach == LARGE_FOV_REACH
        assert Tiling(size).reach >= 412 // 2 + 8
    assert Tiling(512).reach == 128


@pytest.fixture
def windowed(tiny, tmp_path):
    """A bundle whose network looks at `tiny.REACH` pixels on either side."""
    return tiny.write_bundle(tmp_path / "windowed", model=tiny.model())


def labels(bundle, photo, **options):
    (found,) = Segmenter(bundle, **options)([photo])
    return found.labels


@pytest.mark.parametrize("size", [(200, 301), (63, 400), (97, 96), (20, 30)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_tiles_whose_overlap_holds_the_window_change_nothing(tiny, windowed, size, batch_size):
    photo = tiny.noise(*size)
    untiled = labels(windowed, photo)
    assert np.bincount(untiled.ravel()).min() > untiled.size // 20
    tile = 64 + 2 * tiny.REACH
    for options in ({"tile": tile, "overlap": tiny.REACH}, {"tile": 64}):
        found = labels(windowed, photo, **options, batch_size=batch_size)
        np.testing.assert_array_equal(found, untiled)


def test_tiles_with_too_little_overlap_differ_near_their_seams_alone(tiny, windowed):
    photo = tiny.noise(200, 300)
    different = labels(windowed, photo) != labels(windowed, photo, tile=64, overlap=0)
    assert different.any()
    seams = np.arange(64, 300, 64)
    rows, columns = np.nonzero(different)
    away = np.minimum(
        np.abs(rows[:, None] + 0.5 - seams).min(axis=1),
        np.abs(columns[:, None] + 0.5 - seams).min(axis=1),
    )
    assert away.max() < tiny.REACH


def test_a_tiled_photo_is_seen_in_full_and_in_pieces(tiny, tmp_path):
    photo = tiny.noise(150, 170)
    bundle = tiny.write_bundle(tmp_path / "b", max_side=32)
    assert (labels(bundle, photo) != tiny.expected(photo)).any()
    np.testing.assert_array_equal(labels(bundle, photo, tile=64), tiny.expected(photo))


def test_a_tile_that_the_graph_would_reduce_is_refused(tiny, tmp_path):
    bundle = tiny.write_bundle(tmp_path / "b", views={"side": 64})
    with pytest.raises(ValueError, match="`tile` must be at most 64"):
        Segmenter(bundle, tile=65)


@pytest.mark.parametrize("size", [(50, 75), (200, 300), (1, 2), (37, 64)])
def test_probabilities_in_a_coarser_grid_are_means(size, random_generator):
    photo = random_generator.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    scores = photo.astype(np.float32) / 255

    def run(batch, *, probabilities):
        assert probabilities
        return batch.astype(np.float32) / 255

    found = probabilities_by_tiles(run, photo, Tiling(64), size=size, batch_size=2)
    rows, columns = np.arange(200) * size[0] // 200, np.arange(300) * size[1] // 300
    expected = np.empty((*size, 3))
    for row in range(size[0]):
        for column in range(size[1]):
            expected[row, column] = scores[rows == row][:, columns == column].mean(axis=(0, 1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_crf_takes_tiles_in_its_grid(tiny, tmp_path):
    bundle = tiny.write_bundle(tmp_path / "crf", crf=tiny.crf_model(False), max_side=32)
    photo = np.repeat(tiny.noise(8, 6), 16, axis=0).repeat(16, axis=1)
    found = labels(bundle, photo, tile=64, crf=True)
    np.testing.assert_array_equal(found, (tiny.expected(photo) + 1) % 3)

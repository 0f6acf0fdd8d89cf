"""Photos for the parity table: several sizes, JPEG bytes that are their pixels, truth with them."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.config import DataSettings
from wsss_tf.data import open_dataset
from wsss_tf.data.decode import decode_photo
from wsss_tf.export.samples import parity_samples, spread

SIDE = 60


@pytest.fixture
def dataset(tagged_root):
    settings = DataSettings(source="tagged_folder", root=tagged_root)
    return open_dataset(settings, root=tagged_root)


@pytest.fixture
def samples(dataset, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return parity_samples(dataset, "train", count=8, side=SIDE, scratch=scratch)


def test_some_are_cropped_and_one_is_enlarged(samples):
    assert [sample.name for sample in samples] == ["a", "b, cropped", "c, enlarged"]
    assert [sample.pixels.shape[:2] for sample in samples] == [(32, 40), (39, 25), (75, 75)]


def test_jpeg_bytes_decode_to_the_pixels(samples):
    for sample in samples:
        np.testing.assert_array_equal(decode_photo(sample.jpeg), sample.pixels)


def test_a_whole_jpeg_keeps_its_bytes(samples, tagged_root):
    assert samples[0].jpeg == (tagged_root / "images" / "a.jpg").read_bytes()


def test_truth_is_cut_and_stretched_alike(samples):
    for sample in samples:
        assert sample.truth.shape == sample.pixels.shape[:2]
    # Masks of the fixture have the tags in every third column, from the left of the whole photo.
    columns = samples[1].truth[0]
    first = (33 - 25) % 3
    expected = [(2, 1, 0)[(first + index) % 3] for index in range(25)]
    assert columns.tolist() == expected


def test_one_mask_missing_leaves_all_without_truth(dataset, tagged_root, tmp_path):
    (tagged_root / "masks" / "b.png").unlink()
    found = parity_samples(dataset, "train", count=8, side=SIDE, scratch=tmp_path)
    assert [sample.truth for sample in found] == [None] * 3


def test_a_photo_of_one_row(dataset, tmp_path):
    (only,) = (
        sample
        for sample in parity_samples(dataset, "val", count=3, side=SIDE, scratch=tmp_path)
        if sample.name.startswith("f")
    )
    assert only.pixels.shape == (4, 75, 3)


def test_spread_is_even_and_whole(dataset):
    photos = dataset.photos["train"] * 4
    assert spread(photos, 3) == [photos[0], photos[4], photos[8]]
    assert spread(photos, 99) == list(photos)
    assert spread(photos, 1) == [photos[0]]

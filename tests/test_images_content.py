"""Photos and label maps whose bytes have been read already, as from an archive."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from wsss_tf import images
from wsss_tf.errors import DataError

READERS = (images.photo_header, images.read_photo, images.read_label_map)
IDS = np.random.default_rng(0).integers(0, 256, (5, 7)).astype(np.uint8)


@pytest.fixture
def path(tmp_path):
    images.write_label_map(tmp_path / "mask.png", IDS)
    return tmp_path / "mask.png"


@pytest.mark.parametrize("read", READERS)
def test_bytes_give_what_the_file_gives(path, read):
    expected, content = read(path), path.read_bytes()
    path.unlink()
    np.testing.assert_array_equal(read(path, content=content), expected)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"no image"])
def test_bytes_that_are_no_image_are_named(path, read, content):
    with pytest.raises(DataError, match=r"mask\.png: must be an image"):
        read(path, content=content)


@pytest.mark.parametrize("read", READERS[1:])
def test_bytes_cut_short_and_too_many_pixels(path, read):
    content = path.read_bytes()
    with pytest.raises(DataError, match=r"mask\.png: is damaged or cut short"):
        read("mask.png", content=content[:-30])
    with pytest.raises(DataError, match="must have at most 34 pixels. Received: 7 x 5"):
        read("mask.png", content=content, max_pixels=34)


def test_colours_are_refused_as_ids(tmp_path):
    Image.new("RGB", (3, 2)).save(tmp_path / "rgb.png")
    with pytest.raises(DataError, match=r"x/rgb\.png: a label map must be a palette PNG"):
        images.read_label_map("x/rgb.png", content=(tmp_path / "rgb.png").read_bytes())

"""The photos that a command is given, and grey pictures with a note."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from wsss_tf import images, training
from wsss_tf.errors import DataError, RunError


def test_folders_give_their_photos_and_files_are_kept(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    gone = tmp_path / "gone.gif"
    found = images.list_photos([gone, tmp_path, tmp_path / "a.png"])
    assert found == [gone, tmp_path / "a.png", tmp_path / "b.JPG", tmp_path / "c.webp"]


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(DataError, match="no photos here"):
        images.list_photos([tmp_path])


def test_two_photos_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="share a name"):
        images.list_photos([tmp_path / "a.png", tmp_path / "a.jpg"])


def test_the_name_it_had_before_still_works():
    assert training.list_photos is images.list_photos


@pytest.mark.parametrize(("dtype", "mode"), [(np.uint8, "L"), (np.uint16, "I;16")])
def test_grey_pictures_keep_every_value_and_their_note(tmp_path, dtype, mode):
    values = np.linspace(0, np.iinfo(dtype).max, 35).astype(dtype).reshape(5, 7)
    images.write_grey(tmp_path / "noted.png", values, note="some words")
    images.write_grey(tmp_path / "plain.png", values)
    for name, note in (("noted.png", "some words"), ("plain.png", "")):
        with Image.open(tmp_path / name) as picture:
            assert picture.mode == mode
            np.testing.assert_array_equal(np.asarray(picture), values)
        assert images.read_note(tmp_path / name) == note


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("a.jpg", np.zeros((2, 2), np.uint8), "`path`"),
        ("a.png", np.zeros((2, 2), np.int32), "`values`"),
        ("a.png", np.zeros((2, 2, 3), np.uint8), "`values`"),
        ("a.png", np.zeros((0, 2), np.uint8), "`values`"),
    ],
)
def test_what_is_no_grey_picture_is_refused(tmp_path, name, values, named):
    with pytest.raises(ValueError, match=named):
        images.write_grey(tmp_path / name, values)
    assert os.listdir(tmp_path) == []


def test_notes_and_pictures_name_a_bad_file(tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(DataError, match="bad.png"):
        images.read_note(tmp_path / "bad.png")
    with pytest.raises(RunError, match="cannot be written"):
        images.write_grey(tmp_path / "bad.png" / "a.png", np.zeros((2, 2), np.uint8))

"""Scenes on disk: a tagged folder, resumable, never mixed with other data."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from wsss_tf.data.scenes import render_scene
from wsss_tf.data.scenes_folder import VAL_START, write_scenes
from wsss_tf.errors import DataError
from wsss_tf.images import read_label_map, read_photo

SETTINGS = {"train": 3, "val": 2, "size": 32, "seed": 5}


def content(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path):
    write_scenes(tmp_path / "scenes", **SETTINGS)
    return tmp_path / "scenes"


def test_photos_masks_and_tags_are_those_of_the_scenes(folder):
    with open(folder / "tags.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train"] * 3 + ["val"] * 2
    for row, index in zip(rows, [0, 1, 2, VAL_START, VAL_START + 1], strict=True):
        scene = render_scene(5, index, size=32)
        np.testing.assert_array_equal(read_photo(folder / row["photo"]), scene.photo)
        mask = folder / "masks" / row["photo"].removeprefix("images/")
        np.testing.assert_array_equal(read_label_map(mask), scene.labels)
        assert tuple(row["tags"].split()) == scene.tags


def test_an_interrupted_folder_is_finished(folder, tmp_path):
    whole = content(folder)
    (folder / "tags.csv").unlink()
    (folder / "images" / "train_00002.png").unlink()
    shutil.rmtree(folder / "masks")
    write_scenes(folder, **SETTINGS)
    assert content(folder) == whole


def test_a_finished_folder_is_left_alone(folder):
    """Masks taken away stay away: training must be seen to do without."""
    shutil.rmtree(folder / "masks")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_scenes(folder, **SETTINGS)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", ["train", "val", "size", "seed"])
def test_other_settings_are_refused(folder, name):
    before = content(folder)
    with pytest.raises(DataError, match="delete this one"):
        write_scenes(folder, **{**SETTINGS, name: SETTINGS[name] + 1})
    assert content(folder) == before


def test_other_data_are_refused(tagged_root):
    with pytest.raises(DataError, match=r"no scenes\.json"):
        write_scenes(tagged_root, **SETTINGS)


def test_a_damaged_record_is_refused(folder):
    (folder / "scenes.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"scenes\.json"):
        write_scenes(folder, **SETTINGS)


def test_a_size_out_of_range_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="at least 32"):
        write_scenes(tmp_path / "scenes", **{**SETTINGS, "size": 8})
    assert not (tmp_path / "scenes").exists()


def test_splits_may_not_meet(tmp_path):
    with pytest.raises(ValueError, match="`train` must be"):
        write_scenes(tmp_path, train=VAL_START + 1, val=1, size=32, seed=0)

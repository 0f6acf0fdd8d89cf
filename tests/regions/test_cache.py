"""RegionMethod and RegionCache: what is kept, under which name, and what a bad file does."""

from __future__ import annotations

import logging
import os
import zipfile

import numpy as np
import pytest

from wsss_tf.errors import DataError, RunError
from wsss_tf.images import write_photo
from wsss_tf.regions import METHODS, PRESETS, RegionCache, RegionMethod, fill_cache

MAX_PIXELS = 10**6


@pytest.fixture
def photo():
    """A disc on a slope of colours, with some noise: uint8 [36, 50, 3]."""
    rows, columns = np.mgrid[:36, :50]
    inside = (rows - 15) ** 2 + (columns - 20) ** 2 < 120
    noise = np.random.default_rng(0).integers(0, 20, (36, 50, 3))
    slope = np.stack([2 * columns, 3 * rows, 60 + 0 * rows], axis=-1)
    return (np.where(inside[..., None], [200, 60, 40], slope) + noise).astype(np.uint8)


@pytest.fixture
def found(monkeypatch):
    """Gets one entry each time that regions are found, not read."""
    calls, original = [], RegionMethod.arrays

    def spy(self, photo):
        calls.append(self)
        return original(self, photo)

    monkeypatch.setattr(RegionMethod, "arrays", spy)
    return calls


@pytest.mark.parametrize("method", METHODS)
def test_layers_are_found_once(tmp_path, photo, found, method):
    chosen = RegionMethod(method, counts=(3, 9))
    first = RegionCache(tmp_path / "new", chosen).layers(photo)
    again = RegionCache(tmp_path / "new", chosen).layers(photo)
    assert len(found) == 1
    assert len(list((tmp_path / "new").iterdir())) == 1
    assert first.dtype == np.int32
    assert first.shape == (2, 36, 50)
    for labels in first:
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, chosen.layers(photo))


def test_a_crisp_tree_serves_any_counts_and_the_others_do_not(tmp_path, photo, found):
    for method, files in (("crisp", 1), ("slic", 2)):
        folder = tmp_path / method
        for counts in ((3,), (4, 9)):
            layers = RegionCache(folder, RegionMethod(method, counts=counts)).layers(photo)
            assert len(layers) == len(counts)
        assert len(list(folder.iterdir())) == files


def test_names_stand_for_pixels_shape_method_and_version(photo, monkeypatch):
    keys = [
        RegionMethod().key(photo),
        RegionMethod(preset="fast").key(photo),
        RegionMethod("slic").key(photo),
        RegionMethod("felzenszwalb").key(photo),
        RegionMethod("slic", counts=(5,)).key(photo),
        RegionMethod().key(photo ^ 1),
        RegionMethod().key(photo.reshape(50, 36, 3)),
    ]
    monkeypatch.setattr("wsss_tf.regions.method.ALGORITHM", -1)
    monkeypatch.setattr("wsss_tf.regions.alternatives.ALGORITHM", -1)
    keys += [RegionMethod().key(photo), RegionMethod("slic").key(photo)]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)


def test_names_hang_on_nothing_else(photo):
    wide = np.zeros((36, 100, 3), np.uint8)
    wide[:, ::2] = photo
    assert RegionMethod().key(wide[:, ::2]) == RegionMethod().key(photo)
    assert RegionMethod(counts=(2,)).key(photo) == RegionMethod().key(photo)


def _other_arrays(path):
    np.savez_compressed(path.open("wb"), key=np.array(path.stem), layers=np.zeros((2, 4, 4), int))


def _objects(path):
    np.savez(path.open("wb"), key=np.array(path.stem), layers=np.array([None]), heights=[None])


def _negative(path):
    with np.load(path) as loaded:
        arrays = dict(loaded)
    for name in arrays.keys() & {"layers", "finest"}:
        arrays[name] = arrays[name].astype(np.int32) - 1000
    np.savez(path.open("wb"), **arrays)


def _broken_header(path):
    """One that numpy meets with tokenize.TokenError, no kind of ValueError."""
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2, }".ljust(117) + b"\n"
        archive.writestr(
            "key.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        )


@pytest.mark.parametrize("method", ["crisp", "slic"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no regions"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
        lambda path: np.savez(path.open("wb"), nothing=np.zeros(3)),
        _other_arrays,
        _objects,
        _negative,
        _broken_header,
    ],
    ids=[
        "empty",
        "text",
        "cut short",
        "npy",
        "no key",
        "other arrays",
        "objects",
        "negative",
        "header",
    ],
)
def test_a_damaged_file_is_made_again(tmp_path, photo, found, caplog, method, damage):
    cache = RegionCache(tmp_path, RegionMethod(method, counts=(3, 9)))
    expected = cache.layers(photo)
    (path,) = tmp_path.iterdir()
    damage(path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cache.layers(photo), expected)
    assert f"{path}: cannot be used" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(cache.layers(photo), expected)
    assert len(found) == 2
    assert not caplog.text


def test_a_file_of_another_photo_is_made_again(tmp_path, photo, caplog):
    cache = RegionCache(tmp_path, RegionMethod("slic", counts=(3, 9)))
    expected = cache.layers(photo)
    (path,) = tmp_path.iterdir()
    cache.layers(np.ascontiguousarray(photo[::-1]))
    (other,) = set(tmp_path.iterdir()) - {path}
    os.replace(other, path)
    np.testing.assert_array_equal(cache.layers(photo), expected)
    assert "something else" in caplog.text


@pytest.mark.parametrize("size", [(36, 50), (18, 25), (72, 100), (1, 1), (7, 111)])
def test_another_size_takes_the_nearest(tmp_path, photo, size):
    cache = RegionCache(tmp_path, RegionMethod("slic", counts=(3, 9)))
    full, resized = cache.layers(photo), cache.layers(photo, size)
    np.testing.assert_array_equal(resized, cache.method.layers(photo, size))
    assert resized.shape == (2, *size)
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = int((row + 0.5) * 36 / size[0]), int((column + 0.5) * 50 / size[1])
            np.testing.assert_array_equal(resized[:, row, column], full[:, y, x])


def test_a_size_of_nothing_is_refused(tmp_path, photo):
    with pytest.raises(ValueError, match="`size`"):
        RegionCache(tmp_path, RegionMethod("slic")).layers(photo, (0, 5))


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, photo):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        RegionCache(tmp_path / "file", RegionMethod("slic")).layers(photo)


@pytest.mark.parametrize("processes", [1, 2])
def test_filling_finds_what_is_missing(tmp_path, photo, capfd, processes):
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        write_photo(path, np.roll(photo, index, axis=1))
    method, folder = RegionMethod("slic", counts=(3, 9)), tmp_path / "cache"
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    failed = fill_cache([*paths, bad], folder, method, max_pixels=MAX_PIXELS, processes=processes)
    assert [type(error) for error in failed] == [DataError]
    assert "bad.jpg" in str(failed[0])
    output = capfd.readouterr()
    assert output.out == ""
    assert "regions: 100%" in output.err
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 3
    assert fill_cache(paths, folder, method, max_pixels=MAX_PIXELS, processes=processes) == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_filling_with_nothing_and_with_too_large_a_photo(tmp_path, photo):
    path = tmp_path / "photo.png"
    write_photo(path, photo)
    assert fill_cache([], tmp_path / "cache", RegionMethod("slic"), max_pixels=1) == []
    (error,) = fill_cache([path], tmp_path / "cache", RegionMethod("slic"), max_pixels=100)
    assert "100 pixels" in str(error)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"method": "crips"}, "`method`"),
        ({"preset": "slow"}, "`preset`"),
        ({"method": "slic", "preset": "fast"}, "only crisp"),
        ({"counts": ()}, "`counts`"),
        ({"counts": (1, 5)}, "`counts`"),
        ({"counts": (25, 25)}, "`counts`"),
        ({"counts": (100, 25)}, "`counts`"),
        ({"counts": (25, 10_001)}, "`counts`"),
        ({"counts": tuple(range(2, 11))}, "`counts`"),
        ({"counts": (2.5,)}, "`counts`"),
        ({"counts": (True, 25)}, "`counts`"),
        ({"counts": 25}, "`counts`"),
        ({"counts": "25"}, "`counts`"),
    ],
)
def test_a_method_that_is_none_is_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        RegionMethod(**changes)


def test_equal_methods_are_equal():
    assert RegionMethod(counts=[2, np.int64(10_000)]) == RegionMethod(counts=(2, 10_000))
    assert hash(RegionMethod(counts=[2, 3])) == hash(RegionMethod(counts=(2, 3)))
    assert [RegionMethod(preset=preset).preset for preset in PRESETS] == list(PRESETS)

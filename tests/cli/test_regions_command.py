"""`wsss-tf regions`: what it writes, keeps, refuses and prints, and how Ctrl-C ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from wsss_tf.cli.main import main
from wsss_tf.cli.regions import regions
from wsss_tf.images import read_photo, write_photo
from wsss_tf.regions import METHODS, PRESETS, RegionMethod

SLIC = ("--method", "slic", "--counts", "4,9", "--processes", 1)
FILES = ("4.png", "9.png", "boundaries.png", "outlines.jpg")


def invoke(*arguments):
    return CliRunner().invoke(main, ["regions", *map(str, arguments)])


def photo_of(seed, size=(40, 60)):
    random = np.random.default_rng(seed)
    fields = np.kron(random.integers(20, 230, (3, 3, 3)), np.ones((20, 30, 1), int))
    return fields[: size[0], : size[1]].astype(np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Two photos in a folder."""
    for seed, name in enumerate(("one.png", "two.jpg")):
        write_photo(tmp_path / "photos" / name, photo_of(seed))
    return tmp_path / "photos"


def test_the_choices_are_the_library_s():
    choices = {p.name: p.type.choices for p in regions.params if isinstance(p.type, click.Choice)}
    assert tuple(choices["method"]) == METHODS
    assert tuple(choices["preset"]) == tuple(PRESETS)
    defaults = regions.make_context("regions", ["photo", "--out", "x"]).params
    default = RegionMethod(defaults["method"], defaults["preset"], defaults["counts"])
    assert default == RegionMethod()


@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_each_photo(photos, tmp_path, method):
    out = tmp_path / "new" / "out"
    result = invoke(photos, "--out", out, "--method", method, "--counts", "4,9", "--processes", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"2 photos' regions in {out}; 0 were there; 0 photos failed.\n"
    names = {f"{stem}_{ending}" for stem in ("one", "two") for ending in FILES}
    assert {path.name for path in out.iterdir()} == names
    for stem, name in (("one", "one.png"), ("two", "two.jpg")):
        photo = read_photo(photos / name)
        layers = RegionMethod(method, counts=(4, 9)).layers(photo)
        for count, labels in zip((4, 9), layers, strict=True):
            with Image.open(out / f"{stem}_{count}.png") as picture:
                assert picture.mode == "I;16"
                np.testing.assert_array_equal(np.asarray(picture), labels)
        with Image.open(out / f"{stem}_boundaries.png") as picture:
            assert picture.mode == "L"
            values = np.asarray(picture)
        assert values.max() == 255
        coarse = layers[0]
        parted = coarse[:, :-1] != coarse[:, 1:]
        assert values[:, :-1][parted].min() > 0
        assert read_photo(out / f"{stem}_outlines.jpg").shape == photo.shape


def stamps(out):
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_what_is_there_is_kept(photos, tmp_path):
    out = tmp_path / "out"
    assert invoke(photos / "one.png", "--out", out, *SLIC).exit_code == 0
    before = stamps(out)
    result = invoke(photos, "--out", out, *SLIC)
    assert result.stdout == f"1 photos' regions in {out}; 1 were there; 0 photos failed.\n"
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)


@pytest.mark.parametrize("ending", FILES)
def test_a_missing_file_is_made_again(photos, tmp_path, ending):
    out = tmp_path / "out"
    invoke(photos, "--out", out, *SLIC)
    content = (out / f"one_{ending}").read_bytes()
    (out / f"one_{ending}").unlink()
    assert "1 photos' regions" in invoke(photos, "--out", out, *SLIC).stdout
    assert (out / f"one_{ending}").read_bytes() == content


def test_another_photo_or_method_of_that_name_is_no_reason_to_keep(photos, tmp_path):
    out = tmp_path / "out"
    invoke(photos, "--out", out, *SLIC)
    write_photo(photos / "one.png", photo_of(7))
    assert "1 photos' regions" in invoke(photos, "--out", out, *SLIC).stdout
    (out / "two_boundaries.png").write_bytes(b"cut short")
    assert "1 photos' regions" in invoke(photos, "--out", out, *SLIC).stdout
    other = ("--method", "felzenszwalb", *SLIC[2:])
    assert "2 photos' regions" in invoke(photos, "--out", out, *other).stdout
    assert "2 photos' regions" in invoke(photos, "--out", out, *SLIC).stdout
    assert "2 were there" in invoke(photos, "--out", out, *SLIC).stdout


def test_the_others_are_done_and_the_status_is_3(photos, tmp_path):
    (photos / "bad.jpg").write_text("no photo")
    out = tmp_path / "out"
    options = ("--method", "slic", "--counts", "4,9", "--processes", 2)
    result = invoke(photos, photos / "gone.png", "--out", out, *options)
    assert result.exit_code == 3
    assert "bad.jpg" in result.stderr
    assert "gone.png" in result.stderr
    assert result.stdout == f"2 photos' regions in {out}; 0 were there; 2 photos failed.\n"
    assert len(list(out.iterdir())) == 2 * len(FILES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--counts", "many"), "whole numbers"),
        (("--counts", "9,4"), "`counts` must be"),
        (("--counts", "1"), "`counts` must be"),
        (("--counts", ""), "whole numbers"),
        (("--method", "slic", "--preset", "fast"), "only crisp"),
        (("--method", "crips"), "crips"),
        (("--processes", "0"), "--processes"),
    ],
)
def test_options_that_are_none(photos, tmp_path, options, message):
    result = invoke(photos, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_photos_own_folder_is_refused(photos):
    before = stamps(photos)
    result = invoke(photos, "--out", photos / ".." / "photos", *SLIC)
    assert result.exit_code == 2
    assert "lies in --out" in result.stderr
    assert stamps(photos) == before


def test_two_photos_of_one_name_are_refused(photos, tmp_path):
    write_photo(tmp_path / "one.jpg", photo_of(3))
    result = invoke(photos, tmp_path / "one.jpg", "--out", tmp_path / "out", *SLIC)
    assert result.exit_code == 2
    assert "share a name" in result.stderr


def test_a_place_that_cannot_be_written_is_an_error(photos, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "out" / "one_boundaries.png").mkdir(parents=True)
    for out in (tmp_path / "file" / "below", tmp_path / "out"):
        result = invoke(photos, "--out", out, *SLIC)
        assert result.exit_code == 2, result.output
        assert "one_boundaries.png: cannot be written" in result.stderr


def test_ctrl_c_leaves_whole_files_and_no_process(tmp_path):
    for seed in range(20):
        photo = np.kron(photo_of(seed), np.ones((6, 6, 1), np.uint8))
        write_photo(tmp_path / "photos" / f"{seed}.png", photo)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "wsss_tf.cli", "regions", tmp_path / "photos", "--out", out]
    options = ["--method", "slic", "--processes", "2"]
    process = subprocess.Popen(
        [*map(str, command), *options], stderr=subprocess.PIPE, text=True, process_group=0
    )
    for _ in range(600):
        if list(out.glob("*_boundaries.png")):
            break
        time.sleep(0.05)
    else:
        pytest.fail("no picture came")
    os.killpg(process.pid, signal.SIGINT)
    # Workers share stderr: it ends when the last of them has ended.
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Stopped. The same command goes on" in errors
    assert "Traceback" not in errors
    assert not list(out.glob(".*"))
    for path in out.iterdir():
        read_photo(path)

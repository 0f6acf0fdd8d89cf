"""Many photos into a folder: the manifest, what is kept, and what a kill or a full disk leaves."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from wsss_tf import files
from wsss_tf.errors import DataError, RunError
from wsss_tf.files import read_jsonl, sha256
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.serving import Segmenter, photo_files, predict_files


def predict(bundle, photos, out, *, with_overlay=False, **options):
    """All outcomes: (row, kept)."""
    segmenter = Segmenter(bundle, **options)
    return list(predict_files(segmenter, photo_files([photos]), out, with_overlay=with_overlay))


def kept(outcomes):
    return [outcome.row["mask"] for outcome in outcomes if outcome.kept]


def check_whole(out, photos, tiny):
    """Every row that is ok has its mask, right to the pixel; no file is empty or left over."""
    for row in read_jsonl(out / "manifest.jsonl"):
        if row["status"] == "ok":
            mask = out / row["mask"]
            assert sha256(mask) == row["sha256"]
            photo = read_photo(row["photo"])
            np.testing.assert_array_equal(read_label_map(mask), tiny.expected(photo))
    for path in out.iterdir():
        assert path.stat().st_size > 0, path
        assert not path.name.startswith(".wsss-tmp")


def test_masks_and_manifest(tiny, bundle, photos, tmp_path):
    out = tmp_path / "deep" / "out"
    outcomes = predict(bundle, photos, out)
    rows = read_jsonl(out / "manifest.jsonl")
    assert [outcome.row for outcome in outcomes] == rows
    assert kept(outcomes) == []
    assert [row["photo"] for row in rows] == [str(path) for path in sorted(photos.iterdir())]
    assert rows[1].items() >= {"status": "ok", "error": None, "height": 31, "width": 17}.items()
    assert all(row["seconds"] > 0 for row in rows)
    check_whole(out, photos, tiny)


def test_what_is_done_is_kept(bundle, photos, tmp_path):
    out = tmp_path / "out"
    predict(bundle, photos, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    outcomes = predict(bundle, photos, out, threads=1, batch_size=3)
    assert len(kept(outcomes)) == 6
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")} == before
    assert len(read_jsonl(out / "manifest.jsonl")) == 6


CHANGES = {
    "a mask that is gone": lambda out, photos: (out / "p2.png").unlink(),
    "a mask that is changed": lambda out, photos: shutil.copy(out / "p0.png", out / "p2.png"),
    "another photo": lambda out, photos: shutil.copy(photos / "p1.png", photos / "p2.png"),
    "a row cut short": lambda out, photos: cut_last_row(out, "p2.png"),
    "no row": lambda out, photos: files.truncate_jsonl(
        out / "manifest.jsonl", lambda row: row["mask"] != "p2.png"
    ),
}


def cut_last_row(out, name):
    """Makes the row of `name` the last, and torn."""
    path = out / "manifest.jsonl"
    lines = path.read_text().splitlines()
    lines.sort(key=lambda line: name in line)
    path.write_text("\n".join(lines)[:-20])


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_done_again(tiny, bundle, photos, tmp_path, change):
    out = tmp_path / "out"
    predict(bundle, photos, out)
    change(out, photos)
    assert kept(predict(bundle, photos, out)) == [f"p{index}.png" for index in (0, 1, 3, 4, 5)]
    assert len(read_jsonl(out / "manifest.jsonl")) == 6
    check_whole(out, photos, tiny)


def test_other_options_and_bundles_do_it_all_again(tiny, bundle, photos, tmp_path):
    out = tmp_path / "out"
    predict(bundle, photos, out)
    assert kept(predict(bundle, photos, out, tile=64)) == []
    other = tiny.write_bundle(tmp_path / "other", model=tiny.model())
    assert kept(predict(other, photos, out, tile=64)) == []
    assert kept(predict(other, photos, out, tile=64)) == [f"p{index}.png" for index in range(6)]


def test_rows_of_photos_that_are_not_asked_for_stay(tiny, bundle, photos, tmp_path):
    out, segmenter = tmp_path / "out", Segmenter(bundle)
    list(predict_files(segmenter, [photos / "p0.png", photos / "p1.png"], out))
    list(predict_files(segmenter, [photos / "p2.png"], out))
    masks = [row["mask"] for row in read_jsonl(out / "manifest.jsonl")]
    assert masks == ["p0.png", "p1.png", "p2.png"]


def test_bad_photos_are_rows_and_are_tried_again(tiny, bundle, photos, tmp_path):
    good = (photos / "p1.png").read_bytes()
    (photos / "p1.png").write_bytes(b"no photo")
    out, segmenter = tmp_path / "out", Segmenter(bundle)
    paths = [*sorted(photos.iterdir()), photos / "gone.png"]
    rows = [outcome.row for outcome in predict_files(segmenter, paths, out)]
    wrong = [row for row in rows if row["status"] == "error"]
    assert [row["mask"] for row in wrong] == ["p1.png", "gone.png"]
    assert "p1.png: must be an image" in wrong[0]["error"]
    assert not (out / "p1.png").exists()
    (photos / "p1.png").write_bytes(good)
    outcomes = predict(bundle, photos, out)
    assert len(kept(outcomes)) == 5
    check_whole(out, photos, tiny)


def test_overlays_are_written_and_missed(bundle, photos, tmp_path):
    out = tmp_path / "out"
    predict(bundle, photos, out)
    assert kept(predict(bundle, photos, out, with_overlay=True)) == []
    with Image.open(out / "p1_overlay.jpg") as drawn:
        assert drawn.size == (17, 31)
    assert len(kept(predict(bundle, photos, out, with_overlay=True))) == 6
    (out / "p1_overlay.jpg").unlink()
    assert len(kept(predict(bundle, photos, out, with_overlay=True))) == 5


def test_a_photo_that_vanishes_meanwhile_is_a_row(bundle, photos, tmp_path):
    done = predict_files(
        Segmenter(bundle), photo_files([photos]), tmp_path / "out", with_overlay=True
    )
    next(done)
    for path in photos.iterdir():
        path.unlink()
    rows = [outcome.row for outcome in done]
    assert len(rows) == 5
    assert rows[-1]["status"] == "error"


def test_names_of_another_encoding(bundle, photos, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(photos / "p0.png", photos / name)
    (photos / os.fsdecode(b"br\xfcch.png")).write_bytes(b"no photo")
    out = tmp_path / "out"
    rows = [outcome.row for outcome in predict(bundle, photos, out)]
    assert {row["mask"] for row in rows} >= {"caf\\xe9.png", "br\\xfcch.png"}
    assert (out / name).is_file()
    assert len(kept(predict(bundle, photos, out))) == 7


def test_nothing_is_written_beside_the_photos(bundle, photos):
    before = sorted(photos.iterdir())
    with pytest.raises(DataError, match="lies in --out"):
        predict(bundle, photos, photos)
    assert sorted(photos.iterdir()) == before


def test_a_folder_is_one_calls_at_a_time(bundle, photos, tmp_path):
    done = predict_files(Segmenter(bundle), photo_files([photos]), tmp_path / "out")
    next(done)
    with pytest.raises(RunError, match="in use by process"):
        predict(bundle, photos, tmp_path / "out")
    done.close()
    assert len(kept(predict(bundle, photos, tmp_path / "out"))) >= 1


# A network that takes its time, so that a kill comes between photos.
_SLOW = """
import sys, time
from pathlib import Path
from wsss_tf.serving import Segmenter, network, photo_files, predict_files
quick = network.Network.__call__
def slow(self, batch, **options):
    time.sleep(0.02)
    return quick(self, batch, **options)
network.Network.__call__ = slow
bundle, photos, out = map(Path, sys.argv[1:])
for _ in predict_files(Segmenter(bundle), photo_files([photos]), out):
    pass
"""


def count(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_it_goes_on_without_redoing_what_is_done(tiny, bundle, tmp_path):
    photos, out = tmp_path / "many", tmp_path / "out"
    photos.mkdir()
    for index in range(60):
        Image.fromarray(tiny.noise(12, 9 + index % 4, index)).save(photos / f"{index:03}.png")
    times, manifest = {}, out / "manifest.jsonl"
    for goal in (5, 25):
        command = [sys.executable, "-c", _SLOW, bundle, photos, out]
        with subprocess.Popen(command) as process:
            while count(manifest) < goal and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        done = {row["mask"]: row for row in read_jsonl(manifest)}
        assert goal <= len(done) < 60
        for name, moment in times.items():
            assert (out / name).stat().st_mtime_ns == moment, name
        times = {name: (out / name).stat().st_mtime_ns for name in done}
    outcomes = predict(bundle, photos, out)
    assert set(kept(outcomes)) == set(times)
    assert len(read_jsonl(manifest)) == 60
    for name, moment in times.items():
        assert (out / name).stat().st_mtime_ns == moment, name
    check_whole(out, photos, tiny)


def test_a_write_that_fails_stops_and_loses_nothing(tiny, bundle, photos, tmp_path, monkeypatch):
    """As a full disk would, whatever the machine allows tests to do."""
    out, original, calls = tmp_path / "out", os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"p3\.png: cannot be written: No space left .* Free space"):
        predict(bundle, photos, out)
    monkeypatch.undo()
    check_whole(out, photos, tiny)
    assert kept(predict(bundle, photos, out)) == ["p0.png", "p1.png", "p2.png"]
    check_whole(out, photos, tiny)


def test_a_full_disk(tiny, bundle, tmp_path, disk):
    photos, out = tmp_path / "many", disk.folder / "out"
    photos.mkdir()
    for index in range(30):
        Image.fromarray(tiny.noise(70, 90, index)).save(photos / f"{index:03}.png")
    for _ in range(2):  # The second call finds the disk full from the beginning.
        with pytest.raises(RunError, match="No space left on device"):
            predict(bundle, photos, out)
        check_whole(out, photos, tiny)
    done = [row["mask"] for row in read_jsonl(out / "manifest.jsonl")]
    assert 0 < len(done) < 30
    assert disk("remount,size=4m")
    assert kept(predict(bundle, photos, out)) == done
    check_whole(out, photos, tiny)
    assert len(read_jsonl(out / "manifest.jsonl")) == 30


def test_a_read_only_folder(bundle, photos, disk):
    out = disk.folder / "out"
    assert disk("remount,size=4m")
    predict(bundle, photos, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert disk("remount,ro")
    with pytest.raises(RunError, match="cannot be written: Read-only file system"):
        predict(bundle, photos, out, tile=64)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_place_that_can_be_no_folder(bundle, photos, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(RunError, match="cannot be written"):
        predict(bundle, photos, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_foreign_manifest_is_refused(bundle, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.jsonl").write_text("no JSON\n" + json.dumps({}) + "\n")
    with pytest.raises(RunError, match=r"manifest\.jsonl:1: not JSON"):
        predict(bundle, photos, tmp_path / "out")


def test_paths_that_no_file_can_have_are_error_rows(bundle, photos, tmp_path):
    (photos / "a.jpg").symlink_to("b.jpg")
    (photos / "b.jpg").symlink_to("a.jpg")
    names = ["p0.png", "a.jpg", "n" * 300 + ".png", "nul\0.png", "p1.png"]
    given = photo_files([photos / name for name in names])
    rows = [outcome.row for outcome in predict_files(Segmenter(bundle), given, tmp_path / "out")]
    assert [row["status"] for row in rows] == ["ok", "error", "error", "error", "ok"]


def test_a_photo_that_went_bad_leaves_no_mask_of_before(bundle, photos, tmp_path):
    out = tmp_path / "out"
    predict(bundle, photos, out, with_overlay=True)
    (photos / "p2.png").write_bytes((photos / "p2.png").read_bytes()[:-40])
    rows = {row["mask"]: row for row, _ in predict(bundle, photos, out, with_overlay=True)}
    assert rows["p2.png"]["status"] == "error"
    assert not (out / "p2.png").exists()
    assert not (out / "p2_overlay.jpg").exists()
    assert (out / "p1.png").exists()


def test_a_manifest_that_cannot_be_read_is_told(bundle, photos, tmp_path):
    (tmp_path / "out" / "manifest.jsonl").mkdir(parents=True)
    with pytest.raises(RunError, match="manifest.jsonl: cannot be read"):
        predict(bundle, photos, tmp_path / "out")

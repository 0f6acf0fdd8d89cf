"""VOC 2012 and SBD from small archives in their original formats."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_tf.config import DataSettings
from wsss_tf.data import open_dataset
from wsss_tf.data.prepare import sbd as sbd_archive
from wsss_tf.data.prepare import voc
from wsss_tf.errors import DataError
from wsss_tf.labels import label_space, palette


def indices(content: bytes) -> np.ndarray:
    """The palette indices of a PNG, by Pillow alone; its palette must be VOC's."""
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "P"
        assert image.getpalette() == palette().ravel().tolist()
        return np.asarray(image)


def expected_lists(photos):
    """The lists by loops over the photos of the archives."""
    lists = {"train": [], "val": [], "trainval": [], "train_aug": []}
    for photo in photos:
        if photo.official:
            lists[photo.official].append(photo.id)
            lists["trainval"].append(photo.id)
        if photo.official != "val" and (photo.official or photo.sbd):
            lists["train_aug"].append(photo.id)
    return lists


def test_every_file_is_what_the_archives_hold(pets, made, voc_root, prepare, tmp_path):
    photos = made("PHOTOS")
    record = prepare(voc_root)
    files, lists = pets.tree(tmp_path / "out"), expected_lists(photos)
    listed = [photo for photo in photos if photo.official or photo.sbd]
    assert len(listed) == 9
    assert sorted(files) == sorted(
        [
            "SHA256SUMS",
            "data.json",
            "tags.csv",
            *(f"lists/{split}.txt" for split in lists),
            *(f"images/{photo.id}.jpg" for photo in listed),
            *(f"masks/{photo.id}.png" for photo in listed),
        ]
    )
    for split, ids in lists.items():
        assert files[f"lists/{split}.txt"].decode().splitlines() == ids
    rows = list(csv.DictReader(io.StringIO(files["tags.csv"].decode())))
    for photo, row in zip(listed, rows, strict=True):
        assert files[f"images/{photo.id}.jpg"] == photo.photo()
        mask = indices(files[f"masks/{photo.id}.png"])
        truth = photo.official_mask() if photo.official else photo.sbd_mask()
        np.testing.assert_array_equal(mask, truth)
        tags = []
        for name in photo.objects:
            if name not in tags:
                tags.append(name)
        assert row["photo"] == f"images/{photo.id}.jpg"
        assert row["split"] == (photo.official or "train_aug")
        assert row["tags"].split() == tags
    assert 255 in indices(files["masks/2007_000039.png"])
    assert record == json.loads(files["data.json"])
    assert record["splits"] == {split: len(ids) for split, ids in lists.items()}
    assert (record["photos"], record["masks"]) == (9, 9)
    assert record["labels"] == list(label_space("voc").names)
    assert [source["name"] for source in record["sources"]] == [
        "VOCtrainval_11-May-2012.tar",
        "benchmark.tgz",
    ]


def test_counts_that_are_not_the_full_edition_s_are_told(voc_root, prepare):
    record = prepare(voc_root)
    assert sum(note.startswith("train has 3 photos") for note in record["notes"]) == 1
    for words in (
        "SBD's val has 3 photos; that of the full edition has 2857",
        "SBD's train has 4 photos",
        "VOCtrainval_11-May-2012.tar is not the original archive",
        "benchmark.tgz is not the original archive",
    ):
        assert sum(words in note for note in record["notes"]) == 1
        assert sum(words in line for line in prepare.said) == 1
    assert not any("train_aug" in note for note in record["notes"])


@pytest.mark.parametrize("right", [True, False])
def test_train_aug_is_counted_where_the_lists_are_full(voc_root, prepare, monkeypatch, right):
    full = {"train": 3, "val": 3, "SBD's train": 4, "SBD's val": 3}
    monkeypatch.setattr(voc, "FULL", full)
    monkeypatch.setattr(voc, "TRAIN_AUG", 6 if right else 7)
    notes = [note for note in prepare(voc_root)["notes"] if "archive" not in note]
    assert len(notes) == (0 if right else 1)
    if not right:
        assert notes[0].startswith("train_aug has 6 photos; that of others")


def test_the_counts_are_the_published_ones():
    # 2,913 photos of VOC and 11,355 of SBD, 12,031 of either (Hariharan et al. 2011; Chen et al.,
    # DeepLab): what is not in val is train_aug.
    assert voc.FULL["SBD's train"] + voc.FULL["SBD's val"] == 11_355
    assert voc.FULL["train"] + voc.FULL["val"] == 2_913
    assert voc.TRAIN_AUG + voc.FULL["val"] == 12_031


def test_without_sbd_there_are_the_official_lists(made, voc_root, prepare, tmp_path):
    (voc_root / "benchmark.tgz").unlink()
    record = prepare(voc_root)
    assert record["splits"] == {"train": 3, "trainval": 6, "val": 3}
    assert record["photos"] == 6
    assert not (tmp_path / "out/lists/train_aug.txt").exists()
    assert any("SBD (benchmark.tgz) was not there" in line for line in prepare.said)


@pytest.mark.parametrize("place", ["VOCdevkit/VOC2012", "VOC2012", "."])
def test_unpacked_folders_give_the_same_data(pets, made, voc_root, prepare, tmp_path, place):
    prepare(voc_root, tmp_path / "packed")
    root = tmp_path / "unpacked"
    made("unpack")(root / "tmp", made("voc_files")())
    shutil.copytree(root / "tmp/VOCdevkit/VOC2012", root / place, dirs_exist_ok=True)
    shutil.rmtree(root / "tmp")
    made("unpack")(root, made("sbd_files")())
    record = prepare(root)
    packed, unpacked = pets.tree(tmp_path / "packed"), pets.tree(tmp_path / "out")
    packed.pop("data.json")
    unpacked.pop("data.json")
    assert packed == unpacked
    assert any("is a folder: its digest is of names and sizes" in note for note in record["notes"])


def test_sbd_in_a_tar_that_is_not_compressed(made, voc_root, prepare, tmp_path):
    made("pack_tar")(voc_root / "benchmark.tgz", made("sbd_files")())
    assert prepare(voc_root)["splits"]["train_aug"] == 6


def test_training_data_from_it(voc_root, prepare, tmp_path):
    prepare(voc_root)
    settings = DataSettings(source="prepared", root=tmp_path / "out", train_split="train_aug")
    dataset = open_dataset(settings, root=tmp_path / "out")
    assert {split: len(photos) for split, photos in dataset.photos.items()} == {
        "train_aug": 6,
        "val": 3,
    }
    assert dataset.labels == label_space("voc")


def test_a_second_call_is_quick_and_changes_nothing(voc_root, prepare, tmp_path, monkeypatch):
    record = prepare(voc_root)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}

    def not_opened(*arguments, **options):
        raise AssertionError("an archive was opened")

    monkeypatch.setattr(voc, "open_archive", not_opened)
    monkeypatch.setattr(sbd_archive, "open_archive", not_opened)
    assert prepare(voc_root) == record
    assert (
        prepare.said[-1] == f"{tmp_path / 'out'} is prepared already, every file as it was written."
    )
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == stamps


def test_the_prepared_folder_may_lie_in_the_unpacked_one(made, prepare, tmp_path):
    made("unpack")(tmp_path / "root", made("voc_files")())
    root = tmp_path / "root" / "VOCdevkit" / "VOC2012"
    record = prepare(root, root / "prepared")
    (root / ".DS_Store").write_bytes(b"\0")
    assert prepare(root, root / "prepared") == record


def test_another_archive_into_the_same_folder_is_refused(made, voc_root, prepare, tmp_path):
    prepare(voc_root)
    (voc_root / "benchmark.tgz").unlink()
    with pytest.raises(DataError, match="holds another preparation.*differs in sources"):
        prepare(voc_root)


def test_download_fetches_what_is_missing(voc_root, prepare, monkeypatch):
    fetched = []

    def fetch(name, mirrors, sha256, folder, say):
        fetched.append((name, len(mirrors), sha256))
        shutil.move(voc_root / f"{name}.away", folder / name)
        return folder / name

    monkeypatch.setattr("wsss_tf.data.prepare.finding.fetch", fetch)
    os.rename(voc_root / "benchmark.tgz", voc_root / "benchmark.tgz.away")
    assert prepare(voc_root, download=True)["splits"]["train_aug"] == 6
    assert fetched == [("benchmark.tgz", 2, sbd_archive.ARCHIVE.sha256)]


def many(made, root, count=60):
    """Archives with `count` photos, large enough to be stopped among them."""
    form = made("PHOTOS")[0]
    photos = [
        dataclasses.replace(
            form, id=f"2010_{n:06}", official=("train", "val", "")[n % 3], sbd="train" * (n % 2),
            size=(150, 200),
        )
        for n in range(count)
    ]  # fmt: skip
    made("pack_tar")(root / "VOCtrainval_11-May-2012.tar", made("voc_files")(photos))
    made("pack_tar")(root / "benchmark.tgz", made("sbd_files")(photos), "w:gz")
    return root


@pytest.mark.parametrize(
    ("sent", "after"), [(signal.SIGKILL, 1), (signal.SIGKILL, 25), (signal.SIGINT, 10)]
)
def test_a_stopped_command_goes_on_to_the_same_bytes(pets, made, prepare, tmp_path, sent, after):
    root, out = many(made, tmp_path / "archives"), tmp_path / "stopped"
    command = [sys.executable, "-m", "wsss_tf.cli", "data", "prepare", "voc"]
    options = ["--root", str(root), "--out", str(out), "--workers", "1", "--any-archive"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and len(list(out.glob("masks/2*.png"))) < after:
        time.sleep(0.001)
    process.send_signal(sent)
    printed, errors = process.communicate(timeout=30)
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert "Stopped. The same command goes on where this one ended." in errors
        assert "Traceback" not in errors
    else:
        assert process.returncode == -signal.SIGKILL
    assert printed == ""
    assert not (out / "data.json").exists()
    assert not (out / "tags.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("masks/2*.png")}
    assert after <= len(kept) < 50
    again = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    lists = "lists: train 20, train_aug 30, trainval 40, val 20"
    assert again.stdout == f"{out}: 50 photos, 50 masks; {lists}.\n"
    assert "voc" in again.stderr
    # All but the one that may have been written and not noted yet.
    assert sum(path.stat().st_mtime_ns == stamp for path, stamp in kept.items()) >= after - 5
    prepare(root, tmp_path / "whole")
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


@pytest.mark.real
def test_real_palette_masks_are_kept_pixel_by_pixel(real, made, prepare, tmp_path):
    """60 photos and masks of VOC, as they are; by way of SBD's format every third."""
    animals, root = real / "voc_animals", tmp_path / "archives"
    with open(animals / "tags.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::19][:60]
    base, sbd = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"
    files, sbd_files, lists = {}, {}, {"train": [], "val": [], "sbd": []}
    for number, row in enumerate(rows):
        name = Path(row["photo"]).stem
        photo = made("Made")(name, "", "", tuple(row["tags"].split()))
        mask = (animals / "masks" / f"{name}.png").read_bytes()
        files[f"{base}/Annotations/{name}.xml"] = made("annotation")(photo).encode()
        files[f"{base}/JPEGImages/{name}.jpg"] = (animals / row["photo"]).read_bytes()
        lists[("train", "val", "sbd")[number % 3]].append(name)
        if number % 3 < 2:
            files[f"{base}/SegmentationClass/{name}.png"] = mask
        else:
            content = made("mat_file")(np.asarray(Image.open(io.BytesIO(mask))))
            sbd_files[f"{sbd}/cls/{name}.mat"] = content
    for split in ("train", "val"):
        text = "\n".join(lists[split]).encode()
        files[f"{base}/ImageSets/Segmentation/{split}.txt"] = text
    sbd_files[f"{sbd}/train.txt"] = "\n".join(lists["sbd"]).encode()
    sbd_files[f"{sbd}/val.txt"] = b""
    made("pack_tar")(root / "VOCtrainval_11-May-2012.tar", files)
    made("pack_tar")(root / "benchmark.tgz", sbd_files, "w:gz")
    assert prepare(root)["photos"] == 60
    unknown = 0
    for row in rows:
        name = Path(row["photo"]).stem
        with Image.open(animals / "masks" / f"{name}.png") as image:
            truth = np.asarray(image)
        mask = indices((tmp_path / "out/masks" / f"{name}.png").read_bytes())
        np.testing.assert_array_equal(mask, truth)
        unknown += int((mask == 255).sum())
        photo = (tmp_path / "out/images" / f"{name}.jpg").read_bytes()
        assert photo == (animals / row["photo"]).read_bytes()
    assert unknown > 60 * 500

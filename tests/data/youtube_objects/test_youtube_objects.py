"""YouTube-Objects from folders and archives in its layout to a prepared folder."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_tf.data.prepare.preparation import Request
from wsss_tf.data.prepare.youtube_objects import (
    FRAMES,
    Frame,
    Shot,
    evenly,
    prepare_youtube_objects,
    truth_map,
)
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256
from wsss_tf.labels import YOUTUBE_OBJECTS

CLASSES = ["aeroplane", "bird", "boat", "car", "cat", "cow", "dog", "horse", "motorbike", "train"]


def prepare(root: Path, out: Path, *, frames: int = FRAMES, download: bool = False) -> dict:
    request = Request(root, out, lambda line: None, download=download)
    return prepare_youtube_objects(request, frames=frames)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 75} if kind == "JPEG" else {}))
    return buffer.getvalue()


def frame(seed: int, kind: str = "JPEG", height: int = 24, width: int = 32) -> bytes:
    rng = np.random.default_rng(seed)
    return encoded(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), kind)


def object_mask(height: int = 24, width: int = 32) -> np.ndarray:
    """An object of whole JPEG blocks, so that its edge survives the compression."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : 2 * height // 3, width // 4 : width // 2] = 255
    return mask


class Files:
    """Content by path: of the frames of each class, and of youtube_masks."""

    def __init__(self) -> None:
        self.frames: dict[str, dict[str, bytes]] = {name: {} for name in CLASSES}
        self.masks: dict[str, bytes] = {}
        for seed, name in enumerate(CLASSES):
            for video, shots in {"0001": ("001", "002"), "0013": ("003",)}.items():
                for shot in shots:
                    for number in range(1, 6):
                        path = f"data/{video}/shots/{shot}/frame{number:04d}.jpg"
                        self.frames[name][path] = frame(100 * seed + number + int(shot))
        self.annotate("cow", "0001", "001", 2, image="00002.png")
        self.annotate("dog", "0013", "003", 1, image="frame0001.jpg")
        self.annotate("dog", "0013", "003", 4)  # Its frame is among the frames.

    def annotate(self, label: str, video: str, shot: str, number: int, image: str = "") -> None:
        place = f"{label}/data/{video}/shots/{shot}"
        self.masks[f"{place}/labels/{number:05d}.jpg"] = encoded(object_mask(), "JPEG")
        if image:
            kind = "PNG" if image.endswith("png") else "JPEG"
            self.masks[f"{place}/images/{image}"] = frame(7000 + number, kind)

    def write(self, root: Path, form: str = "folders") -> Path:
        root.mkdir(parents=True, exist_ok=True)
        groups = {
            name: {f"{name}/{p}": c for p, c in self.frames[name].items()} for name in CLASSES
        }
        groups["youtube_masks"] = {f"youtube_masks/{p}": c for p, c in self.masks.items()}
        for group, files in groups.items():
            if form == "folders":
                for name, content in files.items():
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_bytes(content)
            elif form == "zip" and group == "youtube_masks":
                with zipfile.ZipFile(root / "youtube_masks.zip", "w") as archive:
                    for name, content in files.items():
                        archive.writestr(name.removeprefix("youtube_masks/"), content)
            else:
                with tarfile.open(root / f"{group}.tar.gz", "w:gz") as tar:
                    for name, content in files.items():
                        info = tarfile.TarInfo(name)
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
        return root


def lists(out: Path, split: str) -> list[str]:
    return (out / "lists" / f"{split}.txt").read_text().split()


def mask(out: Path, name: str) -> np.ndarray:
    with Image.open(out / "masks" / f"{name}.png") as image:
        assert image.mode == "P"
        return np.array(image)


def test_the_prepared_folder(tmp_path):
    files, out = Files(), tmp_path / "out"
    record = prepare(files.write(tmp_path / "root"), out, frames=3)
    train, val = lists(out, "train"), lists(out, "val")
    assert len(train) == 30
    assert [sum(name.startswith(f"{label}_") for name in train) for label in CLASSES] == [3] * 10
    assert val == ["cow_0001_001_00002", "dog_0013_003_00001", "dog_0013_003_00004"]
    # Without masks bird has three shots of five frames; of 15, the middles of three stretches.
    birds = ["bird_0001_001_00003", "bird_0001_002_00003", "bird_0013_003_00003"]
    assert [name for name in train if name.startswith("bird")] == birds
    photo = files.frames["bird"]["data/0001/shots/002/frame0003.jpg"]
    assert (out / "images" / f"{birds[1]}.jpg").read_bytes() == photo
    with open(out / "tags.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["photo"].split("/")[1].split("_")[0]: row["tags"] for row in rows} == {
        name: name for name in CLASSES
    }
    photos = [row["photo"] for row in rows if row["split"] == "val"]
    assert photos == [
        "images/cow_0001_001_00002.png",
        "images/dog_0013_003_00001.jpg",
        "images/dog_0013_003_00004.jpg",
    ]
    beside = files.masks["cow/data/0001/shots/001/images/00002.png"]
    assert (out / photos[0]).read_bytes() == beside
    among = files.frames["dog"]["data/0013/shots/003/frame0004.jpg"]
    assert (out / photos[2]).read_bytes() == among
    expected = object_mask() // 255
    for name in val:
        label = YOUTUBE_OBJECTS.index(name.split("_")[0])
        assert np.array_equal(mask(out, name), expected * label)
    assert sorted(path.stem for path in (out / "masks").iterdir()) == val
    assert record["label_space"] == "youtube_objects"
    assert record["labels"] == list(YOUTUBE_OBJECTS.names)
    assert record["splits"] == {"train": 30, "val": 3}
    assert record["settings"] == {"frames": 3}
    assert "dog: 3 of 10 frames, of 2 shots; with masks: 2." in record["notes"]


def test_no_shot_is_in_both_lists(tmp_path):
    out = tmp_path / "out"
    prepare(Files().write(tmp_path / "root"), out)  # More than there are: all are taken.
    train, val = lists(out, "train"), lists(out, "val")
    shots = {name.rsplit("_", 1)[0] for name in train}
    assert shots & {name.rsplit("_", 1)[0] for name in val} == set()
    assert len(train) == 8 * 15 + 2 * 10
    assert len(shots) == 8 * 3 + 2 * 2


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_archives_give_what_folders_give(tmp_path, form):
    def tree(folder):
        files = (
            p for p in folder.rglob("*") if p.is_file() and p.name not in (".lock", "data.json")
        )
        return {p.relative_to(folder).as_posix(): sha256(p) for p in files}

    prepare(Files().write(tmp_path / "root"), tmp_path / "one", frames=4)
    prepare(Files().write(tmp_path / "archives", form), tmp_path / "two", frames=4)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [(6, 3, [1, 3, 5]), (7, 2, [1, 5]), (5, 5, [0, 1, 2, 3, 4]), (2, 9, [0, 1]), (1000, 1, [500])],
)
def test_frames_are_drawn_evenly(total, count, expected):
    frames = [Frame(Shot("cow", 1, 1), number) for number in range(total)]
    assert [one.number for one in evenly(frames, count)] == expected


def test_frames_of_a_long_list_lie_equally_far_apart():
    frames = [Frame(Shot("cow", 1, 1), number) for number in range(70_001)]
    steps = np.diff([one.number for one in evenly(frames, 2200)])
    assert len(steps) == 2199
    assert set(steps.tolist()) == {31, 32}


def test_a_mask_of_half_size_is_brought_to_its_photo():
    small, photo = object_mask(12, 16), frame(1)
    found = truth_map(photo, encoded(small, "PNG"), 6, "x")
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.kron(small // 255, np.ones((2, 2), np.uint8)) * 6)
    grey = np.full((24, 32), 127, np.uint8)
    grey[:, 16:] = 128
    assert np.array_equal(truth_map(photo, encoded(grey, "PNG"), 6, "x"), (grey > 127) * 6)
    with pytest.raises(DataError, match="x: must be an image"):
        truth_map(photo, b"no image at all", 6, "x")


@pytest.mark.parametrize("kind", ["1", "P"])
def test_a_mask_of_ids_or_dark_colours_is_refused(kind):
    mask = Image.fromarray((object_mask() > 0).astype(np.uint8))
    mask.putpalette([0, 0, 0, 127, 0, 0] if kind == "P" else [0, 0, 0, 1, 1, 1])
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    with pytest.raises(DataError, match=r"x\.png: must be 255 where the object is"):
        truth_map(frame(1), buffer.getvalue(), 6, "x.png")


def test_frames_and_masks_that_are_not_where_they_belong_are_named(tmp_path):
    files = Files()
    root = files.write(tmp_path / "root", "tar.gz")
    # A copy under the name of another class; a class that is none; numbers written in two ways.
    (root / "aeroplane.tar.gz").write_bytes((root / "bird.tar.gz").read_bytes())
    (root / "youtube_masks.tar.gz").unlink()
    for name in ("cow", "Dog"):
        labels = root / f"youtube_masks/{name}/data/0001/shots/001/labels"
        labels.mkdir(parents=True)
        (labels / "00002.jpg").write_bytes(encoded(object_mask(), "JPEG"))
    with pytest.raises(DataProblems, match="called as the classes, .* Received: Dog"):
        prepare(root, tmp_path / "out")
    (root / "youtube_masks/Dog").rename(tmp_path / "away")
    (root / "cat.tar.gz").unlink()
    for name in ("frame0001.jpg", "1.jpg"):
        path = root / "cat/data/0001/shots/001" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frame(1))
    with pytest.raises(DataProblems) as caught:
        prepare(root, tmp_path / "out")
    text = str(caught.value)
    assert "aeroplane.tar.gz: must hold frames of aeroplane. Received: those of bird." in text
    assert "cat: must hold each frame once. Received: 1 more than once, such as data/" in text
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_shape_is_refused(tmp_path):
    files = Files()
    name = "cow/data/0001/shots/001/labels/00002.jpg"
    files.masks[name] = encoded(object_mask(24, 24), "JPEG")
    with pytest.raises(DataProblems, match="cow_0001_001_00002: .*32 x 24. Received: 24 x 24"):
        prepare(files.write(tmp_path / "root"), tmp_path / "out")
    assert not (tmp_path / "out" / "data.json").exists()


def test_everything_that_is_missing_is_named(tmp_path):
    files = Files()
    files.annotate("car", "0002", "009", 1)
    files.annotate("bird", "0001", "001", 77)
    for shot in ("001", "002"):
        files.annotate("cat", "0001", shot, 1)
    files.annotate("cat", "0013", "003", 1)
    # Release 2: frames of all shots in one folder.
    files.frames["train"] = {f"{number:08d}.jpg": frame(number) for number in range(3)}
    with pytest.raises(DataProblems) as caught:
        prepare(files.write(tmp_path / "root"), tmp_path / "out")
    text = str(caught.value)
    for words in (
        "car: must have the shots that have masks, so that training can leave them out. Missing: "
        "1, such as 0002/009.",
        "bird/data/0001/shots/001/labels/00077.jpg: has no frame, here or among bird.",
        "cat: has no shot without masks, so nothing to train on.",
        "release 2 has no shots' folders. Get release 1.",
    ):
        assert words in text
    assert not (tmp_path / "out").exists()


def test_missing_archives_and_masks_are_errors(tmp_path):
    root = Files().write(tmp_path / "root", "tar.gz")
    (root / "horse.tar.gz").unlink()
    with pytest.raises(DataError, match=r"has neither horse\.tar\.gz nor"):
        prepare(root, tmp_path / "out")
    (root / "youtube_masks.tar.gz").unlink()
    with pytest.raises(DataError, match="ask for them at http://vision"):
        prepare(root, tmp_path / "out", download=True)
    Files().write(root, "folders")
    for path in (root / "youtube_masks").rglob("*.jpg"):
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(DataProblems, match="Jain and Grauman"):
        prepare(root, tmp_path / "out")
    with pytest.raises(ValueError, match="frames=0"):
        prepare(root, tmp_path / "out", frames=0)


def test_other_settings_do_not_mix_with_what_is_there(tmp_path):
    root, out = Files().write(tmp_path / "root"), tmp_path / "out"
    record = prepare(root, out, frames=2)
    assert prepare(root, out, frames=2) == record
    with pytest.raises(DataError, match="another preparation"):
        prepare(root, out, frames=3)

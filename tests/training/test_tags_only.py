"""What training opens, as the kernel sees it; and that without pixel labels no bit is another."""

import ctypes
import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.data.scenes_folder import write_scenes
from wsss_tf.training import open_run_data, run_stages
from wsss_tf.training.audit import KINDS, audit

IN_OPEN, IN_ISDIR, IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
SHORT = (
    "localize.steps=2",
    "segment.steps=2",
    "masks.crf={iterations: 2, regions: {method: slic, counts: [4, 12]}}",
)


class Opened:
    """The files in some folders that any process opens, by whatever library, while this is open."""

    def __init__(self, folders):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self.libc.inotify_init1(os.O_NONBLOCK)
        if self.descriptor < 0:
            pytest.skip(f"no inotify here: {os.strerror(ctypes.get_errno())}")
        self.folders = {self._watch(folder): folder for folder in folders}

    def _watch(self, folder):
        number = self.libc.inotify_add_watch(self.descriptor, os.fsencode(folder), IN_OPEN)
        assert number > 0, os.strerror(ctypes.get_errno())
        return number

    def files(self):
        """Those opened since the last call."""
        found = set()
        while content := self._read():
            while content:
                watch, mask, _, length = struct.unpack_from("iIII", content)
                assert not mask & IN_Q_OVERFLOW
                name = content[16 : 16 + length].rstrip(b"\0").decode()
                if not mask & IN_ISDIR:
                    found.add(self.folders[watch] / name)
                content = content[16 + length :]
        return found

    def _read(self):
        try:
            return os.read(self.descriptor, 65536)
        except BlockingIOError:
            return b""


@pytest.fixture
def opened():
    """Makes an `Opened`, and closes it."""
    made = []

    def make(*folders):
        if not sys.platform.startswith("linux"):
            pytest.skip("inotify is a part of Linux")
        made.append(Opened(folders))
        return made[-1]

    yield make
    for one in made:
        os.close(one.descriptor)


def listed(run):
    return {Path(path) for kind in KINDS for path in run.record().get(kind, {})}


def results(run):
    """Bytes of all that training made, but logs that tell the time."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for stage in ("localize", "masks", "segment")
        for path in run.stage(stage).rglob("*")
        if path.suffix in (".png", ".npz") or path.name == "index.jsonl"
    }


def test_the_list_is_what_was_opened_and_without_masks_every_bit_is_the_same(
    tiny_overrides, opened, tmp_path
):
    runs = []
    write_scenes(tmp_path / "scenes", train=12, val=3, size=48, seed=0)
    for name in ("with", "without"):
        data, cache = tmp_path / name / "data", tmp_path / name / "regions"
        shutil.copytree(tmp_path / "scenes", data)
        cache.mkdir()
        source = "scenes"
        if name == "without":
            shutil.rmtree(data / "masks")
            (data / "scenes.json").unlink()  # Now it is any tagged folder.
            source = "tagged_folder"
        places = (f"data.root={data}", f"data.regions_cache={cache}", f"data.source={source}")
        recipe = load_recipe(
            "scenes", (*tiny_overrides, *SHORT, *places, "data.label_space=scenes")
        )
        folders = [data, data / "images", data / "masks", cache]
        seen = opened(*filter(Path.exists, folders))
        run = run_stages(recipe, tmp_path / name / "run")
        files = {path for path in seen.files() if not path.name.startswith(".wsss-tmp-")}
        assert files == {path for path in listed(run) if path.is_relative_to(tmp_path)}
        assert not any(path.is_relative_to(data / "masks") for path in files)
        assert sum(path.parent == cache for path in files) == 12
        assert audit(run, open_run_data(run, "val")).passed
        runs.append(results(run))
    made = runs[0]
    assert sum(path.endswith(".png") for path in made) == 12
    assert {"localize/checkpoint.npz", "masks/index.jsonl", "segment/checkpoint.npz"} < set(made)
    assert runs[1] == made


def test_an_opened_mask_is_seen(tagged_root, opened):
    """Else the test above could not fail."""
    import tensorflow as tf

    masks = tagged_root / "masks"
    mask = min(masks.iterdir())
    seen = opened(masks)
    assert seen.files() == set()
    tf.io.read_file(str(mask))
    assert seen.files() == {mask}


def test_the_files_of_voc_s_layout_are_all_listed(tmp_path, opened):
    from PIL import Image

    root = tmp_path / "VOC2012"
    lists, annotations = root / "ImageSets" / "Segmentation", root / "Annotations"
    photos, masks = root / "JPEGImages", root / "SegmentationClass"
    objects = root / "SegmentationObject"
    for folder in (lists, annotations, photos, masks, objects):
        folder.mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        name = f"2007_00000{number}"
        Image.new("RGB", (9, 7), (number, 0, 0)).save(photos / f"{name}.jpg")
        Image.new("P", (9, 7), number).save(masks / f"{name}.png")
        Image.new("P", (9, 7), number + 1).save(objects / f"{name}.png")
        (annotations / f"{name}.xml").write_text(
            f"<annotation><id>{number}</id><object><name>cat</name></object></annotation>"
        )
        (lists / f"{split}.txt").write_text(f"{name}\n")
    seen = opened(root, lists, annotations, photos, masks, objects)
    changes = (
        f"data.root={root}",
        "data.train_split=train",
        "backbone={weights: compact, width: 0.125}",
    )
    run = run_stages(load_recipe("voc_tags", changes), tmp_path / "run", until=None)
    files = seen.files()
    assert files == {path for path in listed(run) if path.is_relative_to(root)}
    assert len(files) == 6  # A list, an annotation and a photo of train and of val each.
    dataset = open_run_data(run, "val")
    assert audit(run, dataset).passed
    run.record_files([objects / "2007_000000.png"])
    assert "SegmentationObject" in audit(run, dataset).pixel_labels[0]

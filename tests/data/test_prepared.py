"""The source `prepared`: lists, tags and classes from the folder; no mask is opened."""

from __future__ import annotations

import ctypes
import json
import shutil

import numpy as np
import pytest

from wsss_tf.data import open_dataset, truth_pairs
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.writing import write_prepared
from wsss_tf.data.prepared import list_prepared
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.labels import LabelSpace, label_space

LABELS = ("background", "cat", "dining table", "dog")


@pytest.fixture
def root(tmp_path, build):
    """Four photos, the first two in train and big, the third in val and big, the fourth in val."""
    lists = (("train", "big"), ("train", "big"), ("val", "big"), ("val",))
    tags = (("dog", "dining table"), ("cat",), (), ("dog",))
    items = [
        Item(
            f"p{n}",
            ".png",
            lambda n=n: build.encoded(build.noise(5 + n, 8, seed=n)),
            lambda n=n: np.full((5 + n, 8), n, np.uint8),
            tags[n],
            splits,
        )
        for n, splits in enumerate(lists)
    ]
    about = About("pets", "pets", LABELS, ())
    folder = tmp_path / "prepared"
    write_prepared(folder, items, about, workers=1, progress=lambda done, total: None)
    return folder


@pytest.fixture
def opened(root, build):
    def open_prepared(**changes):
        changes = {"eval_split": "val", **changes}
        return open_dataset(build.settings(source="prepared", **changes), root=root)

    return open_prepared


def test_lists_tags_and_classes_are_the_folder_s(root, opened):
    dataset = opened()
    assert dataset.labels == dataset.truth_labels == LabelSpace(LABELS)
    assert {split: [p.id for p in photos] for split, photos in dataset.photos.items()} == {
        "train": ["p0", "p1"],
        "val": ["p2", "p3"],
    }
    assert [photo.tags for photo in dataset.photos["train"]] == [("dog", "dining table"), ("cat",)]
    assert dataset.files == tuple(
        root / name for name in ("data.json", "tags.csv", "lists/train.txt", "lists/val.txt")
    )
    assert (dataset.mask_folder, dataset.other_truth) == (root / "masks", ())
    for n, (name, _, truth) in enumerate(truth_pairs(dataset, "val"), start=2):
        assert name == f"p{n}"
        np.testing.assert_array_equal(truth, np.full((5 + n, 8), n))


def test_a_photo_may_be_in_the_two_lists_that_are_read(opened):
    dataset = opened(train_split="train", eval_split="big")
    assert [photo.id for photo in dataset.photos["big"]] == ["p0", "p1", "p2"]


def test_kept_classes_are_those_of_the_folder(opened):
    dataset = opened(keep=["dog", "dining table"])
    assert dataset.labels.names == ("background", "dining table", "dog")
    assert dataset.truth_labels.names == LABELS
    with pytest.raises(DataProblems, match="data.keep.*'cow'"):
        opened(keep=["cow"])


def test_a_label_space_may_be_named_only_if_it_is_that_of_the_masks(root, opened):
    with pytest.raises(DataProblems, match="data.label_space: voc has other classes than data.js"):
        opened(label_space="voc")
    record = json.loads((root / "data.json").read_text())
    record["labels"] = list(label_space("voc").names)
    (root / "data.json").write_text(json.dumps(record))
    (root / "tags.csv").write_text((root / "tags.csv").read_text().replace("dining table", "cow"))
    assert opened(label_space="voc").labels == label_space("voc")


class Opened:
    """Names of the files of a folder that were opened since this was made, as the kernel says."""

    def __init__(self, folder):
        self.libc = ctypes.CDLL(None, use_errno=True)
        inotify = getattr(self.libc, "inotify_init1", None)
        if inotify is None:
            pytest.skip("inotify is a part of Linux")
        self.descriptor = inotify(0o4000)  # Not to wait.
        assert self.libc.inotify_add_watch(self.descriptor, bytes(folder), 0x20) > 0

    def any(self):
        buffer = ctypes.create_string_buffer(65536)
        return self.libc.read(self.descriptor, buffer, len(buffer)) > 0


def test_listing_opens_no_mask_and_needs_none(root, opened):
    masks, photos = Opened(root / "masks"), Opened(root / "images")
    with_masks = opened()
    assert photos.any()
    assert not masks.any()
    (root / "masks/p2.png").read_bytes()
    assert masks.any()
    shutil.rmtree(root / "masks")
    assert opened() == with_masks


def test_all_lists_for_a_check(root):
    listing = list_prepared(root)
    assert listing.splits == {"big", "train", "val"}
    assert [entry.id for entry in listing.entries if entry.split == "big"] == ["p0", "p1", "p2"]
    assert listing.problems == []
    assert listing.labels == LabelSpace(LABELS)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("lists/train.txt", "p0\np9\n", "train.txt:2: must be the id of a photo in tags.csv"),
        ("lists/train.txt", "p0\np0\n", "is listed twice"),
        ("lists/train.txt", "", "the split 'train' has no photo"),
        ("lists/train.txt", "../p0\n", "train.txt:1: must be the id"),
        ("lists/train.txt", "p0\n\xe4\n", "train.txt:2: must be UTF-8"),
        ("data.json", "{", "data.json: cannot be read"),
        ("data.json", "[]", "data.json: must be of format 1"),
        ("data.json", '{"format": 2}', "must be of format 1"),
        ("data.json", '{"format": 1}', "`labels` must be the names"),
        ("data.json", '{"format": 1, "labels": ["cat"]}', "must start with 'background'"),
        ("data.json", '{"format": 1, "labels": 3}', "`labels` must be the names"),
        ("tags.csv", "photo,tags\n", "must have the columns"),
        ("images/p0.png", "none", "p0.png"),
    ],
)
def test_a_bad_file_is_named(root, opened, name, content, part):
    (root / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataProblems) as caught:
        opened()
    assert len(caught.value.problems) == 1
    assert part in caught.value.problems[0]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("data.json", "has lost data.json, which tells its classes"),
        ("tags.csv", "tags.csv: does not exist"),
        ("lists/train.txt", "The lists here are: big, val"),
    ],
)
def test_a_missing_file_is_named(root, opened, name, part):
    (root / name).unlink()
    with pytest.raises(DataError, match=part):
        opened()


def test_an_unknown_tag_is_named_with_its_line(root, opened):
    path = root / "tags.csv"
    path.write_text(path.read_text().replace("train,cat", "train,kat"))
    with pytest.raises(DataProblems, match="train.txt:2: p1.png has the unknown tag 'kat'"):
        opened()

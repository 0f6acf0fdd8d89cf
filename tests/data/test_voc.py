"""The layout of PASCAL VOC."""

from __future__ import annotations

import pytest

from wsss_tf.data import open_dataset
from wsss_tf.errors import DataProblems
from wsss_tf.labels import VOC


def annotation(*names: str) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>1</difficult><part><name>head</name></part></object>"
        for name in names
    )
    return f"<annotation><filename>x.jpg</filename>{objects}</annotation>"


@pytest.fixture
def voc_root(tmp_path, build):
    root = tmp_path / "VOC2012"
    lists = root / "ImageSets" / "Segmentation"
    for folder in (root / "JPEGImages", root / "Annotations", lists):
        folder.mkdir(parents=True)
    tags = {"2007_000001": ("dog", "dog", "sofa"), "2007_000002": ("cat",), "2007_000003": ("car",)}
    for name, names in tags.items():
        content = build.encoded(build.noise(), "JPEG")
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(content)
        (root / "Annotations" / f"{name}.xml").write_text(annotation(*names))
    (lists / "train.txt").write_text("2007_000001\n2007_000002\n")
    (lists / "val.txt").write_text("2007_000003\n\n")
    (lists / "trainval.txt").write_text("2007_000001\n2007_000003\n")
    return root


@pytest.fixture
def opened(build):
    def open_voc(root, **changes):
        changes = {"eval_split": "val", **changes}
        return open_dataset(build.settings(source="voc", **changes), root=root)

    return open_voc


def test_voc_opens_without_masks(voc_root, opened):
    dataset = opened(voc_root)
    assert dataset.labels == dataset.truth_labels == VOC
    assert [photo.tags for photo in dataset.photos["train"]] == [("dog", "sofa"), ("cat",)]
    mask = voc_root / "SegmentationClass" / "2007_000003.png"
    assert dataset.truth("val") == {"2007_000003": mask}
    assert voc_root / "ImageSets/Segmentation/train.txt" in dataset.files
    assert voc_root / "Annotations/2007_000003.xml" in dataset.files


def test_a_photo_may_be_in_two_lists(voc_root, opened):
    dataset = opened(voc_root, eval_split="trainval")
    assert [photo.id for photo in dataset.photos["trainval"]] == ["2007_000001", "2007_000003"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("ImageSets/Segmentation/train.txt", "2007_000001\n2007_000001\n", "listed twice"),
        (
            "ImageSets/Segmentation/train.txt",
            "2007_000001 1\n",
            "train.txt:1: must be one photo id",
        ),
        ("ImageSets/Segmentation/train.txt", "a/b\n", "must be one photo id"),
        ("ImageSets/Segmentation/train.txt", "", "the split 'train' has no photo"),
        ("ImageSets/Segmentation/train.txt", "2009_1\n", "2009_1.xml: does not exist"),
        ("Annotations/2007_000002.xml", "<annotation>", "2007_000002.xml: is not valid XML"),
        ("Annotations/2007_000002.xml", annotation(), "2007_000002.jpg has no tag"),
        (
            "Annotations/2007_000002.xml",
            annotation("catt"),
            "unknown tag 'catt'. Did you mean 'cat'",
        ),
        ("Annotations/2007_000002.xml", annotation(""), "has an empty tag"),
        ("JPEGImages/2007_000002.jpg", "", "2007_000002.jpg"),
    ],
)
def test_a_bad_file_is_named(voc_root, opened, name, text, part):
    (voc_root / name).write_text(text)
    with pytest.raises(DataProblems) as caught:
        opened(voc_root)
    assert len(caught.value.problems) == 1
    assert part in caught.value.problems[0]


def test_a_missing_list_is_told_which_there_are(voc_root, opened):
    with pytest.raises(DataProblems, match="The lists here are: train, trainval, val"):
        opened(voc_root, eval_split="test")


def test_another_folder_is_told_what_voc_needs(tmp_path, opened):
    with pytest.raises(DataProblems, match=r"Missing: JPEGImages, Annotations.*VOCdevkit/VOC2012"):
        opened(tmp_path)

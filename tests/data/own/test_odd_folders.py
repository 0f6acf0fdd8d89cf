"""Folders that are nearly a layout: taken for what is meant, or refused with what to change."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from wsss_tf.data.own import read_layout


def rows(root):
    with open(root / "tags.csv", newline="") as file:
        return {row["photo"]: (row["split"], row["tags"]) for row in csv.DictReader(file)}


@pytest.fixture
def written(tmp_path, init):
    """`data init --write-tags` of a folder: its exit code, output, and the rows of tags.csv."""

    def write(root, *options):
        result = init(root, "--out", tmp_path / "recipe.yaml", "--write-tags", *options)
        assert "Traceback" not in result.output
        there = (root / "tags.csv").exists()
        assert there == (result.exit_code == 0), result.output
        return result, rows(root) if there else {}

    return write


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["train/cat/1", "val/cat/2", "unlabeled/3"], "train, val are names of splits"),
        (["cat/train/1", "cat/val/2", "dog/train/3"], "Turn that round: train/cat, not cat/train"),
        (["mine/cat/1", "mine/dog/2"], "Did you mean"),
        (["test/cat/1", "test/dog/2"], "must have photos to train on. Received: only the splits"),
    ],
)
def test_other_nestings_are_refused(tmp_path, photo, written, names, part):
    for seed, name in enumerate(names):
        photo(tmp_path / "mine" / f"{name}.jpg", seed)
    result, _ = written(tmp_path / "mine")
    assert result.exit_code == 2
    assert part in result.output


def test_folders_without_photos_are_no_classes_and_split_names_may_be_capitals(
    tmp_path, photo, written
):
    root = tmp_path / "mine"
    photo(root / "Train" / "cat" / "1.jpg", 1)
    photo(root / "Train" / "dog" / "2.jpg", 2)
    photo(root / "Val" / "dog" / "3.jpg", 3)
    photo(root / "Val" / "dog" / "@eaDir" / "thumb.jpg", 4)
    (root / "models").mkdir()
    (root / "models" / "weights.h5").write_bytes(b"x")
    result, found = written(root)
    assert result.exit_code == 0
    assert found == {
        "Train/cat/1.jpg": ("train", "cat"),
        "Train/dog/2.jpg": ("train", "dog"),
        "Val/dog/3.jpg": ("val", "dog"),
    }


@pytest.mark.parametrize("name", ["VOCdevkit/VOC2012/JPEGImages", "cow/data/0001/shots/001"])
def test_unpacked_archives_are_no_class_folders(tmp_path, photo, name):
    photo(tmp_path / "root" / name / "1.jpg", 1)
    photo(tmp_path / "root" / "cat" / "2.jpg", 2)
    layout = read_layout(tmp_path / "root")
    assert layout.name == "none"
    hints = ("VOC2012", "data prepare youtube_objects")
    assert any(hint in layout.listing.problems[0] for hint in hints)


def test_a_data_json_of_somebody_else_hides_no_class_folders(classes):
    (classes / "data.json").write_text('{"hello": 1}')
    assert read_layout(classes).name == "class_folders"


def test_a_class_with_a_space_at_its_front_needs_a_copy(tmp_path, photo, written, init):
    for seed, name in enumerate((" cat", "dog")):
        photo(tmp_path / "mine" / name / f"{seed}.jpg", seed)
    result, _ = written(tmp_path / "mine")
    assert result.exit_code == 2
    assert "begins or ends with a space" in result.output
    copied = init(
        tmp_path / "mine", "--out", tmp_path / "recipe.yaml", "--copy-to", tmp_path / "copy"
    )
    assert copied.exit_code == 0, copied.output
    assert "2 classes" in copied.output


@pytest.mark.parametrize("name", ["a,b", "a|b", "\u201chot dog\u201d"])
def test_classes_with_marks_survive_tags_csv(tmp_path, photo, written, name):
    for seed, folder in enumerate((name, "dog")):
        photo(tmp_path / "mine" / folder / f"{seed}.jpg", seed)
    result, found = written(tmp_path / "mine")
    assert result.exit_code == 0, result.output
    assert (f'"{name}"') in {tags for _, tags in found.values()}
    assert "2 classes" in result.output


def test_no_class_loses_its_last_photo_to_evaluate(tmp_path, photo, written):
    root = tmp_path / "mine"
    for seed in range(40):
        photo(root / (f"rare{seed}" if seed < 20 else "cat") / f"{seed}.jpg", seed)
    result, found = written(root, "--val-share", "0.4")
    assert result.exit_code == 0
    splits = {tags: set() for _, tags in found.values()}
    for split, tags in found.values():
        splits[tags].add(split)
    assert splits.pop("cat") == {"train", "val"}
    assert all(names == {"train"} for names in splits.values())
    assert sum(split == "val" for split, _ in found.values()) == 16


def test_a_copy_has_its_own_classes(classes, tmp_path, init):
    options = ("--copy-to", tmp_path / "copy", "--label-space", "voc")
    result = init(classes, "--out", tmp_path / "recipe.yaml", *options)
    assert result.exit_code == 2
    assert "goes with --write-tags" in result.output
    assert not (tmp_path / "copy").exists()


def coco(root, name, numbers, annotations=None):
    if annotations is None:
        annotations = [{"image_id": n, "category_id": 1 + n % 2} for n in numbers]
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in numbers],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": annotations,
    }
    path = root / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "folder", ["train2017", "images/train2017", "images/train", "train/images", "train"]
)
def test_photos_where_cocos_own_folders_have_them(tmp_path, photo, written, folder):
    root = tmp_path / "mine"
    for number in range(4):
        photo(root / folder / f"{number}.jpg", number)
    coco(root, "annotations/instances_train2017", range(4))
    result, found = written(root)
    assert result.exit_code == 0, result.output
    assert found[f"{folder}/3.jpg"] == ("train", "dog")


def test_a_file_of_all_photos_moves_none_that_has_a_split(tmp_path, photo, written):
    root = tmp_path / "mine"
    for number in range(12):
        photo(root / f"{number}.jpg", number)
    coco(root, "train", range(8))
    coco(root, "all_images", range(12))
    result, found = written(root, "--val-share", "0.5")
    assert result.exit_code == 0, result.output
    assert {found[f"{number}.jpg"][0] for number in range(8)} == {"train"}
    assert sum(split == "val" for split, _ in found.values()) == 2


def test_a_file_of_photos_that_all_have_splits_is_no_split(tmp_path, photo):
    root = tmp_path / "mine"
    for number in range(4):
        photo(root / f"{number}.jpg", number)
    coco(root, "train", range(3))
    coco(root, "val", (3,))
    coco(root, "all_images", range(4))
    listing = read_layout(root).listing
    assert listing.splits == {"train", "val"}
    assert [entry.split for entry in listing.entries] == ["train", "train", "train", "val"]


def test_a_photo_in_two_splits_is_named_as_such(tmp_path, photo, written):
    root = tmp_path / "mine"
    for number in range(4):
        photo(root / f"{number}.jpg", number)
    coco(root, "train", range(3))
    coco(root, "val", (2, 3))
    result, _ = written(root)
    assert result.exit_code == 2
    assert "2.jpg: is in the splits train and val. Take it out of all but one." in result.output


def test_annotations_that_are_no_list_are_named(tmp_path, photo, written):
    photo(tmp_path / "mine" / "1.jpg", 1)
    coco(tmp_path / "mine", "train", (1,), annotations={"a": 1})
    result, _ = written(tmp_path / "mine")
    assert "`annotations` must be a list" in result.output


def test_the_command_in_the_recipe_can_be_run(classes, tmp_path, init):
    out = tmp_path / "a folder" / "my #1.yaml"
    out.parent.mkdir()
    assert init(classes, "--out", out, "--write-tags").exit_code == 0
    assert f"# Run:    wsss-tf train '{out}' --out runs/mine\n" in out.read_text()
    shutil.rmtree(out.parent)

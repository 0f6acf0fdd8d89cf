"""What a folder is taken for, and that each layout is checked by its own rules."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from wsss_tf.data.own import guess_splits, read_layout
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.journal import NAME
from wsss_tf.data.prepare.writing import write_prepared

ANNOTATION = "<annotation>{}</annotation>"
OBJECT = "<object><name>{}</name></object>"


@pytest.fixture
def voc(folder, tmp_path):
    """A VOC folder of three photos; trainval holds both other lists."""
    root = tmp_path / "VOC2012"
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (root / "Annotations").mkdir()
    for name, tags, ids in (("p1", ["dog"], (0, 12)), ("p2", ["cat"], (8, 255)), ("p3", [], (0,))):
        folder.photo(f"{name}.jpg", None, "")
        folder.mask(name, *ids)
        text = ANNOTATION.format("".join(OBJECT.format(tag) for tag in tags))
        (root / "Annotations" / f"{name}.xml").write_text(text)
    shutil.move(folder.root / "images", root / "JPEGImages")
    shutil.move(folder.root / "masks", root / "SegmentationClass")
    (lists / "train.txt").write_text("p1\n")
    (lists / "val.txt").write_text("p2\n")
    (lists / "trainval.txt").write_text("p1\np2\n")
    return root


def test_voc_is_known_and_its_lists_may_share_photos(voc, run):
    found = run(voc)
    assert found.result.exit_code == 0
    assert "a VOC folder" in found.result.stdout
    assert (found.data["layout"], found.data["photos"]) == ("voc", 2)
    # The mask of p3, which no list names.
    assert found.counts == {"no_photos": 19, "stray_masks": 1, "shared": 2}
    texts = [item["text"] for item in found.items["shared"]]
    assert texts[0].startswith("train and trainval: 1 photo, such as")
    assert found.data["frequencies"]["trainval"]["dog"] == 1


def test_what_voc_does_not_train_on_fails_no_training(voc, run):
    (voc / "ImageSets" / "Segmentation" / "test.txt").write_text("p3\ngone\n")
    (voc / "JPEGImages" / "p3.jpg").write_bytes(b"no photo")
    found = run(voc)
    assert found.result.exit_code == 0
    expected = {"other_photos": 1, "other_lists": 1, "no_tags": 1, "no_photos": 19, "shared": 2}
    assert found.counts == expected
    found = run(voc, "--train-split", "test")
    assert found.result.exit_code == 1
    assert found.counts["unreadable"] == found.counts["empty_tags"] == found.counts["lists"] == 1


def test_a_photo_in_train_and_val_is_an_overlap(voc, run):
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("p1\np2\n")
    found = run(voc)
    assert found.counts["overlap"] == 1
    assert found.items["overlap"][0]["text"] == "JPEGImages/p1.jpg"
    assert found.result.exit_code == 0


@pytest.fixture
def prepared(folder, tmp_path):
    """A prepared folder of two photos with masks; `all` holds both lists."""
    items = []
    for name, tags, ids in (("p1", ("cat", "dog"), (1, 2)), ("p2", ("cat",), (1,))):
        content = folder.photo(f"{name}.jpg", None, "")
        mask = np.resize(np.array(ids, np.uint8), (12, 16))
        splits = ("train" if name == "p1" else "val", "both")
        items.append(Item(name, ".jpg", lambda c=content: c, lambda m=mask: m, tags, splits))
    about = About("mine", "mine", ("background", "cat", "dog"), ())
    root = tmp_path / "prepared"
    write_prepared(root, items, about, workers=1, progress=lambda done, total: None)
    return root


def test_a_prepared_folder(prepared, run):
    found = run(prepared)
    assert found.data["layout"] == "prepared"
    assert found.data["labels"] == ["background", "cat", "dog"]
    assert found.data["splits"] == {"both": 2, "train": 1, "val": 1}
    assert (found.counts, found.result.exit_code) == ({"shared": 2}, 0)


def test_edited_lists_of_a_prepared_folder(prepared, run):
    (prepared / "lists" / "val.txt").write_text("p2\np1\n")
    found = run(prepared)
    assert found.counts == {"shared": 2, "edited": 1, "overlap": 1}
    assert found.items["edited"][0]["text"] == "lists/val.txt"
    assert found.result.exit_code == 0


def _repainted(path):
    """The same mask with other bytes."""
    with Image.open(path) as image:
        image.save(path, "PNG", compress_level=0)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda root: (root / "images/p1.jpg").open("ab").write(b"\0"), ["images/p1.jpg"]),
        (lambda root: _repainted(root / "masks/p2.png"), ["masks/p2.png"]),
        (lambda root: (root / "masks/p1.png").unlink(), ["masks/p1.png: is gone"]),
    ],
)
def test_changed_files_of_a_prepared_folder(prepared, run, make, expected):
    make(prepared)
    found = run(prepared)
    assert found.counts == {"shared": 2, "changed": 1}
    assert [item["text"] for item in found.items["changed"]] == expected
    assert found.result.exit_code == 0


@pytest.mark.parametrize("name", ["images/p1.jpg", "SHA256SUMS"])
def test_a_pipe_in_a_prepared_folder_is_not_waited_for(prepared, run, name):
    (prepared / name).unlink()
    os.mkfifo(prepared / name)
    found = run(prepared)
    assert ("unreadable" if name == "images/p1.jpg" else "edited") in found.counts


def test_masks_that_are_all_gone_would_fail_scoring(prepared, run):
    shutil.rmtree(prepared / "masks")
    found = run(prepared)
    assert found.counts == {"shared": 2, "mask_missing": 1, "changed": 1}
    assert found.items["mask_missing"][0]["text"] == "masks/p2.png: does not exist"


def test_an_edited_list_is_told_beside_one_that_is_gone(prepared, run):
    (prepared / "lists" / "both.txt").unlink()
    (prepared / "lists" / "val.txt").write_text("p2\np1\n")
    assert [one["text"] for one in run(prepared).items["edited"]] == ["lists/val.txt"]


@pytest.mark.parametrize("name", ["../secret", "a\0b", ""])
def test_lists_elsewhere_are_not_looked_for(prepared, run, name):
    record = json.loads((prepared / "data.json").read_text())
    record["splits"][name] = 1
    (prepared / "data.json").write_text(json.dumps(record))
    found = run(prepared)
    assert found.result.exit_code == 1
    assert "`splits` those of the lists" in found.items["lists"][0]["text"]
    assert found.items["edited"][0]["text"].startswith("data.json: its classes or counts")


@pytest.mark.parametrize(
    "changes",
    [{"photos": 7}, {"splits": {"train": 3, "val": 1, "both": 2}}, {"sources": 1}, {"notes": 1}],
)
def test_a_record_that_was_edited_is_told(prepared, run, changes):
    record = json.loads((prepared / "data.json").read_text())
    (prepared / "data.json").write_text(json.dumps({**record, **changes}))
    found = run(prepared)
    assert found.counts == {"edited": 1, "shared": 2}
    assert found.items["edited"][0]["text"].startswith("data.json: its classes or counts")


def test_classes_that_are_not_those_of_the_label_space_are_told(prepared, run):
    record = json.loads((prepared / "data.json").read_text())
    record["label_space"] = "voc"
    (prepared / "data.json").write_text(json.dumps(record))
    (prepared / "lists" / "val.txt").write_text("p2\np1\n")
    texts = [one["text"] for one in run(prepared).items["edited"]]
    assert texts[0] == "lists/val.txt"
    assert texts[1].startswith("data.json: its classes or counts")


def test_digests_of_the_user_are_no_mark_of_a_preparation(clean, run):
    clean.write("SHA256SUMS", f"{'0' * 64}  images/a.jpg\n".encode())
    assert run(clean.finish()).counts == {}


def test_digests_that_are_gone_are_told(prepared, run):
    (prepared / "SHA256SUMS").unlink()
    found = run(prepared)
    assert found.counts == {"shared": 2, "edited": 1}
    assert found.items["edited"][0]["text"].startswith("SHA256SUMS: cannot be read")


@pytest.mark.parametrize("name", ["train", "val", "both"])
def test_a_list_that_is_gone_is_named(prepared, run, name):
    (prepared / "lists" / f"{name}.txt").unlink()
    found = run(prepared)
    (line,) = [one["text"] for one in found.items["lists" if name != "both" else "other_lists"]]
    assert f"{name}.txt: does not exist. The lists here are: " in line
    assert (found.data["train_split"], found.data["eval_split"]) == ("train", "val")
    assert found.result.exit_code == (0 if name == "both" else 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda root: (root / "data.json").write_text("{"),
        lambda root: (root / "data.json").write_text('{"format": 99}'),
        lambda root: (root / "lists" / "train.txt").unlink(),
        lambda root: (root / "lists" / "train.txt").write_text("p1\ngone\n"),
        lambda root: (root / "tags.csv").unlink(),
        lambda root: (root / "images" / "p1.jpg").unlink(),
    ],
    ids=["no JSON", "newer", "no list", "unknown id", "no tags", "no photo"],
)
def test_a_prepared_folder_that_would_not_train(prepared, run, make):
    make(prepared)
    assert run(prepared).result.exit_code == 1


def _classes(folder, *names):
    for name in names:
        folder.photo("x.jpg", None, "")
        path = folder.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder.root / "images" / "x.jpg", path)
    shutil.rmtree(folder.root / "images")
    return folder.root


def test_folders_per_class(folder, run):
    root = _classes(folder, "cat/1.jpg", "cat/deep/2.jpg", "hot dog/1.jpg")
    (root / "hot dog" / "3.jpg").write_bytes((root / "cat" / "1.jpg").read_bytes())
    (root / "cat" / "4.jpg").write_bytes((root / "cat" / "1.jpg").read_bytes()[:-30])
    found = run(root)
    assert found.data["layout"] == "class_folders"
    assert found.data["splits"] == {"all": 5}
    assert found.data["frequencies"]["all"] == {"cat": 3, "hot dog": 2}
    assert found.counts == {"truncated": 1, "several_classes": 1}
    assert found.result.exit_code == 1


def test_photos_that_class_folders_do_not_use_are_named(folder, run):
    root = _classes(folder, "cat/1.jpg", "dog/2.jpg")
    for name in ("cat/phone.HEIC", "loose.jpg", "cat/notes.txt", "dog/old.jfif"):
        (root / name).write_bytes(b"x")
    found = run(root)
    assert [item["text"] for item in found.items["unread"]] == [
        "loose.jpg",
        "cat/phone.HEIC",
        "dog/old.jfif",
    ]
    assert (found.counts, found.result.exit_code) == ({"unread": 3}, 0)


def test_folders_per_class_inside_splits(folder, run):
    root = _classes(folder, "train/cat/1.jpg", "train/dog/2.jpg", "valid/cat/3.jpg")
    found = run(root)
    assert found.data["splits"] == {"train": 2, "valid": 1}
    assert (found.data["train_split"], found.data["eval_split"]) == ("train", "valid")
    assert (found.counts, found.result.exit_code) == ({}, 0)
    (root / "valid" / "cat" / "4.jpg").write_bytes((root / "train/cat/1.jpg").read_bytes())
    assert run(root).counts == {"overlap": 1}


def _coco(**changes):
    content = {
        "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 9, "file_name": "2.jpg"}],
        "categories": [{"id": 3, "name": "dog"}, {"id": 90, "name": "hot dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 90, "bbox": [0, 0, 1, 1]},
            {"image_id": 7, "category_id": 90},
            {"image_id": 9, "category_id": 3},
        ],
    }
    return json.dumps({**content, **changes}).encode()


def test_coco_categories_are_tags(folder, run):
    folder.photo("1.jpg", None, "")
    folder.photo("2.jpg", None, "")
    folder.write("labels_train.json", _coco())
    found = run(folder.root)
    assert found.data["layout"] == "coco_tags"
    assert "labels_train.json" in found.result.stdout.splitlines()[0]
    assert found.data["frequencies"] == {"train": {"dog": 1, "hot dog": 1}}
    assert (found.counts, found.result.exit_code) == ({}, 0)


def test_coco_files_of_one_split_add_up_and_of_two_overlap(folder, run):
    folder.photo("1.jpg", None, "")
    folder.photo("2.jpg", None, "")
    folder.write("labels_train.json", _coco())
    more = [{"image_id": 7, "category_id": 3}]
    folder.write("annotations/keypoints_train2017.json", _coco(annotations=more))
    found = run(folder.root)
    assert found.data["frequencies"] == {"train": {"dog": 2, "hot dog": 1}}
    assert (found.counts, found.result.exit_code) == ({}, 0)
    images = [{"id": 7, "file_name": "1.jpg"}]
    folder.write("annotations/keypoints_val2017.json", _coco(images=images, annotations=more))
    assert run(folder.root).counts == {"overlap": 1}


@pytest.mark.parametrize(
    ("changes", "counts", "part"),
    [
        ({"annotations": []}, {"lists": 1, "empty_tags": 2}, "at least one tag"),
        ({"annotations": [{"image_id": 7, "category_id": 3}]}, {"empty_tags": 1}, "2.jpg"),
        (
            {"annotations": [{"image_id": n, "category_id": 3} for n in (7, 9, 11)]},
            {"lists": 1},
            "annotations[2] names the image 11",
        ),
        (
            {"annotations": [{"image_id": n, "category_id": n % 4} for n in (7, 9)]},
            {"lists": 1, "empty_tags": 1},
            "annotations[1] names the category 1",
        ),
        (
            {"images": [{"id": n, "file_name": "1.jpg"} for n in (7, 9)]},
            {"lists": 1},
            "1.jpg is listed twice",
        ),
        (
            {"images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(5)], "annotations": []},
            {"lists": 2, "empty_tags": 2},
            "3 of its 5 photos are not there, such as 0.jpg, 3.jpg, 4.jpg. Looked for in ./, "
            "images/.",
        ),
        ({"images": [{"id": 1}]}, {"lists": 3}, "images[0] must have an id and a text `file_name`"),
        ({"categories": {}}, {"lists": 3}, "`categories` must be a list"),
    ],
)
def test_a_bad_coco_file_is_named(folder, run, changes, counts, part):
    folder.photo("1.jpg", None, "")
    folder.photo("2.jpg", None, "")
    folder.write("labels_train.json", _coco(**changes))
    found = run(folder.root)
    assert found.result.exit_code == 1
    assert found.counts == counts
    assert part in str(found.items)


def _data_sets(root):
    """Two data sets, which are no two classes."""
    for name in ("one/images/a.jpg", "two/photos/b.jpg", "two/tags.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def _begun(root):
    """A preparation that ended in the middle."""
    (root / "images").mkdir(parents=True)
    (root / NAME).touch()


def _without_record(root):
    """A prepared folder of which a part was lost."""
    root.mkdir()
    for name in ("images", "lists"):
        (root / name).mkdir()
    (root / "SHA256SUMS").write_text(f"{'0' * 64}  images/1.jpg\n")
    (root / "tags.csv").write_text("photo,split,tags\n")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda root: root.mkdir(), "It is empty."),
        (lambda root: (root / "images").mkdir(parents=True), "Write tags.csv for these photos"),
        (lambda root: (root / "a" / "JPEGImages").mkdir(parents=True), "Did you mean"),
        (lambda root: _data_sets(root), "Did you mean"),
        (lambda root: _begun(root), "is not prepared to the end. Give the command again"),
        (lambda root: _without_record(root), "has lost data.json"),
    ],
    ids=["empty", "no photo", "above VOC", "above data sets", "unfinished", "no record"],
)
def test_a_folder_that_is_nothing_known_says_what_it_lacks(tmp_path, run, make, part):
    make(tmp_path / "root")
    found = run(tmp_path / "root")
    assert found.result.exit_code == 1
    assert found.counts == {"lists": 1}
    assert part in found.items["lists"][0]["text"]
    assert (found.data["layout"], found.data["photos"]) == ("none", 0)


def test_a_list_without_photos(folder, run):
    found = run(folder.finish())
    assert (found.counts, found.result.exit_code) == ({"lists": 1}, 1)
    assert "lists no photo" in found.items["lists"][0]["text"]


@pytest.mark.parametrize(
    ("found", "guessed"),
    [
        ({"train", "val", "test"}, ("train", "val")),
        ({"train_aug", "train", "trainval", "val"}, ("train_aug", "val")),
        ({"animals_train", "animals_val"}, ("animals_train", "animals_val")),
        ({"training", "test"}, ("training", "test")),
        ({"train"}, ("train", "train")),
        ({"Train", "Val"}, ("Train", "Val")),
        ({"Train", "train", "val"}, ("train", "val")),
        ({"train", "dev"}, ("train", "dev")),
        ({"mine"}, ("mine", "mine")),
        ({"val"}, ("train", "val")),
        ({"test"}, ("train", "test")),
        ({"all"}, ("all", "all")),
        (set(), ("train", "val")),
    ],
)
def test_splits_are_guessed_from_their_names(found, guessed):
    assert guess_splits(found) == guessed


def test_reading_a_layout_opens_no_photo_and_no_mask(clean):
    root = clean.finish()
    for path in (*root.glob("images/*"), *root.glob("masks/*")):
        path.write_bytes(b"")
    assert len(read_layout(root).listing.entries) == 4

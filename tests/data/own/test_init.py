"""`data init`: a recipe that loads and opens, from each kind of folder; nothing touched unasked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.data import open_dataset
from wsss_tf.labels import palette


def contents(root: Path) -> dict[Path, bytes]:
    return {p.relative_to(root): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def opened(recipe: Path):
    data = load_recipe(recipe).data
    return data, open_dataset(data, root=data.root)


def test_a_tagged_folder(tagged_root, tmp_path, init):
    before = contents(tagged_root)
    out = tmp_path / "new" / "recipe.yaml"
    result = init(tagged_root, "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 classes; photos: train 3, val 3" in result.output
    assert contents(tagged_root) == before
    data, dataset = opened(out)
    assert (data.source, data.root) == ("tagged_folder", tagged_root.resolve())
    assert (data.train_split, data.eval_split) == ("train", "val")
    assert dataset.labels.names == ("background", "cat", "dog")


def test_the_header_has_classes_ids_colours_and_counts(tagged_root, tmp_path, init):
    out = tmp_path / "recipe.yaml"
    init(tagged_root, "--out", out)
    text = out.read_text(encoding="utf-8")
    assert text.startswith("# 2 classes and background; 3 photos to train on, 3 to evaluate.\n")
    assert f"# Run:    wsss-tf train {out} --out runs/mine\n" in text
    rows = re.findall(r"^# +(\d+)  #([0-9a-f]{6})  ([ \d]{6})  (.+)$", text, re.MULTILINE)
    assert [(int(i), name) for i, _, _, name in rows] == [(0, "background"), (1, "cat"), (2, "dog")]
    assert [count.strip() for _, _, count, _ in rows] == ["", "2", "2"]
    for index, colour, _, _ in rows:
        assert bytes.fromhex(colour) == palette()[int(index)].tobytes()
    # The comments of the packaged recipe are there, and none of its placeholders.
    assert all(f"({mark})" in text for mark in range(1, 5))
    assert "root: photos" not in text
    assert max(len(line) for line in text.splitlines() if str(out) not in line) < 110


def test_everything_but_the_data_is_the_packaged_recipe(tagged_root, tmp_path, init):
    out = tmp_path / "recipe.yaml"
    init(tagged_root, "--out", out)
    ours, packaged = load_recipe(out), load_recipe("tagged_folder")
    assert ours.model_copy(update={"data": packaged.data}) == packaged


def test_what_is_there_is_not_replaced_unasked(tagged_root, tmp_path, init):
    out = tmp_path / "recipe.yaml"
    out.write_text("mine")
    result = init(tagged_root, "--out", out)
    assert result.exit_code == 2
    assert "exists. Give --force" in result.output
    assert out.read_text() == "mine"
    assert init(tagged_root, "--out", out, "--force").exit_code == 0
    assert load_recipe(out).data.source == "tagged_folder"


def test_a_folder_that_would_not_train_gets_no_recipe(tagged_root, tmp_path, init):
    (tagged_root / "images" / "a.jpg").write_bytes(b"no photo")
    (tagged_root / "images" / "b.jpg").unlink()
    out = tmp_path / "recipe.yaml"
    result = init(tagged_root, "--out", out)
    assert result.exit_code == 2
    assert "2 problems" in result.output
    assert not out.exists()


@pytest.mark.parametrize("name", ['my "photos": #1 é', "back\\slash", "line\nend", "tab\tü\x7f"])
def test_a_folder_of_any_name(tagged_root, tmp_path, init, name):
    root = tmp_path / name
    shutil.move(tagged_root, root)
    out = tmp_path / "recipe.yaml"
    result = init(root, "--out", out)
    assert result.exit_code == 0, result.output
    assert load_recipe(out).data.root == root.resolve()


def test_tags_of_any_name(tagged_root, tmp_path, init):
    text = (tagged_root / "tags.csv").read_text()
    odd = '"""# cat: \x07é"" dog"'
    (tagged_root / "tags.csv").write_text(text.replace("dog cat", odd).replace(",cat", ",dog"))
    out = tmp_path / "recipe.yaml"
    result = init(tagged_root, "--out", out)
    assert result.exit_code == 0, result.output
    assert opened(out)[1].labels.tags == ("# cat: \x07é", "dog")
    assert '"# cat: \\U00000007é"' in out.read_text(encoding="utf-8")


def test_a_label_space_can_be_named(tagged_root, tmp_path, init):
    out = tmp_path / "recipe.yaml"
    assert init(tagged_root, "--out", out, "--label-space", "voc").exit_code == 0
    data, dataset = opened(out)
    assert (data.label_space, dataset.labels.num_tags) == ("voc", 20)


def test_class_folders_are_left_alone_unless_asked(classes, tmp_path, init):
    before = contents(classes)
    result = init(classes, "--out", tmp_path / "recipe.yaml")
    assert result.exit_code == 2
    assert "--write-tags" in result.output
    assert "--copy-to" in result.output
    assert contents(classes) == before
    assert list(tmp_path.iterdir()) == [classes]


def test_class_folders_with_tags_written(classes, tmp_path, init):
    shutil.copy(classes / "cat" / "01.jpg", classes / "hot dog" / "also.jpg")
    before = contents(classes)
    out = tmp_path / "recipe.yaml"
    result = init(classes, "--out", out, "--write-tags")
    assert result.exit_code == 0, result.output
    after = contents(classes)
    first = after.pop(Path("tags.csv"))
    assert after == before
    _, dataset = opened(out)
    assert {split: len(photos) for split, photos in dataset.photos.items()} == {
        "train": 27,
        "val": 3,
    }
    tags = {p.id: p.tags for photos in dataset.photos.values() for p in photos}
    assert tags["01"] == ("cat", "hot dog")
    assert "also" not in tags
    # The same folder gives the same file.
    (classes / "tags.csv").unlink()
    assert init(classes, "--out", out, "--write-tags", "--force").exit_code == 0
    assert (classes / "tags.csv").read_bytes() == first


def test_a_new_photo_moves_no_other_to_another_split(classes, tmp_path, init, photo):
    def splits() -> dict[str, str]:
        (classes / "tags.csv").unlink(missing_ok=True)
        result = init(classes, "--out", tmp_path / "r.yaml", "--write-tags", "--force")
        assert result.exit_code == 0, result.output
        _, dataset = opened(tmp_path / "r.yaml")
        return {p.id: split for split, photos in dataset.photos.items() for p in photos}

    before = splits()
    photo(classes / "cat" / "new.jpg", 99)
    after = splits()
    assert sum(after[name] != split for name, split in before.items()) <= 1


def test_the_share_to_evaluate_can_be_chosen(classes, tmp_path, init):
    out = tmp_path / "recipe.yaml"
    assert init(classes, "--out", out, "--write-tags", "--val-share", "0.5").exit_code == 0
    assert len(opened(out)[1].split("val")) == 15
    assert init(classes, "--out", out, "--val-share", "1").exit_code == 2


def test_a_single_photo_trains_and_evaluates(tmp_path, init, photo):
    photo(tmp_path / "mine" / "cat" / "1.jpg", 0)
    out = tmp_path / "recipe.yaml"
    assert init(tmp_path / "mine", "--out", out, "--write-tags").exit_code == 0
    data, dataset = opened(out)
    assert (data.train_split, data.eval_split) == ("train", "train")
    assert len(dataset.split("train")) == 1


def test_repeated_names_need_a_copy(classes, tmp_path, init, photo):
    photo(classes / "hot dog" / "01.jpg", 77)
    result = init(classes, "--out", tmp_path / "recipe.yaml", "--write-tags")
    assert result.exit_code == 2
    assert "have the stem '01'" in result.output
    assert "--copy-to" in result.output
    assert not (classes / "tags.csv").exists()


def test_a_copy_names_photos_anew_and_leaves_the_folder(classes, tmp_path, init, photo):
    content = photo(classes / "hot dog" / "01.jpg", 77)
    before = contents(classes)
    out, copy = tmp_path / "recipe.yaml", tmp_path / "copy"
    result = init(classes, "--out", out, "--copy-to", copy)
    assert result.exit_code == 0, result.output
    assert contents(classes) == before
    assert (copy / "images" / "hot_dog_01.jpg").read_bytes() == content
    data, dataset = opened(out)
    assert (data.source, data.root) == ("prepared", copy.resolve())
    assert dataset.labels.tags == ("cat", "hot dog")
    assert sum(map(len, dataset.photos.values())) == 31


def test_splits_of_folders_are_kept(tmp_path, init, photo):
    root = tmp_path / "mine"
    photo(root / "train" / "cat" / "1.jpg", 1)
    photo(root / "train" / "dog" / "2.jpg", 2)
    photo(root / "valid" / "dog" / "3.png", 3)
    out = tmp_path / "recipe.yaml"
    assert init(root, "--out", out, "--write-tags").exit_code == 0
    data, dataset = opened(out)
    assert (data.train_split, data.eval_split) == ("train", "valid")
    assert [p.id for p in dataset.split("valid")] == ["3"]


def test_coco_categories_become_tags(tmp_path, init, photo):
    root = tmp_path / "mine"
    for split, start in (("train", 0), ("val", 10)):
        images = []
        for number in range(start, start + 4):
            photo(root / "images" / f"{number}.jpg", number)
            images.append({"id": number, "file_name": f"{number}.jpg"})
        pairs = [(n, 5) for n in range(start, start + 4)] + [(start, 8)]
        content = {
            "images": images,
            "categories": [{"id": 8, "name": "hot dog"}, {"id": 5, "name": "cat"}],
            "annotations": [{"image_id": i, "category_id": c} for i, c in pairs],
        }
        path = root / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    out = tmp_path / "recipe.yaml"
    result = init(root, "--out", out, "--write-tags")
    assert result.exit_code == 0, result.output
    _, dataset = opened(out)
    assert {p.id: p.tags for p in dataset.split("val")} == {
        "10": ("hot dog", "cat"),
        "11": ("cat",),
        "12": ("cat",),
        "13": ("cat",),
    }
    assert dataset.labels.tags == ("cat", "hot dog")


@pytest.mark.parametrize("name", ['cat "Tom"', "cat;dog", "background"])
def test_a_class_that_tags_cannot_name_is_refused(tmp_path, init, photo, name):
    photo(tmp_path / "mine" / name / "1.jpg", 1)
    photo(tmp_path / "mine" / "dog" / "2.jpg", 2)
    result = init(tmp_path / "mine", "--out", tmp_path / "recipe.yaml", "--write-tags")
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert name in result.output
    assert not (tmp_path / "mine" / "tags.csv").exists()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--write-tags", "--copy-to", "x"), "one of the two"),
        (("--copy-to", "{classes}/copy"), "must not lie inside"),
        (("--val-share", "2"), "val-share"),
        (("--val-share", "nan"), "Received: nan"),
    ],
)
def test_a_wrong_call_ends_with_2(classes, tmp_path, init, options, part):
    options = [option.format(classes=classes) for option in options]
    result = init(classes, "--out", tmp_path / "recipe.yaml", *options)
    assert result.exit_code == 2
    assert part in result.output


def test_a_tagged_folder_needs_no_copy(tagged_root, tmp_path, init):
    result = init(tagged_root, "--out", tmp_path / "r.yaml", "--copy-to", tmp_path / "copy")
    assert result.exit_code == 2
    assert "needs no tags and no copy" in result.output


def test_an_empty_folder_gets_no_recipe(tmp_path, init):
    (tmp_path / "empty").mkdir()
    result = init(tmp_path / "empty", "--out", tmp_path / "recipe.yaml")
    assert result.exit_code == 2
    assert "It is empty." in result.output
    assert not (tmp_path / "recipe.yaml").exists()

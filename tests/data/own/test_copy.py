"""`data init --copy-to` called again, with other photos or tags, interrupted, or with bad files."""

from __future__ import annotations

import json
import shutil

import pytest

from wsss_tf.data.own import making, read_layout


@pytest.fixture
def tagged_json(tmp_path, photo):
    """Ten photos of cats with a COCO-style JSON; the function writes it with other names or ids."""
    root = tmp_path / "json"

    def write(category="cat", files=None):
        files = files or [f"{number}.jpg" for number in range(10)]
        content = {
            "images": [{"id": n, "file_name": name} for n, name in enumerate(files)],
            "categories": [{"id": 1, "name": category}, {"id": 2, "name": "dog"}],
            "annotations": [{"image_id": n, "category_id": 1 + n % 2} for n in range(len(files))],
        }
        (root / "tags.json").write_text(json.dumps(content))
        return root

    for number in range(10):
        photo(root / f"{number}.jpg", number)
    write()
    return write


@pytest.fixture
def copy(tmp_path, init):
    """Copies a folder, again under the same names."""

    def run(root, *options):
        out, target = tmp_path / "recipe.yaml", tmp_path / "copy"
        return init(root, "--out", out, "--copy-to", target, "--force", *options)

    return run


def test_a_second_call_changes_nothing(tagged_json, copy, tmp_path):
    root = tagged_json()
    assert copy(root).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")}
    # What is no photo of the data set makes it no other one.
    (root / "recipe.yaml").write_text("mine")
    (root / ".DS_Store").write_bytes(b"\0")
    result = copy(root)
    assert result.exit_code == 0, result.output
    assert "is prepared already, every file as it was written" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("*")} == before


@pytest.mark.parametrize("change", ["tag", "content", "share"])
def test_other_data_are_not_taken_for_the_same(tagged_json, copy, tmp_path, change):
    root, options = tagged_json(), ()
    assert copy(root).exit_code == 0
    if change == "tag":
        tagged_json("cow")
    elif change == "content":
        # Another photo of the same size in bytes.
        content = bytearray((root / "1.jpg").read_bytes())
        content[-10] ^= 1
        (root / "1.jpg").write_bytes(content)
    else:
        options = ("--val-share", 0.5)
    result = copy(root, *options)
    assert result.exit_code == 2
    assert "holds another preparation, of 'own'; it differs in sources" in result.stderr
    assert "delete" not in result.stderr
    shutil.rmtree(tmp_path / "copy")
    assert copy(root, *options).exit_code == 0


def test_an_interrupted_copy_says_that_it_goes_on_and_does(
    tagged_json, copy, monkeypatch, tmp_path
):
    content, calls = making._content, []

    def stopped(photo):
        calls.append(photo)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return content(photo)

    monkeypatch.setattr(making, "_content", stopped)
    result = copy(tagged_json())
    assert result.exit_code == 130
    assert result.stderr.endswith("Stopped. The same command goes on where this one ended.\n")
    monkeypatch.undo()
    assert copy(tagged_json()).exit_code == 0
    assert len(list((tmp_path / "copy" / "images").iterdir())) == 10


@pytest.mark.parametrize(
    ("happens", "part"),
    [
        (lambda path: path.unlink(), "3.jpg: cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"other"), "3.jpg: was changed while it was copied"),
    ],
)
def test_a_photo_that_changes_meanwhile_is_named(tagged_json, copy, monkeypatch, happens, part):
    content = making._content

    def late(photo):
        if photo.path.name == "3.jpg":
            happens(photo.path)
        return content(photo)

    monkeypatch.setattr(making, "_content", late)
    result = copy(tagged_json())
    assert result.exit_code == 2
    assert part in result.stderr


def test_masks_that_the_user_adds_stay(tagged_json, copy, tmp_path):
    assert copy(tagged_json()).exit_code == 0
    mask = tmp_path / "copy" / "masks" / "1.png"
    mask.parent.mkdir(exist_ok=True)
    mask.write_bytes(b"mine")
    result = copy(tagged_json())
    assert result.exit_code == 0
    assert "is prepared already" in result.stderr
    (tmp_path / "copy" / "images" / "2.jpg").unlink()
    assert copy(tagged_json()).exit_code == 0
    assert mask.read_bytes() == b"mine"


@pytest.mark.parametrize("way", ["--write-tags", "--copy-to"])
def test_a_folder_whose_name_is_no_text(tagged_json, init, tmp_path, way):
    root = tagged_json().rename(tmp_path / "caf\udce9")
    options = (way,) if way == "--write-tags" else (way, tmp_path / "copy")
    result = init(root, "--out", tmp_path / "recipe.yaml", *options)
    assert result.exit_code == 0, result.output


def test_classes_called_as_the_parts_of_a_json(tagged_json, copy, tmp_path):
    path = tagged_json("images") / "tags.json"
    path.write_text(path.read_text().replace('"dog"', '"categories"'))
    assert copy(path.parent).exit_code == 0
    assert read_layout(tmp_path / "copy").name == "prepared"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("\ud800.jpg", "characters that no file name can have"),
        ("a" * 300 + ".jpg", "1 of its 10 photos are not there"),
        ("../1.jpg", "must stay inside"),
        ("a\0.jpg", "holds a null character"),
    ],
)
@pytest.mark.parametrize("way", [("--write-tags",), ("--copy-to", "copy")])
def test_a_file_name_that_no_file_can_have(
    tagged_json, init, tmp_path, monkeypatch, name, part, way
):
    monkeypatch.chdir(tmp_path)
    root = tagged_json(files=[name, *(f"{number}.jpg" for number in range(1, 10))])
    result = init(root, "--out", "recipe.yaml", *way)
    assert result.exit_code == 2, result.exception
    assert part in result.stderr
    assert not (tmp_path / "recipe.yaml").exists()


@pytest.mark.parametrize("way", [("--write-tags",), ("--copy-to", "copy")])
def test_a_class_name_that_is_no_text(tagged_json, init, tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    result = init(tagged_json("\ud800"), "--out", "recipe.yaml", *way)
    assert result.exit_code == 2, result.exception
    assert "must be text that UTF-8 can write" in result.stderr


def test_no_share_to_evaluate(tagged_json, copy):
    result = copy(tagged_json(), "--val-share", 0)
    assert result.exit_code == 0
    assert "photos: train 10." in result.stdout


def test_a_data_json_of_the_user_is_a_json_with_tags(tagged_json, copy):
    root = tagged_json()
    (root / "tags.json").rename(root / "data.json")
    assert copy(root).exit_code == 0

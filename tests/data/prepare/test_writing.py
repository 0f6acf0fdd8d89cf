"""The prepared folder: its bytes, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess

import numpy as np
import pytest

from wsss_tf.config import DataSettings
from wsss_tf.data import open_dataset
from wsss_tf.data.prepare.items import Item
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256
from wsss_tf.images import read_label_map


def test_the_folder_holds_what_the_items_give(pets, items, whole):
    record = json.loads((whole / "data.json").read_text())
    files = pets.tree(whole)
    assert sorted(files) == [
        "SHA256SUMS",
        "data.json",
        *("images/p0.jpg", "images/p1.png", "images/p2.jpg", "images/p3.png"),
        *("lists/all.txt", "lists/train.txt", "lists/val.txt"),
        *("masks/p0.png", "masks/p1.png", "masks/p3.png"),
        "tags.csv",
    ]
    for item in items:
        assert files[f"images/{item.id}{item.suffix}"] == item.photo()
        if item.mask is not None:
            mask = read_label_map(whole / "masks" / f"{item.id}.png")
            np.testing.assert_array_equal(mask, item.mask())
    assert files["lists/all.txt"] == b"p0\np1\np2\np3\n"
    assert files["lists/train.txt"] == b"p1\np2\n"
    assert files["lists/val.txt"] == b"p0\np3\n"
    assert files["tags.csv"].decode() == (
        "photo,split,tags\n"
        'images/p0.jpg,val,"""dining table"""\n'
        'images/p1.png,train,"""dining table"" cat"\n'
        'images/p2.jpg,train,"""dining table"""\n'
        "images/p3.png,val,\n"
    )
    digests = record.pop("files")
    assert digests == {
        name: sha256(whole / name) for name in files if name.startswith(("lists/", "tags", "SHA"))
    }
    assert record.pop("wsss_tf")
    assert record == {
        "format": 1,
        "data_set": "pets",
        "label_space": "pets",
        "labels": list(pets.LABELS),
        "settings": {"n": 3},
        "splits": {"all": 4, "train": 2, "val": 2},
        "photos": 4,
        "masks": 3,
        "sources": [{"name": "x.tar", "bytes": 9, "sha256": "ab" * 32}],
        "notes": ["A note."],
    }


def test_it_is_a_tagged_folder_too(whole):
    settings = DataSettings(source="tagged_folder", root=whole)
    dataset = open_dataset(settings, root=whole)
    assert [photo.tags for photo in dataset.photos["train"]] == [
        ("dining table", "cat"),
        ("dining table",),
    ]


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_threads_make_no_difference(pets, items, whole, tmp_path, workers):
    pets.write(tmp_path / "out", items, workers=workers)
    assert pets.tree(tmp_path / "out") == pets.tree(whole)


def test_a_second_call_changes_nothing(pets, whole):
    before = pets.stamps(whole)
    record, other = pets.finished(whole)
    assert other == []
    assert record == json.loads((whole / "data.json").read_text())
    assert pets.stamps(whole) == before


FILES = [
    "images/p1.png",
    "images/p2.jpg",
    "masks/p1.png",
    "lists/val.txt",
    "tags.csv",
    "SHA256SUMS",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["removed", "emptied", "one bit"])
def test_what_is_missing_or_damaged_is_written_again(pets, items, whole, name, damage):
    before = pets.tree(whole)
    if damage == "removed":
        (whole / name).unlink()
    else:
        content = bytearray(before[name])
        content[len(content) // 2] ^= 1
        (whole / name).write_bytes(content if damage == "one bit" else b"")
    assert pets.finished(whole) == (None, [name])
    pets.write(whole, items)
    assert pets.tree(whole) == before


EDITS = {
    "no files": lambda record: record.pop("files"),
    "no digest of the digests": lambda record: record["files"].pop("SHA256SUMS"),
    "files elsewhere": lambda record: record["files"].update({"../x\0": "0" * 64}),
    "no text": lambda record: record["files"].update({"tags.csv": None}),
    "no lists": lambda record: record.pop("splits"),
    "a row of lists": lambda record: record.update(splits=["train", "val", "all"]),
    "a list elsewhere": lambda record: record["splits"].update({"../x": 1}),
    "a count": lambda record: record["splits"].update(val=3),
    "photos": lambda record: record.update(photos=5),
    "no masks": lambda record: record.pop("masks"),
    "no labels": lambda record: record.update(labels=None),
    "a label": lambda record: record["labels"].__setitem__(1, "cart"),
    "notes": lambda record: record.update(notes="A note."),
    "no notes": lambda record: record.update(notes=None),
    "more": lambda record: record.update(mine=1),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_record_that_was_edited_is_written_again(pets, items, whole, edit):
    before = pets.tree(whole)
    record = json.loads((whole / "data.json").read_text())
    edit(record)
    (whole / "data.json").write_text(json.dumps(record))
    assert pets.finished(whole) == (None, ["data.json"])
    pets.write(whole, items)
    assert pets.tree(whole) == before


def test_a_list_that_is_no_text_and_has_its_digest_is_found(pets, whole):
    record = json.loads((whole / "data.json").read_text())
    (whole / "lists/val.txt").write_bytes(b"p0\np3\n\xff\n")
    record["files"]["lists/val.txt"] = sha256(whole / "lists/val.txt")
    (whole / "data.json").write_text(json.dumps(record))
    assert pets.finished(whole) == (None, ["data.json"])


def test_digests_that_are_none_are_written_again(pets, whole):
    record = json.loads((whole / "data.json").read_text())
    (whole / "SHA256SUMS").write_text("no digest\n")
    record["files"]["SHA256SUMS"] = sha256(whole / "SHA256SUMS")
    (whole / "data.json").write_text(json.dumps(record))
    assert pets.finished(whole) == (None, ["SHA256SUMS"])


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_a_record_that_is_damaged_is_told(pets, whole, text):
    (whole / "data.json").write_text(text)
    with pytest.raises(DataError, match=r"data.json: cannot be read.*into another folder"):
        pets.finished(whole)


def test_without_a_record_or_a_journal_nothing_tells_a_preparation(pets, items, whole):
    (whole / "data.json").unlink()
    before = pets.tree(whole)
    with pytest.raises(DataError, match=r"must be empty.*Choose another folder"):
        pets.write(whole, items)
    assert pets.tree(whole) == before


def test_other_tools_read_the_digests(whole):
    run = functools.partial(subprocess.run, cwd=whole, capture_output=True, text=True)
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    names = [line.removesuffix(": OK") for line in run(command, check=True).stdout.splitlines()]
    files = [path for path in whole.rglob("*") if path.parent.name in ("images", "masks")]
    assert sorted(names) == sorted(path.relative_to(whole).as_posix() for path in files)
    (whole / "masks/p0.png").write_bytes(b"another")
    assert "masks/p0.png: FAILED" in run(command, check=False).stdout


def bad_items(build):
    def unreadable():
        raise DataError("x.tar: 'a.jpg' is damaged")

    photo = build.encoded(build.noise(6, 9), "JPEG")
    good = {"suffix": ".jpg", "photo": lambda: photo, "tags": ("cat",), "splits": ("train",)}
    ids = np.zeros((6, 9), np.uint8)
    return {
        "no photo": (Item("a", **{**good, "photo": lambda: b"no photo"}, mask=None), "photo must"),
        "truncated": (Item("b", **{**good, "photo": lambda: photo[:-9]}, mask=None), "truncated"),
        "unreadable": (Item("c", **{**good, "photo": unreadable}, mask=None), "is damaged"),
        "no mask": (Item("d", **good, mask=unreadable), "is damaged"),
        "size": (Item("e", **good, mask=lambda: ids.T), "9 x 6. Received: 6 x 9"),
        "ids": (Item("f", **good, mask=lambda: ids + np.uint8(4)), "ids below 4 and 255"),
    }


def test_all_problems_of_content_come_at_once_and_nothing_looks_whole(pets, items, build, tmp_path):
    bad, out = bad_items(build), tmp_path / "out"
    with pytest.raises(DataProblems) as caught:
        pets.write(out, [*items, *(item for item, _ in bad.values())])
    problems = caught.value.problems
    assert len(problems) == len(bad)
    for (item, words), problem in zip(bad.values(), problems, strict=True):
        assert problem.startswith(f"{item.id}: ")
        assert words in problem
        assert str(out) not in problem
    files = pets.tree(out)
    assert not {"data.json", "tags.csv"} & set(files)
    assert {name for name in files if "/" in name} == {
        *(item.photo_name for item in items),
        *(item.mask_name for item in items if item.mask),
    }
    pets.write(out, items)
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "../p9"}, "must be the stem of a file name"),
        ({"id": ".p9"}, "must be the stem"),
        ({"id": "a/b"}, "must be the stem"),
        ({"id": "a\nb"}, "must be the stem"),
        ({"id": "a\u2028b"}, "must be the stem"),
        ({"id": "a\x85b"}, "must be the stem"),
        ({"id": "a\udcff"}, "must be the stem"),
        ({"id": "\ud800"}, "must be the stem"),
        ({"id": " a"}, "must be the stem"),
        ({"id": ""}, "must be the stem"),
        ({"id": "p0"}, "is there twice"),
        ({"suffix": ".gif"}, "must end in .jpg or .png"),
        ({"tags": ("catt",)}, "no class of label space pets: 'catt'"),
        ({"tags": ("background",)}, "no class of label space pets"),
        ({"tags": ("cat", "cat")}, "has a tag twice"),
        ({"splits": ()}, "must be in a list"),
        ({"splits": ("../x",)}, "must be in a list"),
    ],
)
def test_items_that_cannot_be_are_refused_before_any_write(pets, items, tmp_path, changes, words):
    good = items[0]
    values = {"id": "p9", "suffix": ".jpg", "tags": ("cat",), "splits": ("train",), **changes}
    item = Item(photo=good.photo, mask=good.mask, **values)
    with pytest.raises(DataProblems) as caught:
        pets.write(tmp_path / "out", [*items, item])
    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]
    assert not (tmp_path / "out").exists()


def test_no_item_is_an_error(pets, tmp_path):
    with pytest.raises(DataProblems, match="has no photo"):
        pets.write(tmp_path / "out", [])


@pytest.mark.parametrize("name", ["notes.txt", "images/x.jpg", "data.json"])
def test_a_folder_of_something_else_is_refused_and_left_alone(pets, items, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("[]")
    for call in (lambda: pets.write(out, items), lambda: pets.finished(out)):
        with pytest.raises(DataError, match="another folder"):
            call()
    assert [p for p in out.rglob("*") if p.is_file()] == [out / name]


def test_a_file_in_place_of_the_folder_is_refused(pets, items, tmp_path):
    (tmp_path / "out").write_text("kept")
    with pytest.raises(DataError, match="must be a folder. Received: a file"):
        pets.write(tmp_path / "out", items)
    assert (tmp_path / "out").read_text() == "kept"


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({"data_set": "cars"}, "data_set"),
        ({"sources": ()}, "sources"),
        ({"settings": ()}, "settings"),
    ],
)
@pytest.mark.parametrize("state", ["finished", "begun"])
def test_another_preparation_is_refused(pets, items, tmp_path, changes, differ, state):
    about = dataclasses.replace(pets.ABOUT, **changes)
    out = tmp_path / "out"
    if state == "begun":
        bad = Item("p9", ".jpg", lambda: b"none", None, (), ("train",))
        with pytest.raises(DataProblems):
            pets.write(out, [*items, bad])
    else:
        pets.write(out, items)
    before = pets.tree(out)
    with pytest.raises(DataError, match=f"another preparation, of 'pets'; it differs in {differ}"):
        pets.write(out, items, about)
    assert pets.tree(out) == before


def test_what_others_have_added_is_left_alone(pets, items, whole):
    mine = ("lists/mine.txt", "images/.DS_Store", "masks/p2.png", "masks/x.png", "images/x.jpg")
    for name in mine:
        (whole / name).write_text("mine")
    assert pets.finished(whole)[1] == []
    (whole / "masks/p0.png").unlink()
    before = pets.tree(whole)
    pets.write(whole, items)
    after = pets.tree(whole)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"masks/p0.png"}

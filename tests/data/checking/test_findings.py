"""Each problem once: its kind, its count, the exit status, and no other finding beside it."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from wsss_tf.config import DataSettings
from wsss_tf.data import open_dataset
from wsss_tf.errors import DataProblems


def test_a_clean_folder_has_no_finding(clean, run):
    found = run(clean.finish())
    assert found.result.exit_code == 0
    assert found.counts == {}
    assert "No problem found." in found.result.stdout
    assert found.result.stdout.endswith(
        "Training would start (photos checked by header and end).\n"
    )
    assert (found.data["photos"], found.data["masks"]) == (4, 4)
    assert found.data["splits"] == {"train": 2, "val": 2}


def _truncated(folder):
    content = folder.photo("x.jpg", "train", "cat")
    folder.write("images/x.jpg", content[:-30])


def _missing(folder):
    folder.rows.append("images/x.jpg,train,cat")


def _no_photo(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.write("images/x.jpg", b"this is no photo")


def _empty_file(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.write("images/x.jpg", b"")


def _cmyk(folder):
    folder.photo("x.jpg", "train", "cat", mode="CMYK")


def _untagged(folder):
    folder.photo("x.jpg", "train", "")


def _untagged_to_evaluate(folder):
    folder.photo("x.jpg", "val", "")
    folder.mask("x", 0)


def _unknown_separator(folder):
    folder.photo("x.jpg", "train", "cat cat")


def _rotated(folder):
    folder.photo("x.jpg", "train", "cat", orientation=6)
    folder.mask("x", 0, 1, size=(16, 12))


def _stored_size(folder):
    folder.photo("x.jpg", "train", "cat", orientation=3)
    folder.mask("x", 0, 1, size=(16, 12))


def _unknown_id(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.mask("x", 1, 3)


def _unknown_254(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.mask("x", 1, 254)


def _damaged_mask(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.mask("x", 0, 1)
    path = folder.root / "masks" / "x.png"
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"IDAT") + 10])


def _rgb_mask(folder):
    folder.photo("x.jpg", "train", "cat")
    _save(folder, Image.fromarray(np.zeros((12, 16, 3), np.uint8)))


def _one_bit_mask(folder):
    folder.photo("x.jpg", "train", "cat")
    _save(folder, Image.fromarray(np.zeros((12, 16), np.uint8)).convert("1"))


def _save(folder, image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    folder.write("masks/x.png", buffer.getvalue())


def _no_mask(folder):
    folder.photo("x.jpg", "val", "cat")


def _tag_without_pixels(folder):
    folder.photo("x.jpg", "train", "cat dog")
    folder.mask("x", 0, 1, 255)


def _pixels_without_tag(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.mask("x", 0, 1, 2, 255)


def _copy(folder):
    folder.photo("x.jpg", "train", "cat")
    folder.write("images/x.jpg", (folder.root / "images" / "a.jpg").read_bytes())


def _copy_in_the_other_split(folder):
    folder.photo("x.jpg", "val", "cat")
    folder.mask("x", 1)
    folder.write("images/x.jpg", (folder.root / "images" / "a.jpg").read_bytes())


def _unlisted(folder):
    folder.photo("x.jpg", None, "")


def _stray_mask(folder):
    folder.mask("x", 0)


def _other_split(folder):
    folder.photo("x.jpg", "test", "cat")
    folder.write("images/x.jpg", (folder.root / "images" / "a.jpg").read_bytes())


def _class_to_evaluate_only(folder):
    folder.photo("x.jpg", "val", "dog horse")
    folder.mask("x", 2, 3)


def _alike(folder):
    folder.photo("x.jpg", "train", "dog\u200b \u00e9")
    folder.photo("y.jpg", "train", "e\u0301")


def _split_alike(folder):
    folder.photo("x.jpg", "Train", "cat")


def _mask_like(folder):
    folder.photo("a_mask.png", "train", "cat")


CASES = {
    # problem: (how to make it, the counts of its findings, exit status, part of the first line)
    "truncated": (_truncated, {"truncated": 1}, 1, "images/x.jpg: is damaged or cut short"),
    "missing": (_missing, {"unreadable": 1}, 1, "images/x.jpg: does not exist"),
    "no photo": (_no_photo, {"unreadable": 1}, 1, "images/x.jpg: must be an image"),
    "empty file": (_empty_file, {"unreadable": 1}, 1, "images/x.jpg: is empty"),
    "CMYK": (_cmyk, {"unusable": 1}, 1, "Received: CMYK"),
    "no tag": (_untagged, {"empty_tags": 1}, 1, "tags.csv:6: images/x.jpg"),
    "no tag, val": (_untagged_to_evaluate, {"no_tags": 1}, 0, "tags.csv:6: images/x.jpg"),
    "repeated tag": (_unknown_separator, {"lists": 1}, 1, "has the tag 'cat' twice"),
    "EXIF": (_rotated, {"exif": 1}, 0, "images/x.jpg: orientation 6"),
    "mask size": (
        _stored_size,
        {"mask_size": 1, "exif": 1},
        0,
        "masks/x.png: 12 x 16, the photo 16 x 12",
    ),
    "unknown id": (_unknown_id, {"mask_ids": 1}, 0, "masks/x.png: 3"),
    "id 254": (_unknown_254, {"mask_ids": 1}, 0, "masks/x.png: 254"),
    "cut mask": (_damaged_mask, {"mask_unreadable": 1}, 0, "masks/x.png: is damaged or cut"),
    "RGB mask": (_rgb_mask, {"mask_colours": 1}, 0, "masks/x.png: a label map must be"),
    "1-bit mask": (_one_bit_mask, {"mask_colours": 1}, 0, "masks/x.png: a label map must be"),
    "no mask": (_no_mask, {"mask_missing": 1}, 0, "masks/x.png: does not exist"),
    "no pixels": (_tag_without_pixels, {"tags_without_pixels": 1}, 0, "images/x.jpg: dog"),
    "untagged pixels": (_pixels_without_tag, {"pixels_without_tags": 1}, 0, "images/x.jpg: dog"),
    "copy": (_copy, {"duplicates": 1}, 0, "images/a.jpg = images/x.jpg"),
    "copy in val": (_copy_in_the_other_split, {"overlap": 1}, 0, "images/a.jpg = images/x.jpg"),
    "untrained class": (_class_to_evaluate_only, {"no_photos": 1}, 0, "horse"),
    "names alike": (_alike, {"alike": 2}, 0, r"classes: 'dog', 'dog\u200b'"),
    "splits alike": (_split_alike, {"alike": 1}, 0, "splits: 'Train', 'train'"),
    "mask as photo": (_mask_like, {"mask_like": 1}, 0, "images/a_mask.png"),
    "unlisted": (_unlisted, {"unlisted": 1}, 0, "images/x.jpg"),
    "stray mask": (_stray_mask, {"stray_masks": 1}, 0, "masks/x.png"),
    "copy in a third split": (
        _other_split,
        {"duplicates": 1, "shared": 1},
        0,
        "images/a.jpg = images/x.jpg",
    ),
}


@pytest.mark.parametrize(("make", "counts", "status", "part"), CASES.values(), ids=CASES)
def test_a_problem_is_found_once_and_alone(clean, run, make, counts, status, part):
    make(clean)
    found = run(clean.finish())
    assert found.counts == counts
    assert part in found.items[next(iter(counts))][0]["text"]
    assert found.result.exit_code == status
    assert found.data["would_train"] == (status == 0)


def test_of_many_copies_a_few_are_named(clean, run):
    for number in range(9):
        clean.photo(f"x{number}.jpg", "train", "cat")
        content = (clean.root / "images" / "a.jpg").read_bytes()
        clean.write(f"images/x{number}.jpg", content)
    found = run(clean.finish())
    assert found.items["duplicates"][0]["text"] == (
        "images/a.jpg = images/x0.jpg = images/x1.jpg and 7 more"
    )


@pytest.mark.parametrize("name", ["images/a.jpg", "masks/c.png"])
def test_a_pipe_is_not_waited_for(clean, run, name):
    (clean.root / name).unlink()
    os.mkfifo(clean.root / name)
    found = run(clean.finish())
    expected = {"unreadable": 1} if name == "images/a.jpg" else {"mask_unreadable": 1}
    assert found.counts == expected


def test_all_problems_come_at_once(clean, run):
    makers = (_untagged_to_evaluate, _tag_without_pixels, _rotated, _unlisted)
    for number, make in enumerate(makers):
        make(clean)
        # The makers share a name: each next one gets another.
        for path in (clean.root / "images" / "x.jpg", clean.root / "masks" / "x.png"):
            if path.exists():
                path.rename(path.with_stem(f"x{number}"))
        clean.rows[-1] = clean.rows[-1].replace("x.jpg", f"x{number}.jpg")
    expected = {"tags_without_pixels": 1, "exif": 1, "no_tags": 1, "unlisted": 1}
    found = run(clean.finish())
    assert found.counts == expected


def test_many_of_a_kind_are_counted_and_three_are_shown(clean, run):
    for number in range(7):
        clean.rows.append(f"images/gone{number}.jpg,train,cat")
    found = run(clean.finish())
    assert found.counts == {"unreadable": 7}
    lines = [line for line in found.result.stdout.splitlines() if "does not exist" in line]
    assert len(lines) == 3
    assert "Photos that are missing or cannot be read: 7." in found.result.stdout


def test_classes_that_are_not_kept_say_nothing(clean, run):
    clean.photo("x.jpg", "train", "cat cow")
    clean.mask("x", 0, 1, 3)
    root = clean.finish()
    # The ids follow the sorted tags cat, cow, dog: 2, dog in the other masks, is cow here.
    assert run(root).counts == {"tags_without_pixels": 3, "pixels_without_tags": 3}
    found = run(root, "--keep", "cat")
    assert found.counts == {}
    assert found.data["labels"] == ["background", "cat"]


def test_a_label_space_names_the_ids(clean, run):
    found = run(clean.finish(), "--label-space", "voc")
    expected = {"tags_without_pixels": 4, "pixels_without_tags": 4, "no_photos": 18}
    assert found.counts == expected
    assert found.items["pixels_without_tags"][1]["text"] == "images/b.png: aeroplane, bicycle"


def test_deep_finds_pixels_that_cannot_be_decoded(clean, run):
    content = bytearray(clean.photo("x.png", "train", "cat"))
    middle = content.index(b"IDAT") + 40
    content[middle : middle + 4] = b"\xff\xff\xff\xff"
    clean.write("images/x.png", bytes(content))
    root = clean.finish()
    assert run(root).result.exit_code == 0
    found = run(root, "--deep")
    assert found.counts == {"damaged": 1}
    assert found.result.exit_code == 1


def test_an_unreadable_folder_of_photos_is_told(clean, run, without_root):
    root = clean.finish()
    for path in (root.parent, *root.parent.parents):
        if path.stat().st_uid == root.stat().st_uid and path.stat().st_mode & 0o077 == 0:
            path.chmod(0o755)
    (root / "images" / "a.jpg").chmod(0)
    (root.parent / "check.json").touch()
    root.parent.chmod(0o777)
    with without_root():
        found = run(root)
    assert found.counts == {"unreadable": 1}
    assert "cannot be read: Permission denied" in found.items["unreadable"][0]["text"]


@pytest.mark.parametrize("make", [case[0] for case in CASES.values()], ids=CASES)
def test_the_verdict_is_that_of_opening_the_data(clean, run, make):
    make(clean)
    root = clean.finish()
    try:
        open_dataset(DataSettings(source="tagged_folder", root=root), root=root)
        status = 0
    except DataProblems:
        status = 1
    assert run(root).result.exit_code == status

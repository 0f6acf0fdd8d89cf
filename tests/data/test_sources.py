"""Tagged folders: what opens, and the message for everything that does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wsss_tf.data import open_dataset
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.labels import SCENES


def problems_of(root: Path, settings) -> tuple[str, ...]:
    with pytest.raises(DataProblems) as caught:
        open_dataset(settings, root=root)
    return caught.value.problems


def test_a_folder_opens_with_its_tags_splits_and_sizes(write_folder, build):
    rows = [
        ("images/a.png", "train", "dog cat"),
        ("images/b.png", "val", ""),
        ("./images/deep/c.png", "train", "cat"),
    ]
    deep = {"images/deep/c.png": build.encoded(build.noise(5, 9))}
    root = write_folder(rows, deep)
    dataset = open_dataset(build.settings(eval_split="val"), root=root)
    assert dataset.labels.names == ("background", "cat", "dog")
    assert dataset.truth_labels == dataset.labels
    assert [photo.id for photo in dataset.photos["train"]] == ["a", "c"]
    c = dataset.photos["train"][1]
    assert (c.path, c.tags, c.orientation) == (root / "images/deep/c.png", ("cat",), 1)
    assert (c.width, c.height) == (9, 5)
    matrix = dataset.tag_matrix("train")
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[1, 1], [1, 0]])
    np.testing.assert_array_equal(dataset.tag_matrix("val"), [[0, 0]])
    assert dataset.truth("val") == {"b": root / "masks" / "b.png"}
    assert dataset.files == (root / "tags.csv",)


def test_an_unknown_split_is_an_error_that_names_the_splits(write_folder, build):
    dataset = open_dataset(build.settings(), root=write_folder([("images/a.png", "train", "cat")]))
    with pytest.raises(DataError, match=r"one of train\. Received: 'trian'\. Did you mean 'train'"):
        dataset.truth("trian")


def test_kept_classes_drop_the_other_tags_and_leave_background_photos(write_folder, build):
    rows = [("images/a.png", "train", "sofa dog"), ("images/b.png", "train", "sofa")]
    settings = build.settings(label_space="voc", keep=["dog", "cat"])
    dataset = open_dataset(settings, root=write_folder(rows))
    assert dataset.labels.names == ("background", "cat", "dog")
    assert dataset.truth_labels.num_classes == 21
    assert [photo.tags for photo in dataset.photos["train"]] == [("dog",), ()]
    np.testing.assert_array_equal(dataset.tag_matrix("train"), [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (['"dining table" dog', "  cat   dog "], ("cat", "dining table", "dog")),
        (["dining table; dog", "cat"], ("cat", "dining table", "dog")),
    ],
    ids=["quoted", "semicolons"],
)
def test_tags_may_have_spaces(write_folder, build, cells, names):
    rows = [(f"images/{n}.png", "train", cell) for n, cell in enumerate(cells)]
    assert open_dataset(build.settings(), root=write_folder(rows)).labels.tags == names


def test_a_spreadsheet_csv_with_a_mark_crlf_and_more_columns_opens(write_folder, build):
    root = write_folder([("images/ä.png", "train", "cat")])
    text = "\ufeffsplit,note,photo,tags\r\ntrain,ok,images/ä.png,cat\r\n"
    (root / "tags.csv").write_bytes(text.encode())
    assert open_dataset(build.settings(), root=root).photos["train"][0].id == "ä"


ROW = ("images/a.png", "train", "cat")


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (("images/b.png", "train", "dgo"), ["tags.csv:3: b.png", "unknown tag 'dgo'", "'dog'"]),
        (("images/b.png", "val", "xylophone"), ["unknown tag 'xylophone'", "data.label_space"]),
        (("images/b.png", "train", "background"), ["has the tag 'background'", "Remove it"]),
        (("images/b.png", "train", "dog dog"), ["tags.csv:3: b.png has the tag 'dog' twice"]),
        (("images/b.png", "train", "dog;"), ["tags.csv:3: b.png has an empty tag", "separator"]),
        (("images/b.png", "train", ""), ["tags.csv:3: b.png has no tag", "Name what it shows"]),
        (ROW, ["tags.csv:3", "a.png is listed twice, first in tags.csv:2"]),
        (("images/../images/a.png", "val", "cat"), ["tags.csv:3", "a.png is listed twice"]),
        (("images/a.jpg", "train", "cat"), ["have the same stem 'a'", "Rename one"]),
        (("images/b.png", "", "cat"), ["tags.csv:3: the split is empty", "train or val"]),
        (("../b.png", "train", "cat"), ["tags.csv:3", "must stay inside", "'../b.png'"]),
        (("/etc/hostname", "train", "cat"), ["must stay inside", "'/etc/hostname'"]),
        (("", "train", "cat"), ["tags.csv:3", "must stay inside", "is empty"]),
        (("images/b.png", "train"), ["tags.csv:3: must have 3 cells"]),
        (("images/b.png", "train", "cat", "dog"), ["tags.csv:3: must have 3 cells", "spaces or"]),
        (("photos/b.png", "train", "cat"), ["photos/b.png"]),
    ],
)
def test_a_bad_row_is_named_with_its_fix(write_folder, build, row, parts):
    found = problems_of(write_folder([ROW, row]), build.settings(label_space="voc"))
    assert len(found) == 1
    for part in parts:
        assert part in found[0]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["must have the columns photo, split, tags", "an empty file"]),
        (b"photo,tags\na.png,cat\n", ["Missing: split", "Received: photo, tags"]),
        (b"photo;split;tags\n", ["separated by commas", "photo;split;tags"]),
        (b"photo,split,tags\n", ["lists no photo"]),
        ("photo,split,tags\nä.png,train,cat\n".encode("latin-1"), ["tags.csv:2", "UTF-8", "0xe4"]),
        (b'photo,split,tags\na.png,train,"dining table" dog\n', ["tags.csv:2", "not valid CSV"]),
        (b"photo,split,tags\na\0.png,train,cat\n", ["tags.csv:2", "null character"]),
    ],
)
def test_a_bad_list_is_named_with_its_fix(write_folder, build, content, parts):
    root = write_folder([ROW])
    (root / "tags.csv").write_bytes(content)
    found = problems_of(root, build.settings())
    assert len(found) == 1
    for part in parts:
        assert part in found[0]


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (["dog, person"], "hold 'dog,'"),
        (["dog|person"], "hold 'dog|person'"),
        (['hot "dog'], "hold '\"dog'"),
        (["\u201chot dog\u201d"], "hold '\u201chot'"),
        (['"hot dog" person', "hot dog;person"], "holds quotes"),
        (["dog person", "dog;person", "dog"], "is 'dog person' one tag or 2?"),
    ],
)
def test_tags_that_something_else_separates_are_named(write_folder, build, cells, part):
    rows = [(f"images/{n}.png", "train", cell) for n, cell in enumerate(cells)]
    found = problems_of(write_folder(rows), build.settings())
    assert len(found) == 1
    assert found[0].startswith("tags.csv:2: ")
    assert part in found[0]


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (['"a,b" c|d', "e"], None),
        (['"a,b" "c|d"', "e"], ("a,b", "c|d", "e")),
        (["teddy bear;bear", "hot dog;dog"], ("bear", "dog", "hot dog", "teddy bear")),
        (["a,b;cat", "cat"], ("a,b", "cat")),
        (["it's", "C&A"], ("C&A", "it's")),
    ],
)
def test_names_with_marks_are_taken_where_they_are_meant(write_folder, build, cells, names):
    root = write_folder([(f"images/{n}.png", "train", cell) for n, cell in enumerate(cells)])
    if names is None:
        assert "hold 'c|d'" in problems_of(root, build.settings())[0]
    else:
        assert open_dataset(build.settings(), root=root).labels.tags == names


def test_a_missing_folder_and_a_missing_list_are_told_apart(write_folder, build):
    root = write_folder([ROW])
    assert "is not a folder" in problems_of(root / "no", build.settings())[0]
    (root / "tags.csv").unlink()
    assert "tags.csv: does not exist. A tagged folder" in problems_of(root, build.settings())[0]


def test_a_list_that_is_a_pipe_is_not_waited_for(write_folder, build):
    root = write_folder([ROW])
    (root / "tags.csv").unlink()
    os.mkfifo(root / "tags.csv")
    assert "tags.csv: is no regular file" in problems_of(root, build.settings())[0]


def test_a_split_without_photos_and_an_unknown_class_to_keep(write_folder, build):
    settings = build.settings(train_split="trian", eval_split="val", keep=["kat"])
    found = problems_of(write_folder([ROW]), settings)
    assert any("data.train_split" in line and "Did you mean 'train'" in line for line in found)
    assert any("data.eval_split: the split 'val' has no photo" in line for line in found)
    assert any("data.keep" in line and "'cat'" in line for line in found)


def test_tags_of_which_no_label_space_can_be_made(write_folder, build):
    found = problems_of(write_folder([("images/a.png", "train", "")]), build.settings())
    assert "at least one tag" in found[-1]


def test_all_problems_of_a_folder_come_at_once(write_folder, build):
    rows = [
        ("images/a.png", "train", "kat"),
        ("images/b.png", "train", "cat cat"),
        ("images/c.png", "train", "cat"),
        ("../d.png", "train", "cat"),
    ]
    root = write_folder(rows, {"images/c.png": b"no photo"})
    found = problems_of(root, build.settings(label_space="voc", eval_split="val"))
    assert len(found) == 5
    with pytest.raises(DataProblems, match=r"(?s)^5 problems:.*'kat'.*c\.png"):
        open_dataset(build.settings(label_space="voc", eval_split="val"), root=root)


def test_a_link_out_of_the_folder_is_refused(write_folder, build, tmp_path):
    root = write_folder([ROW, ("images/b.png", "train", "cat")])
    shutil.move(root / "images/b.png", tmp_path / "b.png")
    (root / "images/b.png").symlink_to(tmp_path / "b.png")
    found = problems_of(root, build.settings())
    assert len(found) == 1
    assert "tags.csv:3" in found[0]
    assert "through a link" in found[0]


def test_opening_needs_no_mask_and_no_tensorflow(write_folder, build):
    root = write_folder([ROW], {"masks/a.png": b"not opened"})
    (root / "masks").chmod(0)
    assert open_dataset(build.settings(), root=root).photos["train"]
    (root / "masks").chmod(0o755)
    code = "import sys, wsss_tf.data; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_scenes_are_made_where_they_are_not_there_yet(tmp_path, build):
    scenes = {"train": 2, "val": 1, "size": 32, "seed": 3}
    settings = build.settings(source="scenes", eval_split="val", scenes=scenes, root=None)
    dataset = open_dataset(settings, root=tmp_path / "scenes")
    assert {split: len(photos) for split, photos in dataset.photos.items()} == {
        "train": 2,
        "val": 1,
    }
    assert dataset.labels == dataset.truth_labels == SCENES
    shutil.rmtree(dataset.mask_folder)
    assert open_dataset(settings, root=tmp_path / "scenes") == dataset
    assert not dataset.mask_folder.exists()


@pytest.mark.real
def test_the_real_animals_open(real, build):
    settings = build.settings(label_space="voc", keep=["cat", "dog"], eval_split="val")
    dataset = open_dataset(settings, root=real / "voc_animals")
    assert {split: len(photos) for split, photos in dataset.photos.items()} == {
        "train": 1000,
        "val": 145,
    }
    assert dataset.tag_matrix("train").sum() > 600

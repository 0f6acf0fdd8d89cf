"""Archives of VOC and SBD that are missing, damaged, of another edition or hold something else."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_tf.data.prepare import voc
from wsss_tf.data.prepare.sbd import class_mask
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256


@pytest.mark.parametrize("packed", [True, False])
def test_another_edition_is_refused(made, voc_root, prepare, tmp_path, packed):
    files = made("voc_files")(edition="VOC2007")
    if packed:
        made("pack_tar")(voc_root / "VOCtrainval_11-May-2012.tar", files)
    else:
        (voc_root / "VOCtrainval_11-May-2012.tar").unlink()
        made("unpack")(voc_root / "tmp", files)
        # Even under the right folder name, the annotations tell.
        shutil.move(voc_root / "tmp/VOCdevkit/VOC2007", voc_root / "VOC2012")
    with pytest.raises(DataError, match="must be the trainval archive of VOC2012.*VOC2007"):
        prepare(voc_root)
    assert not (tmp_path / "out").exists()


def test_a_second_copy_is_refused_and_a_few_annotations_of_another_year_are_not(
    made, voc_root, prepare, tmp_path
):
    (voc_root / "VOCtrainval_11-May-2012.tar").unlink()
    made("unpack")(voc_root / "tmp", made("voc_files")())
    root = shutil.move(voc_root / "tmp/VOCdevkit/VOC2012", voc_root / "VOC2012")
    other = made("voc_files")(edition="VOC2007")["VOCdevkit/VOC2007/Annotations/2011_003276.xml"]
    (root / "Annotations" / "000001.xml").write_bytes(other)
    assert prepare(voc_root)["splits"]["train_aug"] == 6
    shutil.copytree(root, voc_root / "copy")
    shutil.move(voc_root / "copy", root / "copy")
    with pytest.raises(DataError, match=r"must hold VOC2012 once\. Received: \./, copy/"):
        prepare(voc_root, out=tmp_path / "two")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Annotations/2007_000061.xml", b"boat", b"bird"),
        ("ImageSets/Segmentation/train.txt", b"2007_000032", b"2011_003276"),
    ],
)
def test_an_edit_of_equal_size_makes_another_source(
    made, voc_root, prepare, tmp_path, name, old, new
):
    (voc_root / "VOCtrainval_11-May-2012.tar").unlink()
    made("unpack")(voc_root / "tmp", made("voc_files")())
    root = shutil.move(voc_root / "tmp/VOCdevkit/VOC2012", voc_root / "VOC2012")
    prepare(voc_root)
    content = (root / name).read_bytes()
    (root / name).write_bytes(content.replace(old, new))
    assert (root / name).stat().st_size == len(content)
    with pytest.raises(DataError, match="holds another preparation.* differs in sources"):
        prepare(voc_root)


def test_a_file_that_may_not_be_read_is_not_called_damaged(made, voc_root, prepare, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    (voc_root / "VOCtrainval_11-May-2012.tar").unlink()
    made("unpack")(voc_root, made("voc_files")())
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"\.txt: cannot be read: Permission denied\. Allow"):
        prepare(voc_root)


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_list_is_refused(made, voc_root, prepare, split):
    files = made("voc_files")()
    files[f"VOCdevkit/VOC2012/ImageSets/Segmentation/{split}.txt"] = b""
    made("pack_tar")(voc_root / "VOCtrainval_11-May-2012.tar", files)
    with pytest.raises(DataError, match=f"{split}.txt must list photos"):
        prepare(voc_root)


def test_a_root_without_the_archive_says_what_is_there(made, prepare, tmp_path):
    root = tmp_path / "archives"
    made("pack_tar")(root / "VOCtrainval_06-Nov-2007.tar", {"x": b""})
    with pytest.raises(DataError) as caught:
        prepare(root)
    for words in ("VOCtrainval_11-May-2012.tar", "06-Nov-2007", "--download"):
        assert words in str(caught.value)
    with pytest.raises(DataError, match="nothing of that name"):
        prepare(tmp_path / "gone")


def test_archives_of_another_content_are_refused_together(voc_root, prepare, tmp_path):
    with pytest.raises(DataProblems) as caught:
        prepare(voc_root, any_archive=False)
    names = ("VOCtrainval_11-May-2012.tar", "benchmark.tgz")
    found = dict(zip(names, caught.value.problems, strict=True))
    assert len(found) == 2
    for name, problem in found.items():
        for words in (str(voc_root / name), sha256(voc_root / name), "--any-archive"):
            assert words in problem
    assert voc.ARCHIVE.sha256 in found["VOCtrainval_11-May-2012.tar"]
    assert not (tmp_path / "out").exists()


def test_the_original_archives_need_no_leave(voc_root, prepare, monkeypatch):
    for name in ("VOCtrainval_11-May-2012.tar", "benchmark.tgz"):
        monkeypatch.setitem(voc.ORIGINALS, name, sha256(voc_root / name))
    notes = prepare(voc_root, any_archive=False)["notes"]
    assert not any("original" in note for note in notes)


def test_an_archive_under_another_name_is_told(made, voc_root, prepare):
    (voc_root / "benchmark.tgz").unlink()
    made("pack_tar")(voc_root / "benchmark.tar", made("sbd_files")())
    assert "benchmark.tar was held against no original." in prepare(voc_root)["notes"]


@pytest.mark.parametrize("name", ["VOCtrainval_11-May-2012.tar", "benchmark.tgz"])
def test_a_truncated_archive_is_refused(voc_root, prepare, tmp_path, name):
    content = (voc_root / name).read_bytes()
    (voc_root / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"{name}: is cut short or damaged"):
        prepare(voc_root)
    assert not (tmp_path / "out").exists()


def test_a_member_that_points_outside_is_refused(made, voc_root, prepare, tmp_path):
    files = made("sbd_files")() | {"benchmark_RELEASE/../../evil": b"x"}
    made("pack_tar")(voc_root / "benchmark.tgz", files, "w:gz")
    with pytest.raises(DataError, match="benchmark.tgz: every member must be.*holds '..'"):
        prepare(voc_root)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_is_not_sbd_is_refused(made, voc_root, prepare):
    made("pack_tar")(voc_root / "benchmark.tgz", {"dataset/x.txt": b"x"}, "w:gz")
    with pytest.raises(DataError, match="benchmark_RELEASE/dataset with cls, train.txt"):
        prepare(voc_root)


def change(made, voc_root, archive, name, content):
    """Packs an archive again with another content of one member; None: without it."""
    files = made("voc_files" if archive.endswith(".tar") else "sbd_files")()
    (key,) = [key for key in files if key.endswith(name)]
    if content is None:
        del files[key]
    else:
        files[key] = content
    made("pack_tar")(voc_root / archive, files, "w" if archive.endswith(".tar") else "w:gz")


@pytest.mark.parametrize(
    ("archive", "name", "content", "words"),
    [
        (0, "JPEGImages/2007_000032.jpg", None, "no JPEGImages/ID.jpg for 1 photos"),
        (0, "JPEGImages/2007_000032.jpg", b"\xff\xd8\xff", "2007_000032: its photo"),
        (0, "Annotations/2008_000002.xml", None, "no Annotations/ID.xml for 1 photos"),
        (0, "Annotations/2008_000002.xml", b"<annotation>", "annotation is not valid XML"),
        (0, "SegmentationClass/2007_000033.png", None, "no SegmentationClass/ID.png for 1"),
        (0, "SegmentationClass/2007_000033.png", b"\x89PNG", "must be an image"),
        (0, "Segmentation/val.txt", b"2007_000033\n2007_000032\n", "in train.txt and val.txt"),
        (0, "Segmentation/val.txt", b"2007_000033\n2007_000033\n", "has '2007_000033' twice"),
        (0, "Segmentation/val.txt", b"../../etc/passwd\n", "must hold one photo id a line"),
        (0, "Segmentation/val.txt", None, "has no file .*val.txt"),
        (1, "cls/2008_000003.mat", None, "has no cls/ID.mat for 1 photos"),
        (1, "cls/2008_000003.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "no GTcls.Segmentation"),
        (1, "dataset/val.txt", b"2009_000001\n", "JPEGImages/ID.jpg for 1 photos"),
    ],
)
def test_a_bad_member_is_named(made, voc_root, prepare, tmp_path, archive, name, content, words):
    names = ("VOCtrainval_11-May-2012.tar", "benchmark.tgz")
    change(made, voc_root, names[archive], name, content)
    with pytest.raises(DataError, match=words):
        prepare(voc_root)
    assert not (tmp_path / "out/data.json").exists()
    assert not (tmp_path / "out/tags.csv").exists()


def test_an_rgb_mask_and_a_mask_of_another_size_are_told_together(made, voc_root, prepare):
    files = made("voc_files")()
    base = "VOCdevkit/VOC2012/SegmentationClass"
    colours = io.BytesIO()
    Image.new("RGB", (17, 12)).save(colours, "PNG")
    files[f"{base}/2007_000032.png"] = colours.getvalue()
    files[f"{base}/2007_000042.png"] = made("palette_png")(np.zeros((17, 12), np.uint8))
    files[f"{base}/2007_000063.png"] = made("palette_png")(np.full((12, 17), 21, np.uint8))
    made("pack_tar")(voc_root / "VOCtrainval_11-May-2012.tar", files)
    with pytest.raises(DataProblems) as caught:
        prepare(voc_root)
    problems = caught.value.problems
    assert [problem.split(":")[0] for problem in problems] == [
        "2007_000032",
        "2007_000042",
        "2007_000063",
    ]
    assert "palette PNG" in problems[0]
    assert "17 x 12. Received: 12 x 17" in problems[1]
    assert "Received: 21" in problems[2]


def test_an_unknown_class_in_an_annotation_is_told(made, voc_root, prepare):
    photo = dataclasses.replace(made("PHOTOS")[0], objects=("unicorn",))
    content = made("annotation")(photo).encode()
    change(made, voc_root, "VOCtrainval_11-May-2012.tar", f"{photo.id}.xml", content)
    with pytest.raises(DataProblems, match="2007_000032: has tags that are no class.*'unicorn'"):
        prepare(voc_root)


@pytest.mark.parametrize(
    "fields",
    [
        {"Segmentation": np.zeros((2, 3, 4))},
        {"Segmentation": np.full((2, 3), 300, np.uint16)},
        {"Segmentation": np.full((2, 3), 0.5)},
        {"Segmentation": "text"},
        {"Boundaries": np.zeros((2, 3))},
    ],
)
def test_a_matlab_file_of_another_kind_is_refused(fields):
    scipy_io = pytest.importorskip("scipy.io")
    file = io.BytesIO()
    scipy_io.savemat(file, {"GTcls": fields})
    with pytest.raises(DataError, match="a.mat: .*GTcls.Segmentation"):
        class_mask(file.getvalue(), "a.mat")


def test_a_damaged_matlab_file_is_never_taken_for_another(made):
    mask = np.random.default_rng(0).integers(0, 21, (40, 50)).astype(np.uint8)
    content = made("mat_file")(mask)
    for cut in range(0, len(content) - 1, 97):
        with pytest.raises(DataError, match="is damaged"):
            class_mask(content[:cut], "a.mat")


def test_without_scipy_the_pip_command_is_named(voc_root, prepare, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "scipy" else find_spec(name)
    )
    with pytest.raises(DataError, match=r'pip install "wsss-tf\[regions\]"'):
        prepare(voc_root)
    assert not (tmp_path / "out").exists()
    (voc_root / "benchmark.tgz").unlink()
    assert prepare(voc_root)["photos"] == 6

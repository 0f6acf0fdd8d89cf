"""COCO from archives in the official layout to a prepared folder, and what is refused."""

from __future__ import annotations

import csv
import functools
import http.server
import io
import json
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_tf.config import DataSettings
from wsss_tf.data import check_truth, open_dataset, truth_maps
from wsss_tf.data.prepare import coco
from wsss_tf.data.prepare.coco import prepare_coco
from wsss_tf.data.prepare.coco_instances import read_instances
from wsss_tf.data.prepare.preparation import Request
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.files import sha256
from wsss_tf.images import read_photo
from wsss_tf.labels import COCO

codec = pytest.importorskip("pycocotools.mask")

BOX = [2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 2.0, 9.0]
SMALL = [4.0, 4.0, 7.0, 4.0, 7.0, 6.0, 4.0, 6.0]


def ignore(line: str) -> None:
    """Says nothing."""


def prepare(root, out, *, year=2014, say=ignore, any_archive=True, **options):
    return prepare_coco(Request(root, out, say, any_archive=any_archive, **options), year=year)


@pytest.fixture
def small(edition):
    """Two training photos and three of val: overlaps, a crowd, the category gap, bare photos."""

    def make(year: int = 2014):
        made = edition(year)
        train, val = f"train{year}", f"val{year}"
        made.image(train, 9)
        made.image(train, 25)
        made.annotation(train, 25, [BOX], category_id=13, area=70.0)
        made.annotation(train, 25, [SMALL], category_id=90, area=6.0)
        made.image(val, 42, 20, 10)
        runs = {"size": [20, 10], "counts": [20, 60, 120]}
        made.annotation(val, 42, runs, category_id=1, area=60.0, iscrowd=1)
        made.image(val, 73)
        made.image(val, 74)
        made.annotation(val, 74, [BOX, [1.0, 1.0, 2.0, 2.0]], category_id=89, area=70.0)
        return made

    return make


def tree(folder: Path) -> dict[str, str]:
    """Digests of all files by their path, the lock aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(files)}


def mask(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / "masks" / f"{name}.png") as image:
        assert image.mode == "P"
        return np.array(image)


@pytest.mark.parametrize("year", [2014, 2017])
def test_the_prepared_folder(small, tmp_path, year):
    made = small(year)
    out = tmp_path / "out"
    record = prepare(made.write(tmp_path / "root"), out, year=year)
    one, two, three, four = (
        f"COCO_{part}2014_{number:012d}" if year == 2014 else f"{number:012d}"
        for part, number in (("train", 25), ("val", 42), ("val", 73), ("val", 74))
    )
    # Photo 9 has no annotation, so no tag: training has no use for it. Of val it is background.
    assert (out / "lists/train.txt").read_text().split() == [one]
    assert (out / "lists/val.txt").read_text().split() == [two, three, four]
    with open(out / "tags.csv", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        (f"images/{one}.jpg", "train", '"stop sign" toothbrush'),
        (f"images/{two}.jpg", "val", "person"),
        (f"images/{three}.jpg", "val", ""),
        (f"images/{four}.jpg", "val", '"hair drier"'),
    ]
    part = f"train{year}"
    assert (out / f"images/{one}.jpg").read_bytes() == made.photos[part][f"{one}.jpg"]
    box, small_one = (codec.decode(codec.frPyObjects([p], 24, 30))[..., 0] for p in (BOX, SMALL))
    expected = np.where(small_one, 80, np.where(box, 12, 0))
    assert np.array_equal(mask(out, one), expected)
    crowd = np.zeros((20, 10), np.uint8)
    crowd[:, 1:4] = 255
    assert np.array_equal(mask(out, two), crowd)
    assert mask(out, three).max() == 0
    assert np.array_equal(mask(out, four), box * 79)
    assert json.loads((out / "data.json").read_text()) == record
    assert (record["data_set"], record["label_space"]) == ("coco", "coco")
    assert record["labels"] == list(COCO.names)
    assert record["splits"] == {"train": 1, "val": 3}
    assert record["settings"] == {"year": year}
    notes = "\n".join(record["notes"])
    assert f"train{year}: 1 photos have no annotation: left out" in notes
    assert f"val{year}: 1 photos have no annotation: background" in notes
    assert f"val{year}: 1 annotations have polygons of fewer than three points" in notes
    assert (
        f"annotations_trainval{year}.zip is not the original archive: its SHA-256 is another."
        in notes
    )
    assert [source["name"] for source in record["sources"]] == [
        f"train{year}.zip",
        f"val{year}.zip",
        f"annotations_trainval{year}.zip",
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_with_photos_that_have_an_orientation(edition, tmp_path, orientation):
    """The polygon lies in the grid of the file's pixels, over a square that is white there."""
    made, name = edition(), "COCO_val2014_000000000001.jpg"
    made.image("train2014", 9)
    made.annotation("train2014", 9, [BOX])
    made.image("val2014", 1)
    made.annotation("val2014", 1, [[0.0, 0.0, 16.0, 0.0, 16.0, 8.0, 0.0, 8.0]])
    pixels = np.zeros((24, 30, 3), np.uint8)
    pixels[:8, :16] = 255
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif, quality=100)
    made.photos["val2014"][name] = buffer.getvalue()
    prepare(made.write(tmp_path / "root"), tmp_path / "out")
    photo = read_photo(tmp_path / "out/images" / name)
    assert np.array_equal(mask(tmp_path / "out", name[:-4]), photo.min(axis=2) > 127)


def test_two_files_of_one_name_are_refused(small, tmp_path):
    root = small().write(tmp_path / "root", zipped=False)
    name = "COCO_train2014_000000000025.jpg"
    (root / "train2014/grey").mkdir()
    shutil.copy(root / "train2014" / name, root / "train2014/grey" / name)
    with pytest.raises(DataProblems, match=f"1 more than once, such as {name} and grey/{name}"):
        prepare(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_prepared_folder_is_a_source_whose_truth_can_be_scored(small, tmp_path):
    prepare(small().write(tmp_path / "root"), tmp_path / "out")
    settings = DataSettings(source="prepared", root=tmp_path / "out")
    dataset = open_dataset(settings, root=tmp_path / "out")
    assert dataset.labels == dataset.truth_labels == COCO
    assert [photo.tags for photo in dataset.split("train")] == [("stop sign", "toothbrush")]
    assert [photo.tags for photo in dataset.split("val")] == [("person",), (), ("hair drier",)]
    check_truth(dataset, "val")
    assert [truth.max() for truth in truth_maps(dataset, "val")] == [255, 0, 79]


@pytest.mark.parametrize("inside", ["", "images"])
def test_unpacked_folders_give_the_same_photos_and_masks(small, tmp_path, inside):
    zipped = small().write(tmp_path / "zipped")
    folders = small().write(tmp_path / "folders", zipped=False)
    if inside:
        for part in ("train2014", "val2014"):
            (folders / inside).mkdir(exist_ok=True)
            shutil.move(folders / part, folders / inside / part)
    prepare(zipped, tmp_path / "one")
    prepare(folders, tmp_path / "two")
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert one.pop("data.json") != two.pop("data.json")  # They come from elsewhere.
    assert one == two


def test_a_second_call_changes_nothing_and_another_year_is_refused(small, tmp_path):
    root, out = small().write(tmp_path / "root"), tmp_path / "out"
    record = prepare(root, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    said = []
    assert prepare(root, out, say=said.append) == record
    assert said[-1] == f"{out} is prepared already, every file as it was written."
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    small(2017).write(root)
    with pytest.raises(DataError, match="another preparation"):
        prepare(root, out, year=2017)


def test_an_interrupted_preparation_goes_on_to_the_same_bytes(small, tmp_path, monkeypatch):
    root = small().write(tmp_path / "root")
    prepare(root, tmp_path / "whole")
    whole_map, calls = coco.label_map, []

    def fails_late(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole_map(*arguments)

    monkeypatch.setattr(coco, "label_map", fails_late)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "data.json").exists()
    monkeypatch.setattr(coco, "label_map", whole_map)
    prepare(root, tmp_path / "out", workers=2)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_archives_of_another_content_are_refused_together(small, tmp_path):
    root = small().write(tmp_path / "root")
    with pytest.raises(DataProblems) as caught:
        prepare(root, tmp_path / "out", any_archive=False)
    named = ["train2014.zip", "val2014.zip", "annotations_trainval2014.zip"]
    for name, line in zip(named, caught.value.problems, strict=True):
        assert line.startswith(f"{root / name}: must have the SHA-256 of the original")
        assert coco.SHA256[name] in line
    assert not (tmp_path / "out").exists()


def test_missing_archives_are_named_at_once(tmp_path):
    with pytest.raises(DataProblems) as caught:
        prepare(tmp_path, tmp_path / "out", year=2017)
    named = ["train2017.zip", "annotations_trainval2017.zip", "val2017.zip"]
    assert [line.split(":")[0] for line in caught.value.problems] == [
        str(tmp_path / name) for name in named
    ]
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_with_the_annotations_is_said_by_kind(small, tmp_path):
    made = small()
    for _ in range(5):
        made.annotation("train2014", 25, [BOX], category_id=12)
    made.annotation("train2014", 25, [BOX], category_id=[1])
    made.annotation("train2014", 77, [BOX])
    made.annotation("train2014", 25, [BOX], area=None)
    made.annotation("train2014", 25, [BOX], iscrowd=2)
    made.annotation("train2014", 25, [BOX], id="x")
    made.annotation("train2014", 25, [BOX], id=1)
    made.annotation("train2014", 25, [BOX[:7]])
    made.annotation("train2014", 25, {"size": [30, 24], "counts": [720]})
    made.documents["train2014"]["annotations"] += [{"id": 5}, 7]
    made.documents["train2014"]["images"] += [{"id": 1, "file_name": "../a.jpg"}, {"id": 3}]
    made.documents["train2014"]["images"].append(made.documents["train2014"]["images"][0])
    made.documents["val2014"]["categories"] = [{"id": 1, "name": "cat"}, 3]
    with pytest.raises(DataProblems) as caught:
        prepare(made.write(tmp_path / "root"), tmp_path / "out")
    text = str(caught.value)
    for words in (
        "the 80 categories of COCO, whose ids are 1 to 90 with gaps. Received: 6 that do not, "
        "such as 3, 4, 5.",
        "annotations must name an image that the file has. Received: 1",
        "annotations must have an area of 0 or more. Received: 1",
        "annotations must have 0 or 1 as iscrowd. Received: 1",
        "annotations must have whole numbers as id and image_id. Received: 1 that do not, such as "
        "'x'",
        "annotations must have each an id of their own. Received: 1 that do not, such as 1.",
        "annotations must have an x and a y for each point of its polygons. Received: 1",
        "annotations must have run lengths of the size of its photo. Received: 1",
        "annotations must be objects with a segmentation. Received: 2",
        "images must have a file name without folders. Received: 1",
        "images must be objects with a file_name. Received: 1",
        "images must have each an id of their own. Received: 1",
        "categories must be COCO's 80, such as 1 person and 90 toothbrush. Received: 2",
    ):
        assert words in text
    assert len(caught.value.problems) == 13
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("segmentation", "changes", "words"),
    [
        ([BOX], {"area": 10**400}, None),
        ([[*BOX[:-1], 10**400]], {}, "finite numbers in its polygons"),
        ({"size": [24, 30], "counts": [10**30]}, {}, "add up to the pixels"),
        ({"size": [10**18, 10**18], "counts": [10**36]}, {}, "a size of 1 to 65,535 pixels"),
        ({"size": [24, 30], "counts": [721, -1]}, {}, "add up to the pixels"),
    ],
)
def test_very_large_numbers_of_an_annotation(small, tmp_path, segmentation, changes, words):
    made = small()
    made.annotation("train2014", 25, segmentation, **changes)
    root = made.write(tmp_path / "root")
    if words is None:
        assert prepare(root, tmp_path / "out")["photos"] == 4
        return
    with pytest.raises(DataProblems, match=words):
        prepare(root, tmp_path / "out")


@pytest.mark.parametrize("side", [0, -1, 65_536, 10**18, 60_000, 24.0, True])
def test_sizes_that_no_photo_has_are_refused_before_memory_is_asked_for(small, tmp_path, side):
    made = small()
    made.documents["train2014"]["images"][0].update(height=side, width=side)
    words = (
        "at most 100,000,000 pixels" if side == 60_000 else "a height and a width of 1 to 65,535"
    )
    with pytest.raises(DataProblems, match=words):
        prepare(made.write(tmp_path / "root"), tmp_path / "out")


@pytest.mark.parametrize("kind", ["nothing", "a file"])
def test_a_root_that_is_no_folder_is_told(tmp_path, kind):
    root = tmp_path / "root"
    if kind == "a file":
        root.write_bytes(b"")
    with pytest.raises(DataError, match=rf"must be the folder with train2014.zip.*: {kind}"):
        prepare(root, tmp_path / "out")


def test_damaged_run_lengths_are_told_with_their_annotation(small, tmp_path):
    made = small()
    made.annotation("train2014", 25, {"size": [24, 30], "counts": "PPP"}, id=4711)
    with pytest.raises(DataProblems, match="annotation 4711: .*add up to the pixels"):
        prepare(made.write(tmp_path / "root"), tmp_path / "out")


def test_photos_that_are_not_there_or_of_another_size(small, tmp_path):
    made = small()
    gone = made.photos["val2014"].popitem()[0]
    made.photos["val2014"]["stranger.jpg"] = b"never read"
    with pytest.raises(DataProblems, match=f"Missing: 1, such as {gone}") as caught:
        prepare(made.write(tmp_path / "root"), tmp_path / "out")
    assert len(caught.value.problems) == 1
    made = small()
    made.documents["train2014"]["images"][1]["height"] = 25
    with pytest.raises(DataProblems, match=r"size of its photo as displayed, 30 x 24.*30 x 25"):
        prepare(made.write(tmp_path / "root"), tmp_path / "out2")
    assert not (tmp_path / "out2" / "data.json").exists()
    assert not (tmp_path / "out2" / "tags.csv").exists()


def test_a_part_without_annotations_is_no_data_set(small, tmp_path):
    made = small()
    made.documents["train2014"]["annotations"] = []
    with pytest.raises(DataProblems, match="instances_train2014.json: must have annotations"):
        prepare(made.write(tmp_path / "root"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_that_no_list_names_are_left_out(small, tmp_path):
    made = small()
    made.photos["val2014"]["stranger.jpg"] = b"never read"
    record = prepare(made.write(tmp_path / "root"), tmp_path / "out")
    assert "val2014: 1 photos are not in the annotation file: left out." in record["notes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b'{"images": [', "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[]", "must have the lists images, annotations and categories"),
        (b'{"images": [], "annotations": {}, "categories": []}', "captions and keypoints"),
    ],
)
def test_what_is_no_instances_file(content, message):
    with pytest.raises(DataProblems, match=message):
        read_instances(content, "instances.json")


def test_an_annotation_archive_without_instances(small, tmp_path):
    root = small().write(tmp_path / "root")
    with zipfile.ZipFile(root / "annotations_trainval2014.zip", "w") as archive:
        archive.writestr("annotations/captions_train2014.json", "{}")
    with pytest.raises(DataProblems, match="must hold annotations/instances_train2014.json once"):
        prepare(root, tmp_path / "out")


def test_a_truncated_archive_is_named(small, tmp_path):
    root = small().write(tmp_path / "root")
    path = root / "val2014.zip"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"val2014\.zip: is cut short or damaged"):
        prepare(root, tmp_path / "out")
    assert not (tmp_path / "out" / "data.json").exists()


def test_missing_archives_are_fetched_and_compared(small, tmp_path, monkeypatch):
    served = small().write(tmp_path / "host")
    folders = {"train2014": "zips", "val2014": "zips", "annotations_trainval2014": "annotations"}
    for name, folder in folders.items():
        (served / folder).mkdir(exist_ok=True)
        shutil.move(served / f"{name}.zip", served / folder / f"{name}.zip")
    digests = {path.name: sha256(path) for path in served.rglob("*.zip")}
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        host = f"http://127.0.0.1:{server.server_port}"
        # The official host does not answer; the annotations are in the folder of no mirror but one.
        monkeypatch.setattr(coco, "_HOST", f"{host}/gone")
        monkeypatch.setattr(coco, "MIRRORS", {2014: (f"{host}/zips", f"{host}/annotations")})
        with pytest.raises(DataError, match="gave another file"):
            prepare(tmp_path / "wrong", tmp_path / "out", download=True)
        monkeypatch.setattr(coco, "SHA256", {**coco.SHA256, **digests})
        record = prepare(tmp_path / "root", tmp_path / "out", download=True, any_archive=False)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert record["splits"] == {"train": 1, "val": 3}
    assert {source["name"]: source["sha256"] for source in record["sources"]} == digests
    assert not any("not the original archive" in note for note in record["notes"])

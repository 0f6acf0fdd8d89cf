"""The paper's class by class figures: whole, with the printed means, and shown where they fit."""

from __future__ import annotations

import json

import pytest

from wsss_tf.config import DataSettings, load_recipe
from wsss_tf.files import write_json
from wsss_tf.labels import COCO, SCENES, VOC, YOUTUBE_OBJECTS, label_space
from wsss_tf.reports.html import write_report
from wsss_tf.reports.published import DATA_SETS, published_for, read_published
from wsss_tf.training import RunFolder

PAPER = "paper, multi-class masks"
# They tell objects from background, and the paper prints no figure of theirs for the latter.
WITHOUT_BACKGROUND = ("Papazoglou", "Tang", "Ochs")


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_each_class_has_a_figure_and_their_mean_is_the_printed_one(data_set):
    for column in read_published(data_set).columns:
        names = label_space(data_set).names
        assert tuple(column.iou) == (names[1:] if column.name in WITHOUT_BACKGROUND else names)
        assert all(0 <= figure < 1 for figure in column.iou.values())
        # The printed figures are rounded, each by up to 0.05 %.
        assert sum(column.iou.values()) / len(column.iou) == pytest.approx(column.miou, abs=1e-3)


@pytest.mark.parametrize(
    ("data_set", "table", "means"),
    [
        ("voc", "Table 1", {PAPER: 0.509, "paper, foreground masks": 0.480, "SEC": 0.507}),
        ("coco", "Table 8", {PAPER: 0.204, "SEC": 0.224}),
        (
            "youtube_objects",
            "Table 7",
            {PAPER: 0.516, "SEC": 0.486, "Papazoglou": 0.468, "Tang": 0.239, "Ochs": 0.155},
        ),
    ],
)
def test_printed_means(data_set, table, means):
    found = read_published(data_set)
    assert found.table == table
    assert {one.name: one.miou for one in found.columns} == pytest.approx(means)


def test_some_printed_figures_of_single_classes():
    paper, sec = read_published("coco").columns
    assert (paper.iou["person"], sec.iou["person"]) == pytest.approx((0.275, 0.436))
    assert (paper.iou["toaster"], paper.iou["zebra"]) == pytest.approx((0.0, 0.650))
    assert read_published("voc").columns[0].iou["bus"] == pytest.approx(0.711)
    paper = read_published("youtube_objects").columns[0]
    assert (paper.iou["background"], paper.iou["train"]) == pytest.approx((0.885, 0.166))


def test_another_data_set_is_refused():
    with pytest.raises(ValueError, match="Received: data_set='scenes'"):
        read_published("scenes")


def write_record(root, name, **settings):
    """The part of data.json that names the data set."""
    write_json(root / "data.json", {"format": 1, "data_set": name, "settings": settings})


def data(**changes):
    return DataSettings.model_validate({"source": "prepared", "root": ".", **changes})


@pytest.mark.parametrize(
    ("settings", "labels", "split", "table"),
    [
        ({"root": "coco"}, COCO, "val", "Table 8"),
        ({"root": "youtube_objects"}, YOUTUBE_OBJECTS, "val", "Table 7"),
        ({"root": "voc"}, VOC, "val", "Table 1"),
        ({"root": "voc"}, COCO, "val", None),
        ({"root": "coco2017"}, COCO, "val", None),
        ({"root": "own"}, VOC, "val", None),
        ({"root": "damaged"}, VOC, "val", None),
        ({"root": "away"}, VOC, "val", None),
        ({"source": "voc"}, VOC, "val", "Table 1"),
        ({"source": "voc"}, COCO, "val", None),
        ({"root": "coco"}, COCO, "train", None),
        ({"root": "own"}, SCENES, "val", None),
        ({"source": "tagged_folder"}, COCO, "val", None),
        ({"root": "coco", "keep": ["cat"]}, COCO, "val", None),
        ({"source": "scenes", "root": None}, SCENES, "val", None),
    ],
)
def test_figures_are_shown_for_the_papers_data_alone(
    settings, labels, split, table, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("voc", "youtube_objects", "own"):
        write_record(tmp_path / name, name)
    write_record(tmp_path / "coco", "coco", year=2014)
    write_record(tmp_path / "coco2017", "coco", year=2017)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "data.json").write_text("{")
    found = published_for(data(**settings), labels.names, split)
    assert (found and found.table) == table


@pytest.fixture
def page(tmp_path, write_evaluation, parse):
    """The report of an untrained run on prepared data, with a made-up evaluation."""

    def make(labels, name="", **settings):
        write_record(tmp_path / "data", name, **settings)
        changes = ("segment.loss=tags", "masks.kind=none", "localize=null")
        source = ("data.source=prepared", f"data.root={tmp_path / 'data'}")
        with RunFolder.open(tmp_path / "run", load_recipe("scenes", (*changes, *source))) as run:
            record = {**run.record(), "labels": list(labels.names)}
            run.record_path.write_text(json.dumps(record))
        write_evaluation(run.stage("report"), "evaluate_val", list(labels.names), ["a"])
        return parse(write_report(run).path.read_text())

    return make


def test_the_report_shows_them_beside_ours(page):
    text = page(COCO, "coco", year=2014).text
    assert f"without CRF {PAPER}, Table 8 SEC, Table 8" in text
    # Ours, the paper's and SEC's of one row of classes, and of the means.
    assert "zebra 5.9 65.0 59.8" in text
    assert "20.4 22.4" in text
    assert "figures on the 40,504 photos of COCO val2014. Ours are on 3 photos." in text


def test_youtube_objects_has_five_methods_and_a_note(page):
    text = page(YOUTUBE_OBJECTS, "youtube_objects").text
    assert "51.6 48.6 46.8 23.9 15.5" in text
    assert "44.2 37.5 37.8 22.5 10.8" in text  # boat
    assert "taken from the order of the columns" in text


def test_other_data_have_no_such_columns(page):
    assert "Table" not in page(SCENES).text


def test_every_data_set_of_the_paper_has_a_table():
    assert [read_published(name).table for name in DATA_SETS] == ["Table 1", "Table 8", "Table 7"]

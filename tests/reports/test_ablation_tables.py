"""Tables of an ablation: the paper's figures, the aligned text and the CSV."""

import csv
import io

import pytest

from wsss_tf.config import DataSettings
from wsss_tf.files import write_json
from wsss_tf.labels import COCO, SCENES, VOC
from wsss_tf.reports.ablation import SETUPS, Row, text_tables
from wsss_tf.reports.ablation.published import FIGURES, is_comparable, published
from wsss_tf.reports.ablation.tables import csv_text


def test_the_figures_are_the_paper_s():
    table_6 = [figure for (table, _, _), figure in FIGURES.items() if table == "6"]
    assert table_6 == [31.0, 47.3, 48.0, 45.9, 46.6, 49.2, 49.3, 50.9]
    assert [name for table, name, _ in FIGURES if table == "6"] == list(SETUPS)
    assert {crf for t, name, crf in FIGURES if t == "6" and SETUPS[name].regions} == {"regions"}
    assert FIGURES["4", "blocks 4 + 5", "pairwise"] == 60.08
    assert [figure for (table, _, _), figure in FIGURES.items() if table == "5"] == [43.0, 46.6]


@pytest.mark.parametrize(
    ("data", "labels", "comparable"),
    [
        (DataSettings(source="voc", root="VOC2012"), VOC, True),
        (DataSettings(source="prepared", root="voc"), VOC, True),
        (DataSettings(source="prepared", root="coco"), COCO, False),
        (DataSettings(source="prepared", root="own"), VOC, False),
        (DataSettings(source="voc", root="VOC2012", keep=["cat"]), VOC.keep(["cat"]), False),
        (DataSettings(source="scenes"), SCENES, False),
        (DataSettings(source="tagged_folder", root="x", label_space="voc"), VOC, False),
    ],
)
def test_only_voc_with_all_classes_is_compared(data, labels, comparable, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("voc", "coco", "own"):
        write_json(tmp_path / name / "data.json", {"format": 1, "data_set": name, "settings": {}})
    assert is_comparable(data, labels) == comparable


def test_a_figure_is_a_fraction_or_none():
    assert published("6", "fusion", "pairwise") == pytest.approx(0.492)
    assert published("6", "fusion", "none") is None


def row(**changes):
    values = {
        "table": "6",
        "name": "tags",
        "title": "tags only",
        "settings": "recipe",
        "field_of_view": "small",
        "crf": "none",
        "photos": 145,
        "miou": 0.3,
        "low": 0.28,
        "high": 0.32,
    }
    return Row(**{**values, **changes})


ROWS = [
    row(),
    row(crf="pairwise", miou=0.31, low=0.29, high=0.33, published=0.31),
    row(name="fusion", title="localization + fusion", miou=0.4, previous="tags", difference=0.1),
    row(
        name="fusion",
        title="localization + fusion",
        crf="pairwise",
        miou=0.425,
        low=0.4,
        high=0.45,
        previous="tags",
        difference=0.115,
        difference_low=-0.01,
        difference_high=0.2,
        published=0.492,
    ),
]


def test_the_networks_table():
    lines = text_tables(ROWS).splitlines()
    assert lines[0] == "Table 6: networks on unseen photos, no tags; mIoU in per cent, 145 photos"
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "set-up view no CRF with CRF gain over published",
        "tags only small 30.0 31.0 [29.0, 33.0] - 31.0",
        "localization + fusion small 40.0 42.5 [40.0, 45.0] +11.5 [-1.0, +20.0] tags 49.2",
    ]
    assert len(set(map(len, lines[1:4]))) == 1  # Aligned: the last column is at the right.
    assert "95 %" in lines[-1]


def test_without_a_crf_there_is_one_column():
    lines = text_tables([row()]).splitlines()
    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "set-up view no CRF gain over",
        "tags only small 30.0 [28.0, 32.0] -",
    ]


def test_the_masks_table():
    shared = {"table": "5", "field_of_view": None, "name": "localization", "title": "localization"}
    rows = [
        row(**shared),
        row(**shared, crf="pairwise", miou=0.5, published=0.43),
        row(**shared, settings="paper", miou=None),
    ]
    lines = text_tables(rows).splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "masks settings no CRF CRF published",
        "localization recipe 30.0 50.0 43.0",
        "localization paper - - -",
    ]


def test_the_csv_holds_every_figure():
    found = list(csv.DictReader(io.StringIO(csv_text(ROWS))))
    assert len(found) == 4
    assert found[3]["name"] == "fusion"
    assert float(found[3]["difference_low"]) == -0.01
    assert float(found[3]["miou"]) == 0.425
    assert found[0]["published"] == found[0]["previous"] == ""
    assert found[0]["photos"] == "145"

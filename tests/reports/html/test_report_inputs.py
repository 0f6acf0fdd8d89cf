"""Evaluations, qualities and ablations as the report reads them; damaged ones above all."""

import json

import pytest

from wsss_tf.data import Photo
from wsss_tf.errors import RunError
from wsss_tf.reports.html.ablation import read_ablation
from wsss_tf.reports.html.facts import duration
from wsss_tf.reports.html.inputs import Evaluation, PhotoScore, read_evaluation, read_photo_scores
from wsss_tf.reports.html.photos import by_score, spread
from wsss_tf.reports.html.quality import index_coverage
from wsss_tf.reports.html.tables import DASH, score, score_table

NAMES = ["background", "cat"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "{}",
        '{"split": "val", "photos": 1, "iou": {"a": NaN}}',
        '{"split": "val", "photos": 1, "iou": {"a": 0.5}, "confusion": [[1, 2]]}',
        '{"split": "val", "photos": "many", "iou": {}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_evaluation_is_named_with_the_command(tmp_path, text):
    path = tmp_path / "evaluate_val.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"evaluate_val\.json.*Make it anew: wsss-tf evaluate"):
        read_evaluation(path, again="wsss-tf evaluate")


def test_a_trimap_of_uneven_lists_is_refused(tmp_path, evaluation):
    path = tmp_path / "evaluate_val.json"
    uneven = {"width": [1, 2], "pixel_accuracy": [0.1], "miou": [0.1, 0.2]}
    path.write_text(json.dumps(evaluation(NAMES, trimap=uneven)))
    with pytest.raises(RunError, match="one length"):
        read_evaluation(path, again="x")


def test_no_file_is_none_and_an_old_one_is_read(tmp_path):
    path = tmp_path / "evaluate_val.json"
    assert read_evaluation(path, again="x") is None
    path.write_text('{"split": "val", "photos": 2, "miou": 0.5, "iou": {"background": 0.5}}')
    assert read_evaluation(path, again="x").names == ["background"]


def test_a_damaged_list_of_photos_is_named(tmp_path):
    path = tmp_path / "evaluate_val.jsonl"
    assert read_photo_scores(path, again="x") == []
    for text in ('{"id": 1\n', '{"miou": 0.5}\n'):
        path.write_text(text)
        with pytest.raises(RunError, match="Make it anew: x"):
            read_photo_scores(path, again="x")


def test_the_table_has_a_column_an_evaluation_and_a_dash_for_what_does_not_count(evaluation):
    one = Evaluation(**evaluation(NAMES, iou={"background": 0.5, "cat": None}))
    other = Evaluation(**evaluation(["background", "foreground"]))
    table = score_table("c", {"without": one, "with": other})
    cells = {row.name: [cell.text for cell in row.cells] for row in (*table.rows, *table.totals)}
    iou = f"{100 * 100 / 120:.1f}"
    assert cells["background"] == ["50.0", iou]
    assert cells["cat"] == [DASH, DASH]
    assert cells["foreground"] == [DASH, iou]
    assert cells["95 % interval over photos"] == ["40.0 to 60.0"] * 2
    assert [row.colour for row in table.rows] == ["#000000", "#800000", ""]
    assert score(None).share is None


def photos(count):
    return [Photo(f"p{i}", f"p{i}.jpg", ("cat",), 1, 4, 4) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, {}),
        (1, {"Best": ["p0"]}),
        (4, {"Best": ["p0", "p1", "p2"], "Worst": ["p3"]}),
        (
            11,
            {
                "Best": ["p0", "p1", "p2"],
                "Median": ["p4", "p5", "p6"],
                "Worst": ["p8", "p9", "p10"],
            },
        ),
    ],
)
def test_best_median_and_worst_by_the_photos_own_score(count, expected):
    scores = [PhotoScore(id=f"p{i}", miou=1 - 0.05 * i) for i in reversed(range(count))]
    scores += [PhotoScore(id="gone", miou=1.0), PhotoScore(id="p0")]
    found = {}
    for chosen in by_score(photos(count), scores, 3):
        found.setdefault(chosen.heading, []).append(chosen.photo.id)
    assert found == expected


def test_photos_without_scores_are_spread_over_the_list():
    assert [one.photo.id for one in spread(photos(9), 3)] == ["p0", "p4", "p8"]
    assert [one.photo.id for one in spread(photos(2), 6)] == ["p0", "p1"]


def test_coverage_is_the_mean_over_the_photos_with_the_tag():
    rows = [
        {"tags": ["cat", "dog"], "coverage": {"background": 0.5, "cat": 0.5}},
        {"tags": ["cat"], "coverage": {"background": 0.9, "cat": 0.1}},
    ]
    assert index_coverage(rows) == {"cat": 0.3, "dog": 0.0}
    empty = {"tags": ["dog"], "coverage": {"background": 1.0}}
    rows = [{"tags": ["cat"], "coverage": {"foreground": 0.4}}, empty, {**empty, "tags": []}]
    assert index_coverage(rows, foreground=True) == {"foreground": 0.2}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (504, "8 min 24 s"), (7325, "2 h 2 min")],
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


def test_an_ablation_becomes_a_table_for_each_of_the_papers(tmp_path):
    path = tmp_path / "ablation.json"
    row = {"table": "6", "title": "tags only", "field_of_view": "large", "crf": "none", "miou": 0.2}
    path.write_text(json.dumps({"rows": [row, {**row, "table": "4", "published": 0.6}]}))
    tables = read_ablation(path)
    assert [table.columns[-1] for table in tables] == ["95 % interval", "published"]
    assert [cell.text for cell in tables[0].rows[0].cells] == ["none", "20.0", DASH]
    path.write_text('{"rows": 3}')
    with pytest.raises(RunError, match=r"ablation\.json: rows"):
        read_ablation(path)

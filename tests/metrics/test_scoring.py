"""One pass over photos gives every measure, as JSON can hold it."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from wsss_tf.metrics import (
    ConfusionMatrix,
    Scoring,
    Trimap,
    bootstrap,
    score_table,
    tallies_from_rows,
)

NAMES = ("background", "cat", "dog", "sheep")


def strict(value):
    """As a reader gets it; a nan is an error."""
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.fixture
def photos(random_generator):
    """(id, truth, prediction) of photos without sheep: of any size, one of them all void."""
    found = []
    for name, shape in (("a", (30, 41)), ("b", (1, 1)), ("c", (12, 5)), ("void", (6, 6))):
        truth = random_generator.integers(0, 3, shape).astype(np.uint8)
        truth[random_generator.random(shape) < 0.1] = 255
        found.append((name, truth, random_generator.integers(0, 3, shape).astype(np.uint8)))
    found[1][1][:] = 1
    found[3][1][:] = 255
    return found


@pytest.fixture
def scoring(photos):
    scoring = Scoring(NAMES, about={"kind": "predictions", "split": "val"})
    for photo in photos:
        scoring.update(*photo)
    return scoring


def test_the_result_is_that_of_each_measure(scoring, photos):
    confusion, trimap = ConfusionMatrix(4), Trimap(4)
    for _, truth, prediction in photos:
        confusion.update(truth, prediction)
        trimap.update(truth, prediction)
    found, interval = strict(scoring.result()), bootstrap(scoring.tallies())
    assert list(found) == [
        "kind", "split", "photos", "classes", "miou", "iou", "pixel_accuracy",
        "mean_class_accuracy", "miou_interval", "foreground_miou", "confusion", "trimap",
        "seconds",
    ]  # fmt: skip
    assert found["photos"] == 4
    assert found["classes"] == list(NAMES)
    assert found["miou"] == scoring.miou() == confusion.miou()
    assert found["iou"] == {
        **dict(zip(NAMES, confusion.iou().tolist(), strict=True)),
        "sheep": None,
    }
    assert found["pixel_accuracy"] == confusion.pixel_accuracy()
    assert found["mean_class_accuracy"] == confusion.mean_class_accuracy()
    assert found["foreground_miou"] == confusion.foreground().miou()
    assert found["confusion"] == confusion.counts.tolist()
    assert found["miou_interval"] == {
        "level": 0.95, "resamples": 1000, "seed": 0, "low": interval.low, "high": interval.high
    }  # fmt: skip
    assert found["trimap"] == {
        "width": list(range(1, 41)),
        "pixel_accuracy": trimap.pixel_accuracy().tolist(),
        "miou": trimap.miou().tolist(),
    }
    assert found["seconds"].keys() == {"predict", "score"}


def test_a_row_a_photo(scoring, photos):
    rows = strict(scoring.rows())
    assert [row["id"] for row in rows] == ["a", "b", "c", "void"]
    for row, (_, truth, prediction) in zip(rows[:3], photos, strict=False):
        alone = ConfusionMatrix(4)
        alone.update(truth, prediction)
        assert row["miou"] == pytest.approx(alone.miou(), rel=1e-12)
        assert row["pixel_accuracy"] == alone.pixel_accuracy()
    assert rows[3] == {"id": "void", "miou": None, "pixel_accuracy": None, "tally": {}}
    tallies = tallies_from_rows(rows, NAMES)
    np.testing.assert_array_equal(tallies, scoring.tallies())
    intersection, union = tallies.sum(axis=0)
    np.testing.assert_allclose(intersection[:3] / union[:3], scoring.confusion.iou()[:3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truths", [[], [255]])
def test_where_nothing_counts_every_measure_is_null(truths):
    scoring = Scoring(NAMES)
    for value in truths:
        scoring.update("a", np.full((3, 4), value, np.uint8), np.zeros((3, 4), np.uint8))
    found = strict(scoring.result())
    for key in ("miou", "pixel_accuracy", "mean_class_accuracy", "foreground_miou"):
        assert found[key] is None
    assert set(found["iou"].values()) == {None}
    assert found["miou_interval"]["low"] is None
    assert set(found["trimap"]["miou"]) == {None}
    assert "mIoU                -  (- to -: 95 %" in score_table(found)


def test_a_photo_that_is_refused_counts_nothing(scoring):
    before = strict(scoring.result())
    for truth, prediction in (([[4]], [[0]]), ([[0]], [[4]]), ([0], [0]), ([[0]], [[0, 0]])):
        with pytest.raises(ValueError, match="Received"):
            scoring.update("bad", np.array(truth), np.array(prediction))
    after = strict(scoring.result())
    assert {**after, "seconds": None} == {**before, "seconds": None}
    assert len(scoring.rows()) == 4


def test_foreground_merges_all_other_classes(photos):
    confusion, merged = ConfusionMatrix(4), ConfusionMatrix(2)
    for _, truth, prediction in photos:
        confusion.update(truth, prediction)
        flat = np.where(truth == 255, 255, truth > 0)
        merged.update(flat, (prediction > 0).astype(np.uint8))
    np.testing.assert_array_equal(confusion.foreground().counts, merged.counts)
    np.testing.assert_array_equal(merged.foreground().counts, merged.counts)
    background = ConfusionMatrix(1)
    background.update(np.zeros(5, int), np.zeros(5, int))
    np.testing.assert_array_equal(background.foreground().counts, [[5, 0], [0, 0]])


def test_the_table_names_classes_without_a_part(scoring):
    lines = score_table(scoring.result()).splitlines()
    assert lines[0].startswith("background      ")
    assert lines[3] == "sheep               -"
    assert lines[4].startswith(f"mIoU            {100 * scoring.miou():5.1f}  (")
    assert lines[4].endswith(": 95 % of 1000 resamples of the photos)")
    assert [line.split("  ")[0] for line in lines[5:8]] == [
        "pixel accuracy", "class accuracy", "fg/bg mIoU"
    ]  # fmt: skip
    assert lines[8:] == ["sheep is neither in the truth nor predicted: no part in the mean."]


def test_all_measures_of_a_voc_photo_take_milliseconds():
    truth = np.zeros((375, 500), np.uint8)
    truth[60:280, 80:420] = 255
    truth[65:275, 85:250], truth[65:275, 250:415] = 12, 15
    prediction = np.roll(np.where(truth == 255, 9, truth), 6, axis=1)
    scoring, seconds = Scoring([str(name) for name in range(21)]), []
    for photo in range(10):
        start = time.perf_counter()
        scoring.update(str(photo), truth, prediction)
        seconds.append(time.perf_counter() - start)
    # About 5 ms on one core, beside half a second for the prediction; the margin is for a busy
    # machine.
    assert min(seconds) < 0.05

"""The parity table: shares and differences against loops, and every way to be below the bar."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.export import parity
from wsss_tf.export.forms import Form
from wsss_tf.export.samples import Sample
from wsss_tf.labels import LabelSpace
from wsss_tf.metrics import ConfusionMatrix

NAMES = LabelSpace(("background", "cat", "dog"))
SIZES = ((4, 5), (1, 7), (30, 20))


class Keras:
    """Stands for a Predictor: probabilities drawn by the size of a photo."""

    labels = NAMES

    def probabilities(self, photo):
        generator = np.random.default_rng(photo.shape[0])
        return generator.dirichlet(np.ones(3), photo.shape[:2]).astype(np.float32)


def samples(truth=True):
    generator = np.random.default_rng(5)
    for height, width in SIZES:
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        ids = generator.choice([0, 1, 2, 255], (height, width)).astype(np.uint8)
        yield Sample("photo", b"", pixels, ids if truth else None)


def form(kind="fp32", *, change=lambda labels, probabilities: (labels, probabilities)):
    """A form that answers as the Keras model but for `change`."""

    def answer(sample):
        found = Keras().probabilities(sample.pixels)
        return change(found.argmax(-1).astype(np.uint8), found)

    return Form("form", kind, answer)


def row_of(tried, truth=True):
    (row,) = parity.compared([tried], Keras(), samples(truth))
    return row


def test_an_equal_form_passes_every_bar():
    for kind in parity.BARS:
        row = row_of(form(kind))
        assert (row["agreement"], row["max_difference"], row["passed"]) == (1.0, 0.0, True)
        assert row["miou"] == row["miou_keras"]


def wrong_in_corners(labels, probabilities):
    labels, probabilities = labels.copy(), probabilities.copy()
    labels[0, 0] = (labels[0, 0] + 1) % 3
    probabilities[-1, -1, 1] += 0.25
    return labels, probabilities


def test_figures_are_those_of_loops():
    row = row_of(form(change=wrong_in_corners))
    equal = pixels = 0
    matrix = ConfusionMatrix(3)
    for sample in samples():
        expected = Keras().probabilities(sample.pixels)
        found, _ = wrong_in_corners(expected.argmax(-1).astype(np.uint8), expected)
        matrix.update(sample.truth, found)
        for y, x in np.ndindex(*found.shape):
            pixels += 1
            equal += found[y, x] == expected[y, x].argmax()
    assert row["photos"] == len(SIZES)
    assert row["agreement"] == equal / pixels == (627 - 3) / 627
    assert row["max_difference"] == pytest.approx(0.25, abs=1e-6)
    assert row["miou"] == pytest.approx(matrix.miou())
    assert not row["passed"]


@pytest.mark.parametrize(("kind", "passed"), [("fp32", False), ("crf", False), ("int8", True)])
def test_the_bar_hangs_on_the_kind(kind, passed):
    assert row_of(form(kind, change=wrong_in_corners))["passed"] is passed


def test_a_bar_is_met_exactly(monkeypatch):
    monkeypatch.setitem(parity.BARS, "fp32", 624 / 627)
    assert row_of(form(change=wrong_in_corners))["passed"]
    monkeypatch.setitem(parity.BARS, "fp32", 625 / 627)
    assert not row_of(form(change=wrong_in_corners))["passed"]


def as_true_as_keras(sample_truths):
    """Labels that differ widely from the Keras model's, in pixels of unknown truth alone."""
    truths = iter(sample_truths)

    def change(labels, probabilities):
        return np.where(next(truths) == 255, (labels + 1) % 3, labels).astype(np.uint8), None

    return change


@pytest.mark.parametrize(("kind", "passed"), [("int8", True), ("fp16", False)])
def test_miou_within_a_point_lets_int8_pass(kind, passed):
    change = as_true_as_keras([sample.truth for sample in samples()])
    row = row_of(form(kind, change=change))
    assert row["agreement"] < 0.9
    assert row["max_difference"] is None
    assert row["miou"] == row["miou_keras"]
    assert row["passed"] is passed


def test_without_truth_int8_has_the_bar_alone():
    change = as_true_as_keras([sample.truth for sample in samples()])
    row = row_of(form("int8", change=change), truth=False)
    assert (row["miou"], row["miou_keras"], row["passed"]) == (None, None, False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_fails(value):
    def change(labels, probabilities):
        probabilities = probabilities.copy()
        probabilities[0, 0] = value
        return labels, probabilities

    row = row_of(form("int8", change=change))
    assert (row["agreement"], row["max_difference"], row["passed"]) == (1.0, 1.0, False)


@pytest.mark.parametrize(
    "change",
    [
        lambda labels, probabilities: (labels[:-1], probabilities),
        lambda labels, probabilities: (labels[None], probabilities[:, :, :2]),
        lambda labels, probabilities: (np.full_like(labels, 7), probabilities),
    ],
    ids=["a row less", "a class less", "no class"],
)
def test_other_shapes_and_ids_fail_and_do_not_raise(change):
    row = row_of(form("int8", change=change))
    assert row["agreement"] == 0.0
    assert row["miou"] is None
    assert not row["passed"]


def test_names_what_failed_and_never_rounds_up():
    rows = [{**row_of(form()), "form": "a"}, {**row_of(form()), "form": "b"}]
    rows[1] |= {"agreement": 0.99989999, "passed": False}
    assert parity.failed(rows) == ["b"]
    table = parity.parity_table(rows).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "0.99989" in table[3]
    assert "FAILED" in table[3]
    assert "passed" in table[2]

"""What the charts of the report are drawn from, and that their SVG is safe, equal and scoped."""

import math
import re

import numpy as np
import pytest

from wsss_tf.reports.html.charts import (
    bars_figure,
    confusion_figure,
    row_shares,
    truth_and_prediction,
)
from wsss_tf.reports.html.curves import (
    per_cent,
    smoothed,
    training_figure,
    training_rows,
    trimap_figure,
)
from wsss_tf.reports.html.inputs import Trimap
from wsss_tf.reports.html.svg import inline_svg


@pytest.mark.parametrize("reach", [0, 1, 3, 50])
def test_smoothing_is_the_mean_of_the_neighbours_there_are(random_generator, reach):
    values = random_generator.normal(size=20)
    by_loops = []
    for i in range(20):
        near = [values[j] for j in range(20) if abs(i - j) <= reach]
        by_loops.append(math.fsum(near) / len(near))
    np.testing.assert_allclose(smoothed(values, reach), by_loops, rtol=1e-9, atol=1e-12)


def test_smoothing_one_value_and_none():
    assert smoothed([1e300], 5).tolist() == [1e300]
    assert smoothed([], 5).tolist() == []


def test_rows_of_metrics_without_a_finite_loss_are_left_out():
    good = {"step": 2, "loss": 0.5, "learning_rate": 1e-3, "data_wait": 0.0}
    rows = [{}, good, {**good, "loss": None}, {**good, "loss": math.inf}, {**good, "step": "3"}]
    np.testing.assert_array_equal(training_rows(rows), [[2, 0.5, 1e-3]])
    assert training_rows([]).shape == (0, 3)


def test_a_row_of_the_confusion_matrix_sums_to_one_or_is_absent(random_generator):
    counts = random_generator.integers(0, 10**12, (4, 4))
    counts[2] = 0
    shares = row_shares(counts.tolist())
    for i in (0, 1, 3):
        total = sum(int(n) for n in counts[i])
        np.testing.assert_allclose(shares[i], [int(n) / total for n in counts[i]], rtol=1e-12)
    assert np.isnan(shares[2]).all()


def test_truth_and_prediction_are_shares_of_all_pixels():
    found = truth_and_prediction([[50, 0, 0], [10, 20, 0], [0, 15, 5]], ["background", "a", "b"])
    assert found == {"truth": {"a": 0.3, "b": 0.2}, "prediction": {"a": 0.35, "b": 0.05}}
    assert truth_and_prediction([[0, 0], [0, 0]], ["background", "a"]) == {}


def test_none_is_a_gap_in_a_curve():
    np.testing.assert_array_equal(per_cent([0.5, None]), [50.0, np.nan])


def names(count):
    return ["background", *(f"class {i}" for i in range(1, count))]


def texts(svg):
    return [re.sub("<[^>]*>", "", t).strip() for t in re.findall(r"<text.*?</text>", svg, re.S)]


@pytest.mark.parametrize(("classes", "numbered"), [(7, True), (12, True), (13, False)])
def test_cells_have_numbers_while_they_fit(classes, numbered):
    counts = (np.eye(classes, dtype=int) * 73 + 27).tolist()
    figure = confusion_figure(counts, names(classes))
    share = 100 / (73 + 27 * classes)
    found = texts(inline_svg(figure, name="c", description=""))
    assert (found.count(f"{100 * share:.0f}") == classes) is numbered
    assert set(names(classes)) <= set(found)


def test_a_matrix_of_81_classes_stays_small_and_names_each():
    counts = np.eye(81, dtype=int) * 1000 + 1
    svg = inline_svg(confusion_figure(counts.tolist(), names(81)), name="c", description="")
    assert [texts(svg).count(name) for name in names(81)] == [2] * 81
    assert len(svg) < 1_000_000


CURVE = Trimap(width=[1, 2, 3], pixel_accuracy=[0.1, 0.2, None], miou=[None, 0.2, 0.3])
TABLE = np.array([[1.0, 2.0, 1e-3], [2.0, 1.0, 1e-4]])
FIGURES = {
    "trimap": lambda: trimap_figure({"without CRF": CURVE, "with CRF": CURVE}),
    "training": lambda: training_figure(TABLE),
    "one row": lambda: training_figure(TABLE[:1]),
    "confusion": lambda: confusion_figure([[5, 1], [2, 2]], ["background", "a"]),
    "bars": lambda: bars_figure({"truth": {"a": 0.1}, "prediction": {"a": 0.2}}, unit="u"),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_drawing_is_the_same_twice_and_bears_no_date(make):
    first, second = (inline_svg(make(), name="x", description="d") for _ in range(2))
    assert first == second
    assert "<metadata" not in first
    assert not re.search(r"20\d\d-\d\d-\d\d", first)


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_ids_are_scoped_and_every_reference_has_its_target(make, parse):
    svg = inline_svg(make(), name="mine", description="d")
    page = parse(svg)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(one.startswith("mine-") for one in ids)
    used = re.findall(r'(?:href="|url\()#([^")]+)', svg)
    assert set(used) <= set(ids)
    assert page.unbalanced == []


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_a_drawing_takes_its_colours_and_its_font_from_the_page(make):
    svg = inline_svg(make(), name="x", description="d")
    assert "var(--ink)" in svg
    assert "#0102" not in svg
    assert "DejaVu" not in svg
    assert "var(--font)" in svg


def test_learning_rates_are_written_as_numbers():
    found = texts(inline_svg(training_figure(TABLE), name="x", description="d"))
    assert {"0.001", "0.0001"} <= set(found)
    assert not [text for text in found if "$" in text]


def test_names_are_escaped_and_are_no_formulas(parse):
    bad = ["background", "<script>x</script>", "$\\frac{1}{2}$", "a&b"]
    svg = inline_svg(
        confusion_figure(np.eye(4, dtype=int).tolist(), bad), name="x", description=bad[1]
    )
    page = parse(svg)
    assert page.named("script") == []
    assert page.text.count("$\\frac{1}{2}$") == 2
    assert page.text.count("<script>x</script>") == 3
    assert page.text.count("a&b") == 2


def test_a_letter_that_no_font_here_has_is_no_warning(recwarn):
    inline_svg(bars_figure({"a": {"\u732b": 0.5}}, unit="u"), name="x", description="d")
    assert [str(w.message) for w in recwarn] == []


def test_the_name_of_a_drawing_is_plain():
    with pytest.raises(ValueError, match="lower-case"):
        inline_svg(FIGURES["bars"](), name='x"onload', description="d")

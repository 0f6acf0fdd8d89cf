"""Charts of the report by class: the confusion matrix, and how much of the photos each takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from wsss_tf.reports.html.svg import INK, SERIES, new_figure, page_style

# With more classes the cells are too small for a number.
MOST_NUMBERED = 12
# So that a number in the ink of either theme can be read on a full cell.
MOST_OPAQUE = 0.55
# A cell paler than this cannot be told from none; 81 classes have thousands of them.
_FAINTEST = 0.004


def row_shares(confusion: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Share of each true class's pixels by predicted class.

    Args:
        confusion: counts [C, C], truth by row, prediction by column.

    Returns:
        float64 [C, C] in 0..1; a row sums to 1, or is nan where the truth has no such pixel.
    """
    counts = np.array(confusion, np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def confusion_figure(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> Figure:
    """The confusion matrix, each row of truth normalised to 100 % (Fig. 11).

    Args:
        confusion: counts [C, C], truth by row, prediction by column.
        names: of the C classes.
    """
    shares, classes = row_shares(confusion), len(names)
    numbered = classes <= MOST_NUMBERED
    cell = 0.42 if numbered else 0.2 if classes <= 30 else 0.145
    with page_style():
        figure = new_figure(cell * classes + 1.5, cell * classes + 1.3)
        axis = figure.subplots()
        for row, column in np.argwhere(np.nan_to_num(shares) >= _FAINTEST):
            _cell(axis, int(row), int(column), float(shares[row, column]), numbered)
        size = 9.5 if numbered else 8.5 if classes <= 30 else 7.5
        axis.set_xticks(range(classes), names, rotation=90, fontsize=size)
        axis.set_yticks(range(classes), names, fontsize=size)
        axis.set_xlim(-0.5, classes - 0.5)
        axis.set_ylim(classes - 0.5, -0.5)
        axis.set_aspect("equal")
        axis.set_xlabel("predicted")
        axis.set_ylabel("truth")
        axis.grid(visible=False)
        axis.tick_params(length=0)
    return figure


def _cell(axis: Axes, row: int, column: int, share: float, numbered: bool) -> None:
    corner = (column - 0.5, row - 0.5)
    opacity = MOST_OPAQUE * share
    axis.add_patch(Rectangle(corner, 1, 1, facecolor=SERIES[0], alpha=opacity, linewidth=0))
    if numbered and share >= 0.005:
        axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=INK)


def truth_and_prediction(
    confusion: Sequence[Sequence[int]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Share of all pixels that each foreground class has in the truth and in the prediction.

    Returns:
        {"truth": {name: fraction}, "prediction": ...}, background left out: it dwarfs the others.
        Empty without a pixel.
    """
    counts = np.array(confusion, np.float64)
    total = counts.sum()
    if not total:
        return {}
    sums = {"truth": counts.sum(axis=1) / total, "prediction": counts.sum(axis=0) / total}
    return {
        title: {name: float(share) for name, share in list(zip(names, shares, strict=True))[1:]}
        for title, shares in sums.items()
    }


def bars_figure(groups: Mapping[str, Mapping[str, float]], *, unit: str) -> Figure:
    """Horizontal bars, one group a class and one bar a key of `groups`.

    Args:
        groups: fractions by class, by name of the bar; at most 3 bars. All have the same classes.
        unit: of the axis, "per cent of all pixels" for instance.
    """
    names = list(next(iter(groups.values())))
    thickness = 0.8 / len(groups)
    with page_style():
        figure = new_figure(4.8, 0.9 + len(names) * (0.2 + 0.08 * len(groups)))
        axis = figure.subplots()
        for number, (title, shares) in enumerate(groups.items()):
            heights = np.arange(len(names)) + (number - (len(groups) - 1) / 2) * thickness
            values = [100 * shares[name] for name in names]
            axis.barh(heights, values, thickness * 0.92, color=SERIES[number], label=title)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_xlabel(unit)
        axis.grid(visible=False, axis="y")
        axis.tick_params(axis="y", length=0)
        if len(groups) > 1:
            figure.legend(loc="outside upper left", fontsize=9.5, ncols=len(groups))
    return figure

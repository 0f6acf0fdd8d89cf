"""Curves of the report: losses over training, and accuracy near the edges of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from wsss_tf.reports.html.inputs import Trimap
from wsss_tf.reports.html.svg import SERIES, new_figure, page_style

# More numbers beside the small axis of learning rates would run into each other.
MOST_RATES = 3


def smoothed(values: Sequence[float], reach: int) -> NDArray[np.float64]:
    """Mean of each value and up to `reach` neighbours at either side; fewer at the ends.

    Args:
        values: [n].
        reach: at least 0, which changes nothing.

    Returns:
        float64 [n].
    """
    numbers = np.asarray(values, np.float64)
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    index = np.arange(len(numbers))
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(numbers))
    return (sums[last] - sums[first]) / (last - first)


def training_rows(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Step, loss and learning rate of the rows of a metrics.jsonl, float64 [n, 3].

    Rows that lack one of them, or in which one is no finite number, are left out.
    """
    keys = ("step", "loss", "learning_rate")
    found = [
        [float(row[key]) for key in keys]
        for row in rows
        if all(isinstance(row.get(key), int | float) for key in keys)
    ]
    table = np.array(found, np.float64).reshape(-1, len(keys))
    return table[np.isfinite(table).all(axis=1)]


def training_figure(table: NDArray[np.float64]) -> Figure:
    """Loss by step, as logged and smoothed, over the learning rate.

    Args:
        table: of `training_rows`, at least one row.
    """
    steps, losses, rates = table.T
    with page_style():
        figure = new_figure(4.8, 3.4)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        top.plot(steps, losses, color=SERIES[0], alpha=0.35, linewidth=0.9, label="as logged")
        reach = max(1, len(losses) // 40)
        top.plot(steps, smoothed(losses, reach), color=SERIES[0], label="smoothed")
        top.set_ylabel("loss")
        top.legend(loc="upper right", fontsize=9.5)
        bottom.step(steps, rates, where="post", color=SERIES[1])
        if rates.min() > 0:
            bottom.set_yscale("log")
            bottom.set_ylim(rates.min() / 2, rates.max() * 2)
        bottom.minorticks_off()
        ticks = np.unique(rates)[-MOST_RATES:]
        bottom.set_yticks(ticks, [f"{rate:.3g}" for rate in ticks])
        bottom.set_ylabel("rate")
        bottom.set_xlabel("step")
        bottom.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def trimap_figure(curves: Mapping[str, Trimap]) -> Figure:
    """Pixel accuracy and mIoU, per cent, within bands around the edges of the truth (Fig. 10).

    Args:
        curves: by name, "without CRF" for instance; at most 3.
    """
    with page_style():
        figure = new_figure(4.8, 3.4)
        axis = figure.subplots()
        for colour, (name, curve) in zip(SERIES, curves.items(), strict=False):
            for values, style, measure in (
                (curve.pixel_accuracy, "--", "pixel accuracy"),
                (curve.miou, "-", "mIoU"),
            ):
                axis.plot(
                    curve.width, per_cent(values), style, color=colour, label=f"{measure}, {name}"
                )
        axis.set_xlabel("width of the band, px")
        axis.set_ylabel("per cent")
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        figure.legend(loc="outside upper left", fontsize=9.5, ncols=min(len(curves), 2))
    return figure


def per_cent(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Fractions as per cent, float64; nan for None, which leaves a gap in a curve."""
    return 100.0 * np.array([np.nan if value is None else value for value in values], np.float64)

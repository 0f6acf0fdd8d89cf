"""Matplotlib figures as SVG inside a page: the same bytes every time, in the page's own colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

# Stand-ins that no palette has; `inline_svg` puts the page's own variables in their place, so that
# one drawing serves the light and the dark theme.
INK, GRID = "#010203", "#010205"
SERIES = ("#010206", "#010207", "#010208")
_VARIABLES = {
    INK: "--ink",
    GRID: "--line",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}
_SETTINGS: dict[Any, Any] = {  # Stubs of matplotlib spell every key.
    "svg.fonttype": "none",  # Text stays text: it is small, can be searched and read aloud.
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def page_style() -> Iterator[None]:
    """Draws figures in the colours that `inline_svg` knows."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of that many inches, transparent; call it within `page_style`."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def inline_svg(figure: Figure, *, name: str, description: str) -> str:
    """The figure as an <svg> element.

    Args:
        figure: made within `page_style`.
        name: unique in the page; every id within starts with it. Letters, digits and dashes.
        description: what the figure shows, for who cannot see it.

    Returns:
        Markup whose texts are escaped. Equal figures give equal texts.

    Raises:
        ValueError: for another name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"`name` must be lower-case letters, digits and -. Received: {name!r}.")
    for written in figure.findobj(Text):
        written.set_parse_math(False)  # A class called $x$ is no formula.
    text = _drawn(figure, name)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'((?:xlink:)?href="|url\()#', rf"\1#{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # The page's own font; matplotlib names those of this machine.
    text = re.sub(r"font: ([^;\"]*?)([\d.]+px) [^;\"]*", r"font: \1\2 var(--font)", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", text)
    opening = _opening(text[: text.index(">") + 1], name, description)
    return opening + text[text.index(">") + 1 :].strip()


def _drawn(figure: Figure, name: str) -> str:
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser draws the texts, in fonts that matplotlib need not have.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _opening(tag: str, name: str, description: str) -> str:
    """The <svg> tag: its size comes from the page, its words for screen readers from us."""
    view = re.search(r'viewBox="[^"]*"', tag)
    width = re.search(r'width="([\d.]+)pt"', tag)
    if view is None or width is None:
        raise ValueError("The SVG of this matplotlib has no viewBox or width in points.")
    return (
        f'<svg {view[0]} style="--natural: {float(width[1]):.0f}px" role="img" '
        f'aria-labelledby="{name}-title" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-title">{escape(description)}</title>'
    )

"""Contact sheets: a row a photo, a column a step of the method."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wsss_tf.files import write_bytes
from wsss_tf.images import overlay
from wsss_tf.labels import LabelSpace, palette

_INK, _PAPER = "#1b1f24", "#ffffff"


def heat(photo: np.ndarray, values: np.ndarray, opacity: float = 0.75) -> np.ndarray:
    """Lays a map over a photo that is faded to grey: dark where low, yellow where high.

    Args:
        photo: uint8 [H, W, 3].
        values: float [H, W] in 0..1.
        opacity: of the map.

    Returns:
        uint8 [H, W, 3].
    """
    colours = colormaps["inferno"](np.clip(values, 0.0, 1.0))[..., :3] * 255.0
    grey = photo.mean(axis=-1, keepdims=True)
    return np.round(opacity * colours + (1.0 - opacity) * grey).astype(np.uint8)


def labelled(photo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The photo with its label map over it, uint8 [H, W, 3]."""
    return overlay(photo, labels, opacity=0.65)


def shrunk(picture: np.ndarray, side: int = 400) -> np.ndarray:
    """uint8 [H, W, 3] with its longer side reduced to about `side`, by leaving out pixels."""
    stride = max(1, max(picture.shape[:2]) // side)
    return picture[::stride, ::stride].copy()


def draw_sheet(
    path: Path,
    rows: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str],
    captions: Sequence[str],
    labels: LabelSpace,
) -> Path:
    """Draws pictures as a grid and writes it as PNG or JPEG, by the suffix.

    Args:
        path: of the picture.
        rows: uint8 [H, W, 3] pictures, as many a row as there are titles.
        titles: of the columns.
        captions: under the first picture of each row.
        labels: the classes of the legend.

    Returns:
        `path`.
    """
    # A photo far from square is shown small; it does not set the height of all rows.
    aspects = [row[0].shape[0] / row[0].shape[1] for row in rows]
    aspect = float(np.mean(np.clip(aspects, 0.25, 2.0)))
    width = 1.75 * len(titles)
    height = 1.95 * len(rows) * aspect + 0.9
    figure = Figure(figsize=(width, height), dpi=130, facecolor=_PAPER, layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, pictures, caption in zip(grid, rows, captions, strict=True):
        for axis, picture in zip(axes, pictures, strict=True):
            _show(axis, picture)
        axes[0].set_xlabel(as_text(caption), fontsize=8, color=_INK)
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(as_text(title), fontsize=10, color=_INK)
    _legend(figure, labels)
    return _save(figure, path)


def as_text(name: str) -> str:
    """A user's text as matplotlib writes it letter by letter: between two '$' it reads formulas."""
    return name.replace("$", r"\$")


def _show(axis: Any, picture: np.ndarray) -> None:
    axis.imshow(picture, interpolation="lanczos", aspect="equal")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _legend(figure: Figure, labels: LabelSpace) -> None:
    colours = palette() / 255.0
    patches = [
        Patch(facecolor=colours[i], label=as_text(name)) for i, name in enumerate(labels.names) if i
    ]
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=min(len(patches), 8),
        frameon=False,
        fontsize=9,
        labelcolor=_INK,
    )


def _save(figure: Figure, path: Path) -> Path:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix("."))
    write_bytes(path, buffer.getvalue())
    return path

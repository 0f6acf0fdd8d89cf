"""Sheets: names as they are written, and a height that one odd photo does not set."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from wsss_tf.labels import from_tags
from wsss_tf.reports.sheets import draw_sheet


def drawn(path, photos, names=("cat", "dog"), captions=None):
    rows = [[photo, photo] for photo in photos]
    captions = captions or ["x"] * len(rows)
    draw_sheet(path, rows, titles=["a", "b"], captions=captions, labels=from_tags(names))
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize("name", ["$10_$20", "$", "a$b$c", r"\\$x^$", "_under"])
def test_names_are_no_formulas(tmp_path, recwarn, name):
    photo = np.full((20, 30, 3), 99, np.uint8)
    drawn(tmp_path / "sheet.png", [photo], (name, "dog"), [name])
    assert [str(w.message) for w in recwarn] == []


def test_a_name_with_dollars_is_drawn_letter_by_letter(tmp_path):
    """As wide as with letters of the same width, where a formula would be narrower."""
    photo = np.full((20, 30, 3), 99, np.uint8)
    sheets = [drawn(tmp_path / "s.png", [photo], (name,)) for name in ("a$bb$c", "a0bb0c")]
    widths = [np.flatnonzero((s[-40:] < 200).any(axis=(0, 2))) for s in sheets]
    assert np.ptp(widths[0]) == pytest.approx(np.ptp(widths[1]), abs=2)


def test_one_photo_far_from_square_does_not_set_the_height_of_all_rows(tmp_path):
    usual, tall = np.zeros((20, 30, 3), np.uint8), np.zeros((900, 2, 3), np.uint8)
    heights = [
        drawn(tmp_path / "s.png", photos).shape[0] for photos in ([usual] * 4, [usual] * 3 + [tall])
    ]
    assert heights[1] < 2 * heights[0]

"""Counts against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wsss_tf.data.checking.figures import figures
from wsss_tf.data.listing import Entry
from wsss_tf.images import PhotoHeader

CLASSES = ("cat", "cow", "dog")


def entries(count=40):
    generator = np.random.default_rng(0)
    found = []
    for n in range(count):
        tags = tuple(name for name in (*CLASSES, "other") if generator.random() < 0.4)
        found.append(Entry("train" if n % 3 else "val", Path(f"{n}.jpg"), tags, ""))
        if n % 5 == 0:
            found.append(Entry("more", Path(f"{n}.jpg"), tags, ""))
    return found


def test_frequencies_and_pairs_match_loops():
    rows = entries()
    counted = figures(CLASSES, rows, [])
    for split in ("train", "val", "more"):
        for column, name in enumerate(CLASSES):
            expected = sum(1 for row in rows if row.split == split and name in row.tags)
            assert counted.frequencies[split][column] == expected
    for i, first in enumerate(CLASSES):
        for j, second in enumerate(CLASSES):
            paths = {row.path for row in rows if first in row.tags and second in row.tags}
            assert counted.together[i, j] == len(paths)
    pairs = counted.pairs(2)
    assert len(pairs) == 2
    assert pairs[0][2] >= pairs[1][2] > 0
    assert counted.together[CLASSES.index(pairs[0][0]), CLASSES.index(pairs[0][1])] == pairs[0][2]


def test_sizes_fall_into_their_bars():
    sizes = [(127, 5), (128, 1), (255, 255), (500, 375), (375, 500), (5000, 10)]
    headers = [PhotoHeader(w, h, 1, "JPEG", "RGB") for w, h in sizes]
    counted = figures((), [], headers)
    assert dict(counted.sides) == {
        "0-127": 1,
        "128-255": 2,
        "256-383": 0,
        "384-511": 2,
        "512-639": 0,
        "640-799": 0,
        "800-1023": 0,
        "1024-1535": 0,
        "1536-2047": 0,
        "2048-4095": 0,
        "4096+": 1,
    }
    assert sum(count for *_, count in counted.sizes) == 5
    assert counted.pairs(10) == []


def test_nothing_is_counted_of_nothing():
    counted = figures((), [], [])
    assert (counted.sides, counted.sizes, counted.frequencies) == ((), (), {})

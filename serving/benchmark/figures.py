"""The numbers of a row: median, 95th percentile, rate, agreement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed: the nearest rank.

    Args:
        values: at least one.
        share: in 0..1. Of fewer than 20 values, 0.95 gives the largest.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError(
            "`values` must not be empty and `share` lie in 0..1. Received: "
            f"{len(values)} values, share={share}."
        )
    # Rounded first: 0.95 * 20 is a little above 19 in binary.
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[max(rank, 1) - 1]


def summary(seconds: Sequence[float], batch: int) -> dict[str, float | None]:
    """Latency in ms and photos a second of calls that took `seconds`; None where there is none."""
    if not seconds:
        return {"median_ms": None, "p95_ms": None, "photos_per_second": None}
    return {
        "median_ms": 1e3 * statistics.median(seconds),
        "p95_ms": 1e3 * percentile(seconds, 0.95),
        "photos_per_second": batch * len(seconds) / max(sum(seconds), 1e-9),
    }


def agreement(found: Sequence[Path], expected: Sequence[Path]) -> float:
    """The share of pixels of equal label in pairs of .npy files, each uint8 [H, W]."""
    equal = total = 0
    for ours, theirs in zip(found, expected, strict=True):
        same = np.load(ours) == np.load(theirs)
        equal, total = equal + int(same.sum()), total + same.size
    return equal / total

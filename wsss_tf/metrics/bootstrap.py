"""Bootstrap intervals of the mean IoU: how far it would move with other photos of the same kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.metrics.confusion import mean_iou

# Resamples drawn at once: 32 MB of weights for the 40,000 photos of COCO's val.
_CHUNK = 100


@dataclass(frozen=True)
class Interval:
    """A percentile bootstrap interval.

    Attributes:
        low, high: its ends; nan where no resample has a pixel that counts.
        level: the share of resamples inside.
        resamples, seed: how they were drawn.
    """

    low: float
    high: float
    level: float
    resamples: int
    seed: int


def bootstrap(
    tallies: Any, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of the mean IoU over resamples of the photos, drawn with replacement.

    Args:
        tallies: integers [N, 2, C], intersection and union of each class in each photo; see
            `tally` and `tallies_from_rows`.
        resamples: number of draws of N photos.
        level: share of the draws inside the interval, in (0, 1).
        seed: of the draws.

    Returns:
        Quantiles (1 - level) / 2 and (1 + level) / 2, in 0..1. As for the mean IoU itself, a class
        that is in no photo of a draw has no part in its mean.

    Raises:
        ValueError: for another shape, level or number of resamples.
    """
    tallies = _checked("tallies", tallies)
    (drawn,) = _draws([tallies], resamples, seed)
    return _interval(drawn, level, resamples, seed)


def paired_bootstrap(
    first: Any, second: Any, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of mean IoU of `second` minus that of `first`: two results for the same photos.

    Each draw takes the same photos for both, so that hard and easy photos cancel out. An interval
    above 0 says that `second` is better beyond the choice of photos. It does not tell how both
    would move with another seed of the training.

    Args:
        first, second: as `tallies` of `bootstrap`, the same photos in the same order.
        resamples, level, seed: as for `bootstrap`.

    Raises:
        ValueError: as `bootstrap`, and for different numbers of photos.
    """
    first, second = _checked("first", first), _checked("second", second)
    if len(first) != len(second):
        raise ValueError(
            "`second` must be of the photos of `first`. "
            f"Received: {len(second)} photos, not {len(first)}."
        )
    one, other = _draws([first, second], resamples, seed)
    return _interval(other - one, level, resamples, seed)


def tallies_from_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> NDArray[np.int64]:
    """The tallies that the rows of `Scoring.rows` hold, as read from a .jsonl file.

    Args:
        rows: each with "tally", {class name: [intersection, union]}.
        names: of all classes, in order.

    Returns:
        int64 [rows, 2, classes].
    """
    columns = {name: column for column, name in enumerate(names)}
    tallies = np.zeros((len(rows), 2, len(names)), np.int64)
    for photo, row in enumerate(rows):
        for name, pixels in row["tally"].items():
            tallies[photo, :, columns[name]] = pixels
    return tallies


def _draws(
    results: Sequence[NDArray[np.float64]], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Mean IoU of each result in each resample, float64 [results, resamples]."""
    if resamples < 1:
        raise ValueError(f"`resamples` must be at least 1. Received: resamples={resamples}.")
    photos = len(results[0])
    drawn = np.full((len(results), resamples), np.nan)
    if not photos:
        return drawn
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        count = min(_CHUNK, resamples - start)
        draws = (generator.integers(photos, size=photos) for _ in range(count))
        times = np.array([np.bincount(draw, minlength=photos) for draw in draws], np.float64)
        for row, result in enumerate(results):
            # Sums of pixels stay whole numbers in float64, up to 2^53.
            sums = times @ result.reshape(photos, -1)
            drawn[row, start : start + count] = mean_iou(sums.reshape(count, *result.shape[1:]))
    return drawn


def _interval(drawn: NDArray[np.float64], level: float, resamples: int, seed: int) -> Interval:
    if not 0.0 < level < 1.0:
        raise ValueError(f"`level` must be in (0, 1). Received: level={level}.")
    known = drawn[~np.isnan(drawn)]
    low, high = float("nan"), float("nan")
    if known.size:
        low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0]).tolist()
    return Interval(low, high, level, resamples, seed)


def _checked(name: str, tallies: Any) -> NDArray[np.float64]:
    array = np.asarray(tallies, np.float64)
    if array.ndim != 3 or array.shape[1] != 2:
        raise ValueError(
            f"`{name}` must have the shape [photos, 2, classes]. "
            f"Received: {name}.shape={array.shape}."
        )
    return array

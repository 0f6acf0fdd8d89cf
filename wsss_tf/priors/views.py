"""Several looks at a photo, resized and mirrored, and the mean of what a network makes of them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from wsss_tf.priors.resizing import resize

MIN_SCALE, MAX_SCALE = 0.25, 4.0


@dataclasses.dataclass(frozen=True)
class Views:
    """At which sizes a network looks at a photo, and whether also at its mirror image.

    Args:
        scales: one or more factors in 0.25..4, ascending, of the photo's size as the network would
            see it alone; a scaled side is rounded, and 1 pixel at least. They count to thousandths.
        flip: whether every scale is also looked at mirrored left to right.

    Raises:
        ValueError: for scales that are none, out of range, not ascending or there twice.

    Source: custom of the field for CAMs and for predictions, see Ahn & Kwak, CVPR 2018.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        scales = list(self.scales)
        inside = all(MIN_SCALE <= scale <= MAX_SCALE for scale in scales)
        if not scales or not inside or scales != sorted(set(scales)):
            raise ValueError(
                f"`scales` must be one or more factors in {MIN_SCALE}..{MAX_SCALE:g}, ascending, "
                f"none twice. Received: scales={scales}. (1.0,) is the photo's own size alone."
            )
        object.__setattr__(self, "scales", tuple(float(scale) for scale in scales))

    def __iter__(self) -> Iterator[tuple[float, bool]]:
        """Scale and "is mirrored" of every view, the largest scale first."""
        sides = (False, True) if self.flip else (False,)
        yield from itertools.product(reversed(self.scales), sides)

    def __len__(self) -> int:
        return len(self.scales) * (1 + self.flip)


PLAIN = Views()  # The photo as it is, once.


def mean_over_views(
    photo: Any,
    views: Views,
    network: Callable[[Any], Sequence[Any]],
    *,
    size: Any = None,
    finish: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Mean over the views of each map that a network makes, mirrored back and in one grid.

    Magnitudes are left as they are in every view. The views are worked on one after the other, so
    memory is that of the largest and of the mean; time is the sum of all.

    Args:
        photo: float32 [B, H, W, 3].
        views: how the network looks at it.
        network: float32 [B, h, w, 3] -> one or more float [B, h', w', C], of any sizes.
        size: (height, width) of the results; None is, for each map, its own in the largest view.
        finish: applied to each view's maps in that size, before the mean; a softmax for instance.

    Returns:
        list of float32 [B, height, width, C].
    """
    totals: list[Any] = []
    for scale, mirrored in views:
        seen = _viewed(_after(photo, totals), scale, mirrored)
        maps = [ops.cast(found, "float32") for found in network(seen)]
        maps = [_mirror(found) for found in maps] if mirrored else maps
        sizes = [size] * len(maps) if size is not None else [ops.shape(t)[1:3] for t in totals]
        if sizes:  # Empty at the largest view alone, which gives the sizes.
            maps = [resize(found, grid) for found, grid in zip(maps, sizes, strict=True)]
        maps = [finish(found) for found in maps] if finish else maps
        totals = [a + b for a, b in zip(totals, maps, strict=True)] if totals else maps
    return [total / len(views) for total in totals] if len(views) > 1 else totals


def scaled_size(size: Any, scale: float) -> Any:
    """int32 [2]: a height and width times `scale`, rounded, and 1 at least."""
    # In integers, so that every runtime rounds alike.
    thousandths = round(1000 * scale)
    size = ops.convert_to_tensor(size, "int32")
    return ops.maximum((size * thousandths + 500) // 1000, 1)


def _viewed(photo: Any, scale: float, mirrored: bool) -> Any:
    if scale != 1.0:
        photo = resize(photo, scaled_size(ops.shape(photo)[1:3], scale))
    return _mirror(photo) if mirrored else photo


def _mirror(maps: Any) -> Any:
    return maps[:, :, ::-1]


def _after(photo: Any, results: Sequence[Any]) -> Any:
    """The photo, once `results` are there: a graph would otherwise run several views at once."""
    if not results or keras.backend.backend() != "tensorflow":
        return photo
    import tensorflow as tf

    with tf.control_dependencies(list(results)):
        return tf.identity(photo)

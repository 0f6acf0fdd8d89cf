"""Which regions a photo gets: the way they are found, and how many each layer has."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from wsss_tf.regions import alternatives
from wsss_tf.regions.crisp import region_tree
from wsss_tf.regions.grids import nearest
from wsss_tf.regions.settings import ALGORITHM, PRESETS
from wsss_tf.regions.tree import RegionTree

_ALTERNATIVES: dict[str, Callable[[NDArray[np.uint8], int], NDArray[np.int32]]] = {
    "felzenszwalb": alternatives.felzenszwalb_regions,
    "slic": alternatives.slic_regions,
}
METHODS = ("crisp", *_ALTERNATIVES)
MAX_LAYERS = 8
MAX_COUNT = 10_000


@dataclass(frozen=True)
class RegionMethod:
    """How the layers of regions of a photo are found; equal ones give equal layers.

    Args:
        method: "crisp" (this package's own, layers nested), "felzenszwalb" or "slic".
        preset: "fast", "default" or "accurate"; of crisp only.
        counts: regions of each layer, 1 to 8 of them, rising, each 2..10000.

    Raises:
        ValueError: one of them is none of these.
    """

    method: str = "crisp"
    preset: str = "default"
    counts: tuple[int, ...] = (25, 100, 400)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received: method={self.method!r}."
            )
        if self.preset not in PRESETS:
            raise ValueError(
                f"`preset` must be one of {', '.join(PRESETS)}. Received: preset={self.preset!r}."
            )
        if self.method != "crisp" and self.preset != "default":
            raise ValueError(
                f"`preset` must be left out with method={self.method!r}: only crisp has presets. "
                f"Received: preset={self.preset!r}."
            )
        object.__setattr__(self, "counts", _checked_counts(self.counts))

    def key(self, photo: NDArray[np.uint8]) -> str:
        """64 hexadecimal digits that stand for what `arrays` gives for `photo`.

        The photo's pixels and shape, the method and the version of its algorithm; the preset of
        crisp, whose tree serves any counts, and the counts of the others.
        """
        if self.method == "crisp":
            about: tuple[object, ...] = ("crisp", ALGORITHM, self.preset)
        else:
            about = (self.method, alternatives.ALGORITHM, self.counts)
        digest = sha256(repr((*about, photo.dtype.str, photo.shape)).encode())
        digest.update(np.ascontiguousarray(photo).data)
        return digest.hexdigest()

    def arrays(self, photo: NDArray[np.uint8]) -> dict[str, NDArray]:
        """Everything that is worth keeping of `photo`, uint8 [H, W, 3]: a file's content."""
        if self.method == "crisp":
            return region_tree(photo, preset=self.preset).arrays()
        find = _ALTERNATIVES[self.method]
        layers = np.stack([find(photo, count) for count in self.counts])
        return {"layers": layers.astype(np.uint16 if layers.max() < 2**16 else np.int32)}

    def cut(self, arrays: dict[str, NDArray], shape: tuple[int, int]) -> NDArray[np.int32]:
        """The layers in what `arrays` gave for a photo of `shape`: int32 [layers, H, W].

        Raises:
            ValueError: the arrays are not those of such a photo.
        """
        if self.method == "crisp":
            tree = RegionTree.from_arrays(arrays)
            if tuple(tree.shape) != tuple(shape):
                raise ValueError(f"The tree must be of {list(shape)}. Received: {tree.shape}.")
            return tree.layers(self.counts)
        layers = arrays.get("layers", np.empty(0))
        wrong = layers.shape != (len(self.counts), *shape) or layers.dtype.kind not in "iu"
        if wrong or layers.min() < 0:
            raise ValueError(
                f"`layers` must be integers of 0 or more, {[len(self.counts), *shape]}. "
                f"Received: {layers.dtype} {list(layers.shape)}."
            )
        return layers.astype(np.int32)

    def layers(
        self, photo: NDArray[np.uint8], size: tuple[int, int] | None = None
    ) -> NDArray[np.int32]:
        """The regions of a photo, nothing kept; otherwise as `RegionCache.layers`."""
        layers = self.cut(self.arrays(photo), photo.shape[:2])
        return layers if size is None else nearest(layers, size)


def _checked_counts(counts: object) -> tuple[int, ...]:
    """The counts as plain ints; a list from a recipe is as good as a tuple."""
    rule = (
        f"`counts` must be 1 to {MAX_LAYERS} whole numbers in 2..{MAX_COUNT}, rising. "
        f"Received: counts={counts!r}."
    )
    if not isinstance(counts, tuple | list):
        raise ValueError(rule)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in counts):
        raise ValueError(rule)
    plain = tuple(int(n) for n in counts)
    rising = all(a < b for a, b in itertools.pairwise(plain))
    if not (1 <= len(plain) <= MAX_LAYERS and rising and plain[0] >= 2 and plain[-1] <= MAX_COUNT):
        raise ValueError(rule)
    return plain

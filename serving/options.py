"""How a `Segmenter` predicts: every choice in one place, checked before a file is opened."""

from __future__ import annotations

from dataclasses import dataclass

from wsss_tf.images import MAX_PIXELS
from wsss_tf.serving.providers import check_provider, cpu_threads
from wsss_tf.serving.tiles import Tiling

_GPU_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """The keyword arguments of `Segmenter`.

    Args:
        provider: "cpu", "cuda" or "tensorrt", where the network and the CRF run.
        precision: "fp32", "fp16" or "int8", of those that the bundle has.
        crf: whether the bundle's CRF sharpens outlines.
        regions: whether the CRF has its region term; None: where the bundle's has one.
        tile: side of the tiles, in pixels, in which photos are looked at in full; None reduces
            the large ones instead, here or in the graph.
        overlap: of tiles, as `Tiling` takes it.
        batch_size: photos or tiles of one size that run together, at most; None: 1 on the CPU,
            where more gain nothing, and 8 on a GPU.
        threads: of the network on the CPU, and as many that decode; None: one for each CPU.
        max_pixels: of the largest photo that is decoded.

    Raises:
        ValueError: one of them is none of these, or they do not go together.
    """

    provider: str = "cpu"
    precision: str = "fp32"
    crf: bool = False
    regions: bool | None = None
    tile: int | None = None
    overlap: int | None = None
    batch_size: int | None = None
    threads: int | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        check_provider(self.provider)
        for name in ("tile", "batch_size", "threads", "max_pixels"):
            self._check_number(name, 1, optional=name != "max_pixels")
        self._check_number("overlap", 0)
        for name in ("crf", "regions"):
            value = getattr(self, name)
            if not (isinstance(value, bool) or (value is None and name == "regions")):
                raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}.")
        if self.regions and not self.crf:
            raise ValueError("`regions` must go with crf=True: they are a term of the CRF.")
        if self.overlap is not None and self.tile is None:
            raise ValueError("`overlap` must go with a `tile`. Received: tile=None.")
        _ = self.tiling

    def _check_number(self, name: str, least: int, *, optional: bool = True) -> None:
        value = getattr(self, name)
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"`{name}` must be a whole number of at least {least}. Received: {name}={value!r}."
            )

    @property
    def tiling(self) -> Tiling | None:
        """How photos are cut; None where they are not."""
        return None if self.tile is None else Tiling(self.tile, self.overlap)

    @property
    def batch(self) -> int:
        """Photos that run together, at most."""
        return self.batch_size or (1 if self.provider == "cpu" else _GPU_BATCH)

    @property
    def workers(self) -> int:
        """Threads of the network on the CPU, and as many that decode."""
        return self.threads or cpu_threads()

    @property
    def window(self) -> int:
        """Photos on their way at a time; fewer where tiles need them whole."""
        return self.workers + (2 if self.tile else 4 * self.batch)

"""Label maps of photos from a bundle, with onnxruntime alone."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import DataError
from wsss_tf.images import enlarged, read_photo
from wsss_tf.serving.bundle import Bundle, open_bundle
from wsss_tf.serving.network import Network
from wsss_tf.serving.options import SegmenterOptions
from wsss_tf.serving.photo import Photo, require_pixels
from wsss_tf.serving.pipeline import Done, Stages, in_order
from wsss_tf.serving.refining import Refiner
from wsss_tf.serving.resizing import labels_at, reduced, size_within
from wsss_tf.serving.tiles import labels_by_tiles, probabilities_by_tiles


@dataclass(frozen=True)
class Segmentation:
    """What became of a photo.

    Attributes:
        photo: as it was given; None for an array, which is not held any longer.
        error: why there is no label map, or None.
        seconds: of work on it, in all threads.
    """

    photo: Path | None
    error: DataError | None
    seconds: float
    _labels: NDArray[np.uint8] | None = None

    @property
    def labels(self) -> NDArray[np.uint8]:
        """uint8 [H, W], class ids in the grid of the photo as displayed; raises `error`."""
        if self._labels is None:
            raise self.error or DataError("No label map.")
        return self._labels


@dataclass(frozen=True)
class _Prepared:
    """A photo as the network and the CRF want it; the whole one only where tiles need it."""

    size: tuple[int, int]
    pixels: NDArray[np.uint8]
    for_crf: dict[str, NDArray[Any]] | None


class Segmenter:
    """The network of a bundle, ready for photos.

        segmenter = Segmenter("bundle", provider="cuda", precision="fp16")
        for found in segmenter(["a.jpg", "b.jpg"]):
            use(found.labels)

    Label maps are those of the graph. A photo whose longer side is above 2048 pixels, or 1024 with
    a CRF, is reduced to what the network looks at before the graph would do so, to whole numbers,
    which moves labels at some outlines, about .1 % of pixels.

    Args:
        bundle: an open one, or its folder.
        **options: the arguments of `SegmenterOptions`.

    Attributes:
        bundle: the open one.
        options: a `SegmenterOptions`.

    Raises:
        ValueError: for an option that is wrong, or not of this bundle.
        BundleError: the bundle is damaged, foreign or too new.
        WsssError: a package or the provider is missing or cannot be used.
    """

    def __init__(self, bundle: Bundle | str | os.PathLike[str], **options: Any) -> None:
        self.options = SegmenterOptions(**options)
        self.bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        device: dict[str, Any] = {
            "provider": self.options.provider,
            "threads": self.options.workers,
        }
        self._refiner = (
            Refiner(self.bundle, regions=self.options.regions, **device)
            if self.options.crf
            else None
        )
        self._check_tile()
        self._network = Network(self.bundle, precision=self.options.precision, **device)
        self._stages = Stages(self._prepare, self._kind, self._run, self._finish)

    def __call__(self, photos: Iterable[Photo]) -> Generator[Segmentation, None, None]:
        """Segments photos in threads, in batches of one size.

        Args:
            photos: paths of files, or uint8 [H, W, 3] RGB as displayed; any number, taken as they
                are needed.

        Yields:
            A `Segmentation` of each, in the order of `photos`. A photo that cannot be read or done
            has an `error`; the others go on.

        Raises:
            ValueError: `photos` is a single one, or has something that is neither.
        """
        if isinstance(photos, str | os.PathLike | np.ndarray):
            raise ValueError(
                f"`photos` must be a list or another iterable of photos. Received: one "
                f"{type(photos).__name__}. Put it into a list."
            )
        return self._segmentations(photos)

    def _check_tile(self) -> None:
        side, tile = self.bundle.contract.views.side, self.options.tile
        if tile and side and tile > side:
            raise ValueError(
                f"`tile` must be at most {side}: the network of {self.bundle.folder} reduces what "
                f"is larger, tiles too. Received: tile={tile}."
            )

    def _segmentations(self, photos: Iterable[Photo]) -> Generator[Segmentation, None, None]:
        options = self.options
        done = in_order(
            photos,
            self._stages,
            batch_size=1 if options.tile else options.batch,
            threads=options.workers,
            window=options.window,
        )
        try:
            for each in done:
                yield segmentation(each)
        finally:
            done.close()

    def _prepare(self, given: Photo) -> _Prepared:
        photo = self._decoded(given)
        contract = self.bundle.contract
        pixels = photo
        # A CRF's grid is reached from the probabilities of the size that the network looks at.
        whole = contract.input.max_side if self._refiner else contract.whole_side
        if max(photo.shape[:2]) > whole and not self.options.tile:
            # At once to the size in which the graph looks at it, as it would do with the rest.
            pixels = reduced(photo, contract.reduced_side)
        return _Prepared(
            photo.shape[:2], pixels, self._refiner.given(photo) if self._refiner else None
        )

    def _decoded(self, given: Photo) -> NDArray[np.uint8]:
        if isinstance(given, str | os.PathLike):
            return read_photo(given, max_pixels=self.options.max_pixels)
        return require_pixels(given)

    def _kind(self, prepared: _Prepared) -> tuple[int, ...]:
        # What is enlarged afterwards needs its probabilities, the others their labels alone.
        kind = (*prepared.pixels.shape, int(self._needs_probabilities(prepared)))
        large = max(prepared.pixels.shape[:2]) > self.bundle.contract.input.max_side
        # Large ones run one by one: their scores alone fill a small GPU.
        return (*kind, id(prepared)) if large else kind

    def _needs_probabilities(self, prepared: _Prepared) -> bool:
        return self._refiner is not None or prepared.pixels.shape[:2] != prepared.size

    def _run(self, group: Sequence[_Prepared]) -> Sequence[NDArray[Any]]:
        """Probabilities or labels, in the grid of the network or, with a CRF, of that."""
        probabilities = self._needs_probabilities(group[0])
        if self.options.tiling:
            found: Any = [self._by_tiles(group[0])]
        else:
            batch = np.stack([prepared.pixels for prepared in group])
            found = self._network(batch, probabilities=probabilities)
        if self._refiner is None:
            return found
        return [
            self._refiner(prepared.for_crf or {}, one)
            for prepared, one in zip(group, found, strict=True)
        ]

    def _by_tiles(self, prepared: _Prepared) -> NDArray[Any]:
        tiling, count = self.options.tiling, self.options.batch
        if tiling is None:
            raise ValueError("`tile` must be set.")
        if self._refiner is None:
            return labels_by_tiles(self._network, prepared.pixels, tiling, batch_size=count)
        size = size_within(prepared.size, self._refiner.side)
        return probabilities_by_tiles(
            self._network, prepared.pixels, tiling, size=size, batch_size=count
        )

    def _finish(self, prepared: _Prepared, found: NDArray[Any]) -> NDArray[np.uint8]:
        if found.ndim == 3:
            return labels_at(found, prepared.size)
        # A copy where it is a part of a batch, which it would keep alive.
        return np.array(enlarged(found, prepared.size))


def segmentation(done: Done) -> Segmentation:
    """What became of a photo that went through a pipeline whose outcome is its label map."""
    failed = isinstance(done.outcome, DataError)
    return Segmentation(
        Path(done.source) if isinstance(done.source, str | os.PathLike) else None,
        done.outcome if failed else None,
        done.seconds,
        None if failed else done.outcome,
    )

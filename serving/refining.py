"""The dense CRF after the network, from crf.onnx, with regions where the file takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import BundleError, DataError, WsssError
from wsss_tf.serving.bundle import Bundle
from wsss_tf.serving.providers import open_session
from wsss_tf.serving.resizing import averaged, resized, size_within

_FindRegions = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.int32]]


class Refiner:
    """The CRF of a bundle.

    Args:
        bundle: an open one.
        provider, threads: as `open_session` takes them.
        regions: whether its region term is wanted; None: where the file has one.

    Attributes:
        side: the longer side on which it works, at most.

    Raises:
        ValueError: the bundle has no CRF, or one without regions where they are wanted.
        BundleError, WsssError: as `open_session`; regions need the extra [regions].
    """

    def __init__(
        self, bundle: Bundle, *, provider: str, threads: int, regions: bool | None = None
    ) -> None:
        about = bundle.contract.crf
        if about is None:
            raise ValueError(
                f"`crf` must be False for the bundle {bundle.folder}, which has no CRF. "
                "Received: crf=True. Export it with one."
            )
        if regions and not about.regions:
            raise ValueError(
                f"`regions` must be False or None: the CRF of the bundle {bundle.folder} takes no "
                "regions. Received: regions=True. Leave it out, or export a CRF that takes them."
            )
        self.side = about.max_side
        self.name = str(bundle.folder / about.file)
        self._layers: _FindRegions | None = None
        if about.regions:
            wanted = regions is not False
            self._layers = _region_finder(about.region_settings or {}) if wanted else _no_layers
        self._session = open_session(
            bundle.onnx(about.file), provider=provider, threads=threads, name=self.name
        )
        self._check(about.regions)

    def given(self, photo: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What the CRF is given of a photo, uint8 [H, W, 3], at its own size."""
        size = size_within(photo.shape[:2], self.side)
        inputs: dict[str, NDArray[Any]] = {"photo": averaged(photo, self.side)}
        if self._layers:
            inputs["regions"] = self._layers(photo, size)
        return inputs

    def __call__(
        self, given: dict[str, NDArray[Any]], probabilities: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """Labels in the CRF's grid.

        Args:
            given: from `given`.
            probabilities: float32 [h, w, K] of any grid.

        Returns:
            uint8, of the size of `given["photo"]`.

        Raises:
            DataError: onnxruntime failed on it, for want of memory as a rule.
        """
        at_photo = resized(probabilities, given["photo"].shape[:2])
        try:
            (refined,) = self._session.run(["refined"], {**given, "probabilities": at_photo})
        except Exception as error:  # onnxruntime's errors have no base of their own.
            raise DataError(
                f"The CRF failed on {at_photo.shape}: {str(error).splitlines()[0]}."
            ) from error
        return np.argmax(refined, axis=-1).astype(np.uint8)

    def _check(self, regions: bool) -> None:
        inputs = {each.name for each in self._session.get_inputs()}
        expected = {"photo", "probabilities"} | ({"regions"} if regions else set())
        outputs = {each.name for each in self._session.get_outputs()}
        if inputs != expected or "refined" not in outputs:
            raise BundleError(
                f"{self.name}: must take {sorted(expected)} and give 'refined'. Received: "
                f"{sorted(inputs)} and {sorted(outputs)}. Export it with wsss-tf."
            )


def _no_layers(photo: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.int32]:
    """No regions at all, which leave the term out."""
    return np.zeros((0, *size), np.int32)


def _region_finder(settings: dict[str, Any]) -> _FindRegions:
    try:
        from wsss_tf.regions import RegionMethod
    except ImportError as error:
        raise WsssError(
            f"Regions need packages that are missing ({error}). Install with: "
            'pip install "wsss-tf[regions]"'
        ) from error
    known = {key: settings[key] for key in ("method", "preset", "counts") if key in settings}
    try:
        return RegionMethod(**known).layers
    except ValueError as error:
        raise BundleError(f"bundle.json: crf.region_settings: {error}") from error

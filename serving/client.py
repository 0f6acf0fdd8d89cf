"""Label maps from a server of TensorFlow Serving: photo in, label map out."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import DataError, ServerError
from wsss_tf.serving.address import ModelChoice, parse_address
from wsss_tf.serving.photo import Photo
from wsss_tf.serving.pipeline import Stages, in_order
from wsss_tf.serving.retries import Deadline, patiently
from wsss_tf.serving.segmenter import Segmentation, segmentation
from wsss_tf.serving.served_model import ServedModel
from wsss_tf.serving.service import Busy, TooLate
from wsss_tf.serving.upload import prepared

_LONGEST_S = 1_000_000
"""Eleven days; what waits for a clock refuses far longer times."""


class Client:
    """Asks TensorFlow Serving for label maps, by REST or, at a grpc:// address, by gRPC.

        with Client("http://127.0.0.1:8501") as client:
            label_map = client("photo.jpg")

    The server has the SavedModel of a bundle. Its label map is that of the photo as displayed, in
    that grid: upright RGB or grey JPEGs are sent as they are, and everything else is decoded here,
    turned as its EXIF orientation asks, and sent as PNG. Any number of threads may use one client.

    A server that is busy or gone is asked again, ever more slowly, within `timeout`; one that does
    not answer in time is not.

    Args:
        url: http:// or https:// for REST (port 8501 as a rule), grpc:// or grpcs:// for gRPC (port
            8500), which needs the extra [grpc].
        model: its name on the server.
        version: its number; None takes the latest, or that of `label`.
        label: of a version, such as "stable".
        crf: whether the SavedModel's CRF sharpens outlines.
        timeout: seconds for a photo's requests, attempts and pauses together.

    Raises:
        ValueError: an argument is wrong; nothing is sent to find out.
        WsssError: the packages of [grpc] are missing.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str = "wsss_tf",
        version: int | None = None,
        label: str | None = None,
        crf: bool = False,
        timeout: float = 60.0,
    ) -> None:
        address, choice = parse_address(url), ModelChoice(model, version, label)
        self._timeout = _seconds("timeout", timeout)
        self._closed = threading.Event()
        self._model = ServedModel(address, choice, crf=crf)

    def __call__(self, photo: Photo) -> NDArray[np.uint8]:
        """Segments a photo.

        Args:
            photo: a path, or uint8 [H, W, 3] RGB as displayed.

        Returns:
            uint8 [H, W]: class ids, in the grid of the photo as displayed.

        Raises:
            ValueError: it is no photo.
            DataError: the photo cannot be read, or the server refuses it.
            ServerError: the server cannot be reached, is too busy or too slow, does not have the
                model, or answers with something else.
        """
        return self._label_map(photo, self._closed)

    def map(
        self, photos: Iterable[Photo], *, parallel: int = 4
    ) -> Generator[Segmentation, None, None]:
        """Segments photos, several at a time.

        Args:
            photos: as for a call; any number, taken as they are needed.
            parallel: requests under way, at most.

        Yields:
            A `Segmentation` of each, in the order of `photos`. A photo that cannot be read, or that
            the server refuses or does not do in time while it is well, has an `error`; the others
            go on.

        Raises:
            ValueError: `photos` is a single one, or has something that is no photo.
            ServerError: as for a call; the photos before were yielded.
        """
        if isinstance(photos, str | os.PathLike | np.ndarray):
            raise ValueError(
                f"`photos` must be a list or another iterable of photos. Received: one "
                f"{type(photos).__name__}. Put it into a list."
            )
        if not isinstance(parallel, int) or parallel < 1:
            raise ValueError(f"`parallel` must be at least 1. Received: parallel={parallel!r}.")
        return self._segmentations(photos, parallel)

    def ready(self) -> bool:
        """Whether the server could segment a photo now; asked once, within 5 s."""
        if self._closed.is_set():
            return False
        try:
            self._model.check_ready(self._timeout)
        except (Busy, ServerError):
            return False
        return True

    def wait(self, timeout: float) -> None:
        """Returns once the server could segment a photo.

        Raises:
            ServerError: it could not within `timeout` seconds, or never will: something else
                answers there, or the model has no such signature.
        """
        self._require_open()
        deadline = Deadline(_seconds("timeout", timeout), self._closed)
        patiently(self._model.check_ready, deadline, self._model.address)

    def close(self) -> None:
        """Ends pauses before another attempt, and gives up the connections."""
        self._closed.set()
        self._model.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _segmentations(
        self, photos: Iterable[Photo], parallel: int
    ) -> Generator[Segmentation, None, None]:
        stop = threading.Event()
        # A request does all of the work in one of the threads that prepare.
        stages = Stages(
            prepare=lambda photo: self._outcome(photo, stop),
            kind=lambda _: None,
            run=list,
            finish=lambda label_map, _: label_map,
        )
        done = in_order(photos, stages, batch_size=1, threads=parallel, window=2 * parallel)
        try:
            for each in done:
                yield segmentation(each)
        finally:
            stop.set()
            done.close()

    def _outcome(self, photo: Photo, stop: threading.Event) -> NDArray[np.uint8]:
        try:
            return self._label_map(photo, stop)
        except TooLate as error:
            if stop.is_set() or not self.ready():
                stop.set()
                raise
            raise DataError(f"{_name(photo)}: {error}") from error
        except ServerError:
            stop.set()  # The others need not find out for themselves.
            raise

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise ValueError("This client is closed. Make another one.")

    def _label_map(self, photo: Photo, stop: threading.Event) -> NDArray[np.uint8]:
        self._require_open()
        upload = prepared(photo)
        return self._model.label_map(upload, Deadline(self._timeout, stop))


def _seconds(name: str, value: float) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not 0 < value <= _LONGEST_S:
        raise ValueError(
            f"`{name}` must be seconds above 0, {_LONGEST_S} at most. Received: {name}={value!r}."
        )
    return float(value)


def _name(photo: Photo) -> str:
    return "A photo" if isinstance(photo, np.ndarray) else os.fspath(photo)

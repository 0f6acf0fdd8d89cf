"""A bundle's SavedModel on a server: what is asked of it, and what its answers mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import DataError, ServerError
from wsss_tf.images import label_map_from_png
from wsss_tf.serving.address import Address, ModelChoice
from wsss_tf.serving.retries import Deadline, patiently
from wsss_tf.serving.service import (
    CRF_SIGNATURE,
    SIGNATURE,
    Busy,
    NotServed,
    Refused,
    TooLate,
    open_service,
)
from wsss_tf.serving.upload import Upload, as_png

# For what is asked beside photos: a server that is well says it in milliseconds.
_ASK_S = 5.0


class ServedModel:
    """One signature of one model of one server.

    Args:
        address: of the server.
        choice: the model.
        crf: whether its signature with the CRF is meant.

    Attributes:
        address: likewise.

    Raises:
        WsssError: the packages of [grpc] are missing.
    """

    def __init__(self, address: Address, choice: ModelChoice, *, crf: bool) -> None:
        self.address, self._choice = address, choice
        self._signature = CRF_SIGNATURE if crf else SIGNATURE
        self._service = open_service(address, choice)

    def label_map(self, upload: Upload, deadline: Deadline) -> NDArray[np.uint8]:
        """The label map of a photo.

        Returns:
            uint8 [H, W] of `upload.size`.

        Raises:
            DataError: the server refuses the photo.
            ServerError: for all else, such as `deadline`.
        """
        try:
            try:
                png = self._png(upload, deadline)
            except Refused:
                if upload.path is None:
                    raise
                # TensorFlow wants more of a JPEG than Pillow, such as its end marker.
                upload = as_png(upload)
                png = self._png(upload, deadline)
        except Refused as error:
            raise DataError(f"{upload.name}: {self.address} refuses it: {error}") from error
        except NotServed as error:
            raise self._missing(str(error)) from error
        return self._decoded(png, upload.size)

    def check_ready(self, timeout: float) -> None:
        """Returns if the server could answer now; asks once, for 5 s at most.

        Raises:
            Busy: it could not, but may soon.
            ServerError: something else answers there, or the model has no such signature.
        """
        try:
            found = self._service.signatures(timeout=min(timeout, _ASK_S))
        except (NotServed, TooLate) as error:
            raise Busy(str(error)) from error
        except Refused as error:
            raise self._missing(str(error)) from error
        if self._signature not in found:
            raise self._missing("it lacks the signature")

    def close(self) -> None:
        """Gives up connections."""
        self._service.close()

    def _png(self, upload: Upload, deadline: Deadline) -> bytes:
        # A PNG that was not packed at all is longer than its rows by 5 bytes in every 64 KB.
        rows = upload.size[0] * (upload.size[1] + 1)
        max_bytes = rows + rows // 1000 + (1 << 12)

        def ask(left: float) -> bytes:
            return self._service.predict(
                upload.content, self._signature, timeout=left, max_bytes=max_bytes
            )

        return patiently(ask, deadline, self.address)

    def _decoded(self, png: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
        try:
            return label_map_from_png(png, size)
        except ValueError as error:
            raise ServerError(
                f"{self.address}: must answer with a grey 8-bit PNG of {size[0]} x {size[1]} "
                f"pixels (h x w), the photo's size. Received: {error}. Check that {self._choice} "
                "is the SavedModel of a bundle."
            ) from error

    def _missing(self, reason: str) -> ServerError:
        """What was asked for and is not there, and what is, as far as the server tells."""
        offer = self._signatures() if "signature" in reason else self._versions()
        return ServerError(
            f"{self.address}: must serve {self._choice} with the signature {self._signature!r}. "
            f"Received: {reason}. {offer}"
        )

    def _signatures(self) -> str:
        try:
            names = ", ".join(sorted(self._service.signatures(timeout=_ASK_S)))
        except (Busy, NotServed, Refused, ServerError):
            return "Its signatures could not be asked."
        return f"It has the signatures {names}. Export the run anew, with the CRF if it is wanted."

    def _versions(self) -> str:
        try:
            found = self._service.versions(timeout=_ASK_S)
        except (NotServed, Refused):
            return "It has no version of that model: --model_name or models.config names models."
        except (Busy, ServerError):
            return "What it has could not be asked."
        states = ", ".join(f"{version} ({state})" for version, state in found.items())
        return f"It has the versions {states}; models.config gives them labels."

"""What `Client` asks of a server, by REST or gRPC alike, and what may come back instead of it."""

from __future__ import annotations

import os
import re
from typing import Protocol

from wsss_tf.errors import ServerError, WsssError
from wsss_tf.serving.address import Address, ModelChoice

SIGNATURE, CRF_SIGNATURE = "jpeg", "jpeg_crf"
"""Signatures of an exported SavedModel that take a photo's bytes."""
IMAGE, MASK = "image_bytes", "mask_png_bytes"
"""Their input and output: one string for each photo."""
MAX_ERROR_BYTES = 1 << 16
_MAX_REASON = 400
# TensorFlow Serving has no status of its own for these; graphs have "signature" in node names.
_NOT_SERVED = re.compile(
    "serving signature|not match signature|not found in signature|servable version label"
)


class Service(Protocol):
    """One way to ask a server for one model; any number of threads may use it at once.

    Every method takes `timeout`, the seconds that it may last, and raises `Busy`, `NotServed` or
    `ServerError`.
    """

    def predict(self, image: bytes, signature: str, *, timeout: float, max_bytes: int) -> bytes:
        """The PNG for a photo's bytes, of `max_bytes` at most; may raise `Refused`."""

    def signatures(self, *, timeout: float) -> tuple[str, ...]:
        """Names of the model's signatures; the server could predict now."""

    def versions(self, *, timeout: float) -> dict[str, str]:
        """State of each version, such as {"1": "AVAILABLE"}; of all, whichever is asked for."""

    def close(self) -> None:
        """Gives up connections."""


class Busy(Exception):
    """The server cannot answer now, or cannot be reached: it may soon."""


class NotServed(Exception):
    """The server has no such model, version, label or signature."""


class Refused(Exception):
    """The server refuses what it was sent: the photo, as a rule."""


class TooLate(ServerError):
    """No answer in time."""


def failure(where: Address, status: str, reason: str) -> Exception:
    """The exception for an answer that is an error.

    Args:
        where: of the server.
        status: a gRPC status by name, such as "NOT_FOUND"; REST has a number for each.
        reason: the server's message.
    """
    said, words = shortened(reason), reason.lower()
    # A message that is too large will be so next time.
    if status == "UNAVAILABLE" or (
        status == "RESOURCE_EXHAUSTED" and "larger than max" not in words
    ):
        return Busy(said)
    if status == "DEADLINE_EXCEEDED":
        return TooLate(f"{where}: no answer in time: {said}. Raise `timeout`, or a server's own.")
    if status == "NOT_FOUND" or _NOT_SERVED.search(words):
        return NotServed(said)
    if status in ("INVALID_ARGUMENT", "OUT_OF_RANGE"):
        return Refused(said)
    return ServerError(f"{where}: the server answers with {status}: {said}")


def shortened(text: str) -> str:
    """A server's message on one line, which may be a stack of them."""
    line = " ".join(text.split())
    if len(line) > _MAX_REASON:
        line = f"{line[:_MAX_REASON]} ..."
    return line or "(no message)"


def open_service(address: Address, choice: ModelChoice) -> Service:
    """The service for an address; nothing is sent yet.

    Raises:
        WsssError: the packages of the extra [grpc] are missing or do not load.
    """
    if not address.is_grpc:
        from wsss_tf.serving.rest import RestService

        return RestService(address, choice)
    # The official stubs load TensorFlow, which would chat. Kept if somebody has set it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        from wsss_tf.serving.grpc import GrpcService
    except ImportError as error:
        raise WsssError(
            f"{address}: gRPC needs tensorflow-serving-api, which is not installed here or does "
            f'not load ({error}). Install with: pip install "wsss-tf[grpc]". An http:// address, '
            f"as a rule at port 8501, needs nothing else."
        ) from error
    return GrpcService(address, choice)

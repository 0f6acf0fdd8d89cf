"""TensorFlow Serving's REST interface, with the standard library alone."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import ssl
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request

from wsss_tf.errors import ServerError
from wsss_tf.serving.address import GRPC_PORT, Address, ModelChoice
from wsss_tf.serving.http_transfer import Watch, opener, read
from wsss_tf.serving.service import (
    MAX_ERROR_BYTES,
    Busy,
    TooLate,
    failure,
    shortened,
)

# 502 is a proxy's, while the server behind it starts anew.
_STATUSES = {
    400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 502: "UNAVAILABLE",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_MAX_ABOUT_BYTES = 1 << 24


class RestService:
    """A `Service` by REST; a connection for each request.

    Proxies are those of the environment (`https_proxy` and so on), but none for this machine.

    Args:
        address: of scheme http or https.
        choice: the model.
    """

    def __init__(self, address: Address, choice: ModelChoice) -> None:
        self._address, self._choice = address, choice
        self._opener = opener(proxies=not address.is_loopback)

    def predict(self, image: bytes, signature: str, *, timeout: float, max_bytes: int) -> bytes:
        """See `Service`."""
        # Joined, not dumped: base64 needs no escapes, and a photo may be hundreds of megabytes.
        head = b'{"signature_name": "%s", "instances": [{"b64": "' % signature.encode()
        body = b"".join([head, base64.b64encode(image), b'"}]}'])
        # Base64 is a third longer, and an answer has a frame around it.
        limit = max_bytes // 3 * 4 + MAX_ERROR_BYTES
        end = time.monotonic() + timeout
        try:
            answer = self._exchange(self._path(":predict"), body, timeout, limit)
        except ConnectionError as error:
            # What is no REST server may close before it has read a photo: a short request tells.
            self._ask(self._path(""), max(end - time.monotonic(), 1e-3))
            raise Busy(f"the connection broke off: {error}") from error
        return self._png(answer)

    def signatures(self, *, timeout: float) -> tuple[str, ...]:
        """See `Service`."""
        answer = self._ask(self._path("/metadata"), timeout)
        try:
            return tuple(answer["metadata"]["signature_def"]["signature_def"])
        except (KeyError, TypeError) as error:
            raise self._foreign("no signatures") from error

    def versions(self, *, timeout: float) -> dict[str, str]:
        """See `Service`."""
        answer = self._ask(f"/v1/models/{quote(self._choice.name, safe='')}", timeout)
        try:
            rows = answer["model_version_status"]
            return {str(row["version"]): str(row["state"]) for row in rows}
        except (KeyError, TypeError) as error:
            raise self._foreign("no versions") from error

    def close(self) -> None:
        """See `Service`; there is nothing to give up."""

    def _path(self, action: str) -> str:
        path = f"/v1/models/{quote(self._choice.name, safe='')}"
        if self._choice.version is not None:
            path += f"/versions/{self._choice.version}"
        if self._choice.label is not None:
            path += f"/labels/{quote(self._choice.label, safe='')}"
        return path + action

    def _ask(self, path: str, timeout: float) -> Any:
        try:
            return self._exchange(path, None, timeout, _MAX_ABOUT_BYTES)
        except ConnectionError as error:
            raise Busy(f"the connection broke off: {error}") from error

    def _exchange(self, path: str, body: bytes | None, timeout: float, max_bytes: int) -> Any:
        """Sends a request and reads the JSON of its answer; POST with a body, else GET.

        Raises:
            ConnectionError: the connection broke off.
        """
        request = Request(f"{self._address}{path}", data=body)
        request.add_header("Content-Type", "application/json")
        with Watch(timeout) as watch:
            request.watch = watch  # type: ignore[attr-defined]
            try:
                with self._opener.open(request, timeout=timeout) as response:
                    content = read(response, max_bytes)
            except HTTPError as error:
                refusal = self._refusal(error)
                raise (self._late(timeout) if watch.late else refusal) from error
            except (OSError, http.client.HTTPException) as error:
                broken = self._broken(error, timeout)
                raise (self._late(timeout) if watch.late else broken) from error
        if watch.late:  # What came before may look like a whole answer.
            raise self._late(timeout)
        return self._parsed(content)

    def _parsed(self, content: bytes | None) -> Any:
        if content is None:
            raise self._foreign("an answer far larger than a label map of the photo")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            start = content[:60].decode("utf-8", "replace")
            raise self._foreign(f"no JSON, beginning {start!r}") from error

    def _png(self, answer: Any) -> bytes:
        try:
            (only,) = answer["predictions"]
            return base64.b64decode(only["b64"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise self._foreign("no single mask in base64") from error

    def _refusal(self, error: HTTPError) -> Exception:
        """The exception for an answer of a status other than 200."""
        with error:
            try:
                content = error.read(MAX_ERROR_BYTES)
            except (OSError, http.client.HTTPException):
                content = b""
        try:
            reason = str(json.loads(content)["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            reason = ""
        status = _STATUSES.get(error.code, f"status {error.code} {error.reason}")
        if status in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED") or reason:
            return failure(self._address, status, reason or f"{error.code} {error.reason}")
        moved = error.headers.get("Location")
        found = f"status {error.code} {error.reason}"
        return self._foreign(f"{found}, which sends to {moved}" if moved else found)

    def _broken(self, error: Exception, timeout: float) -> Exception:
        """The exception for an answer that did not come, or is not HTTP."""
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return self._late(timeout)
        if isinstance(reason, ConnectionRefusedError):
            return Busy("the connection is refused: nothing listens there")
        if isinstance(reason, http.client.IncompleteRead):
            return ConnectionResetError("closed in the midst of an answer")
        if isinstance(reason, ConnectionError):
            return reason
        if isinstance(reason, http.client.BadStatusLine):
            return self._foreign("no HTTP")
        if isinstance(reason, ssl.SSLError):
            return ServerError(
                f"{self._address}: no secure connection: {reason}. Write http:// if it has no TLS."
            )
        if isinstance(reason, OSError):
            return Busy(str(reason))
        return self._foreign(shortened(repr(reason)))

    def _late(self, timeout: float) -> TooLate:
        return TooLate(f"{self._address}: no answer within {timeout:.3g} s. Raise `timeout`.")

    def _foreign(self, found: str) -> ServerError:
        return ServerError(
            f"{self._address}: must be the REST interface of TensorFlow Serving. Received: "
            f"{found}. Check host and port; a gRPC port ({GRPC_PORT} as a rule) takes "
            f"grpc://{self._address.target}."
        )

"""HTTP requests that end in time, by urllib: no part of one may take what another has used up."""

from __future__ import annotations

import http.client
import time
from typing import Any
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

_CHUNK = 1 << 16
_SHORTEST_S = 1e-3


def opener(*, proxies: bool) -> OpenerDirector:
    """An opener whose `timeout` is that of a request as a whole, and which follows no redirect.

    Args:
        proxies: whether those of the environment are used.
    """
    none = [] if proxies else [ProxyHandler({})]
    return build_opener(_Http, _Https, _NoRedirect, *none)


def read(response: http.client.HTTPResponse, max_bytes: int, end: float) -> bytes | None:
    """Reads a whole answer, part by part.

    Args:
        response: to read.
        max_bytes: beyond which no more is read.
        end: by `time.monotonic`.

    Returns:
        The content; None where it is longer than `max_bytes`.

    Raises:
        TimeoutError: it is not there at `end`.
        http.client.IncompleteRead: the connection was closed before.
    """
    content = bytearray()
    while chunk := response.read1(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            return None
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(content)


class _OnTime(http.client.HTTPConnection):
    """Each step of a request gets what the ones before have left of its `timeout`."""

    _end = 0.0

    def connect(self) -> None:
        self._end = time.monotonic() + (self.timeout or 0.0)
        super().connect()

    def send(self, data: Any) -> None:
        self._hurry()
        super().send(data)

    def getresponse(self) -> http.client.HTTPResponse:
        self._hurry()
        return super().getresponse()

    def _hurry(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(max(self._end - time.monotonic(), _SHORTEST_S))


class _OnTimeTls(_OnTime, http.client.HTTPSConnection):
    pass


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_OnTime, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_OnTimeTls, req)


class _NoRedirect(HTTPRedirectHandler):
    """A photo would not be sent along; where it should go is said instead."""

    def redirect_request(self, *_: Any) -> None:
        return None

"""HTTP requests that end in time, by urllib: no part of one may take what another has used up."""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import threading
from types import TracebackType
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


class Watch:
    """Breaks a request's connection off when its time is over, at whatever step that is.

    A socket's own timeout is for each of its steps: a server that sends a byte now and then would
    never meet it. A context manager, for the request that it is given to as its `watch`.

    Args:
        seconds: from entering the block.

    Attributes:
        late: whether the time was over.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.late = seconds, False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def hold(self, connected: socket.socket) -> None:
        """Takes a connection that is to be broken off."""
        self._sockets.append(connected)
        if self.late:
            self._cut()

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.late = True
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def opener(*, proxies: bool) -> OpenerDirector:
    """An opener that follows no redirect, for requests with a `Watch` as their attribute `watch`.

    Args:
        proxies: whether those of the environment are used.
    """
    none = [] if proxies else [ProxyHandler({})]
    return build_opener(_Http, _Https, _NoRedirect, *none)


def read(response: http.client.HTTPResponse, max_bytes: int) -> bytes | None:
    """Reads a whole answer, part by part.

    Args:
        response: to read.
        max_bytes: beyond which no more is read.

    Returns:
        The content; None where it is longer than `max_bytes`.

    Raises:
        http.client.IncompleteRead: the connection was closed before.
    """
    content = bytearray()
    while chunk := response.read1(_CHUNK):
        content += chunk
        if len(content) > max_bytes:
            return None
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(content)


class _Watched(http.client.HTTPConnection):
    """Hands its socket to the watch of its request."""

    def __init__(self, *arguments: Any, watch: Watch, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watch = watch

    def connect(self) -> None:
        super().connect()
        self._watch.hold(self.sock)


class _WatchedTls(_Watched, http.client.HTTPSConnection):
    pass


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        watched: Any = functools.partial(_Watched, watch=req.watch)  # type: ignore[attr-defined]
        return self.do_open(watched, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> http.client.HTTPResponse:
        watched: Any = functools.partial(_WatchedTls, watch=req.watch)  # type: ignore[attr-defined]
        return self.do_open(watched, req)


class _NoRedirect(HTTPRedirectHandler):
    """A photo would not be sent along; where it should go is said instead."""

    def redirect_request(self, *_: Any) -> None:
        return None

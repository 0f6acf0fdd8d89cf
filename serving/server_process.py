"""A server of TensorFlow Serving as a child of this process: its start, its log, its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections import deque
from typing import IO, Any

from wsss_tf.errors import ServerError
from wsss_tf.serving.server_command import ServerCommand

_LOG = logging.getLogger(__name__)
_LOG_LINES, _LINE_BYTES = 20, 2000
_POLL = 0.2
_NO_REST = "Failed to start HTTP Server"
"""What tensorflow_model_server logs, and goes on without REST."""
_STOPS_IN = 10.0
# No proxy: the server is on this machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    """A server, from `start` to `stop`; its log goes to `logging`, and its end into errors.

    Args:
        command: that starts it.
        url: of its REST interface.
        model: the name that it serves under.
    """

    def __init__(self, command: ServerCommand, url: str, model: str) -> None:
        self.url, self.model = url, model
        self._command = command
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._lacks_rest = False
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Starts it in a group of processes of its own: Ctrl-C reaches it by `stop` alone.

        Raises:
            ServerError: the program cannot be run.
        """
        try:
            self._process = subprocess.Popen(
                self._command.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            program = self._command.arguments[0]
            raise ServerError(f"{program}: cannot be started: {error.strerror}.") from error
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True
        )
        self._reader.start()

    def wait_until_ready(self, timeout: float) -> None:
        """Returns when it answers for the model.

        Args:
            timeout: in seconds.

        Raises:
            ServerError: it ends or fails to load the model, or does not answer in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            versions = self._versions()
            available = any(version.get("state") == "AVAILABLE" for version in versions)
            # Asked afterwards: who answers may be another server at the same port.
            if available and self._poll() is None and not self._lacks_rest:
                return
            if self._lacks_rest:
                raise self._error("could not open its REST port")
            for version in versions:
                if version.get("state") == "END":
                    status = json.dumps(version.get("status", {}))
                    raise self._error(f"could not load the model: {status}")
            if (exit_status := self._poll()) is not None:
                raise self._error(f"ended with status {exit_status} before it was ready")
            if time.monotonic() > deadline:
                raise self._error(f"was not ready after {timeout:g} seconds")
            time.sleep(_POLL)

    def wait(self) -> None:
        """Waits until it ends, which it never should by itself.

        Raises:
            ServerError: it has ended.
        """
        while (exit_status := self._poll()) is None:
            time.sleep(_POLL)
        raise self._error(f"ended with status {exit_status}")

    def stop(self) -> None:
        """Ends it and all its processes: asks first, and after 10 seconds no longer asks."""
        process = self._process
        if process is None:
            return
        try:
            if process.poll() is None:
                _send(process, signal.SIGTERM)
                process.wait(_STOPS_IN)
        except subprocess.TimeoutExpired:
            _LOG.info("killed, as it did not end when it was asked to")
        finally:
            # A second Ctrl-C comes by here too. What the first process left behind goes as well.
            _send(process, signal.SIGKILL)
            process.wait()
            self._remove_container()
            if self._reader:
                self._reader.join(timeout=1)

    def _poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll() if self._process else None

    def _versions(self) -> list[dict[str, Any]]:
        """What its REST interface says of the model's versions; none where nothing answers yet."""
        try:
            with _DIRECT.open(f"{self.url}/v1/models/{self.model}", timeout=2) as answer:
                return list(json.loads(answer.read(1 << 16))["model_version_status"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return []

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                self._lines.append(text)
                self._lacks_rest |= _NO_REST in text
                _LOG.info("%s", text)

    def _error(self, what: str) -> ServerError:
        if self._reader and self._poll() is not None:
            self._reader.join(timeout=1)  # The last lines may still be on their way.
        lines = list(self._lines) or ["(nothing)"]
        return ServerError("\n  ".join([f"The server {what}. The end of its log:", *lines]))

    def _remove_container(self) -> None:
        """Docker's client may be gone without its container."""
        if self._command.container:
            command = ["docker", "rm", "--force", self._command.container]
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=_STOPS_IN)


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Sends a signal to all processes of its group, if any is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)

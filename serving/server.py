"""TensorFlow Serving for a bundle, on this machine, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from wsss_tf.errors import ServerError
from wsss_tf.serving.bundle import Bundle
from wsss_tf.serving.server_command import (
    LOCALHOST,
    ServerOptions,
    docker_command,
    has_docker,
    model_name,
    path_command,
    saved_model_folder,
)
from wsss_tf.serving.server_process import Server

Say = Callable[[str], None]
_EVERYWHERE = {"": LOCALHOST, "0.0.0.0": LOCALHOST, "::": "::1"}
"""Where to reach a server that listens at all addresses."""

_REQUEST = """\
From a shell:

  printf '{"signature_name": "jpeg", "instances": [{"b64": "%s"}]}' "$(base64 < photo.jpg)" |
    tr -d '\\n' |
    curl -sS --data-binary @- URL/v1/models/NAME:predict > answer.json
  sed -n 's/.*"b64": *"\\([^"]*\\)".*/\\1/p' answer.json | base64 -d > mask.png

From Python:

  from wsss_tf.serving import Client
  label_map = Client("URL", model="NAME")("photo.jpg")
"""


@contextlib.contextmanager
def serving(
    bundle: Bundle,
    options: ServerOptions,
    *,
    timeout: float = 120.0,
    say: Say = lambda text: None,
) -> Iterator[Server]:
    """Yields a server that is ready, and ends it with the block, however that ends.

    Args:
        bundle: with a SavedModel, its digests checked: one can run code when it is loaded.
        options: how to start it.
        timeout: seconds until it must be ready; Docker's download of the image does not count.
        say: told of every step before it begins.

    Raises:
        WsssError: the bundle has no SavedModel, or there is no program to serve it.
        ServerError: a port is taken, or the server ends, fails to load the model or is not ready
            in time; with the last lines of its log.
    """
    saved_model_folder(bundle)
    docker = has_docker(options)
    host = options.host or LOCALHOST if docker else ""
    for port in (options.port, options.rest_port):
        _require_free(host, port)
    with (
        _held(options.port),
        _held(options.rest_port),
        tempfile.TemporaryDirectory(prefix="wsss-tf-serve-") as scratch,
    ):
        if docker:
            _require_image(options.chosen_image, say)
            command = docker_command(bundle, options)
        else:
            command = path_command(bundle, options, Path(scratch))
        say(f"Starting {options.chosen_image if docker else command.arguments[0]}")
        url = f"http://{_reached(host)}:{options.rest_port}"
        server = Server(command, url, model_name(bundle))
        try:
            server.start()
            server.wait_until_ready(timeout)
            yield server
        finally:
            server.stop()


def request_to_paste(server: Server) -> str:
    """How to ask a server for a mask, from a shell and from Python."""
    return _REQUEST.replace("URL", server.url).replace("NAME", server.model)


@contextlib.contextmanager
def _held(port: int) -> Iterator[None]:
    """Keeps a port from other calls of this until the block ends.

    A server opens its ports only when it has loaded the model: until then they are free, and of two
    servers both would be taken for the one that answers.
    """
    path = Path(tempfile.gettempdir(), f"wsss-tf-port-{os.getuid()}-{port}.lock")
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServerError(
                f"Port {port} must be free. Received: another wsss-tf serve has it. Choose others "
                "with --port (gRPC) and --rest-port (REST)."
            ) from error
        yield


def _require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = "it is taken" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise ServerError(
            f"Port {port} of {host or 'this machine'} must be free. Received: {reason}. Stop what "
            "uses it, or choose another with --port (gRPC) or --rest-port (REST)."
        ) from error


def _reached(host: str) -> str:
    """The address to ask a server at that listens at `host`."""
    address = _EVERYWHERE.get(host, host)
    return f"[{address}]" if ":" in address else address


def _require_image(image: str, say: Say) -> None:
    """Makes sure that Docker has an image; it shows its progress on stderr."""
    inspect = ["docker", "image", "inspect", image]
    if subprocess.run(inspect, capture_output=True).returncode == 0:
        return
    say(f"Docker downloads {image}")
    if subprocess.run(["docker", "pull", image], stdin=subprocess.DEVNULL, stdout=2).returncode:
        raise ServerError(
            f"{image}: Docker could not download it, and says why above. Choose another with "
            "--image, such as tensorflow/serving:latest."
        )

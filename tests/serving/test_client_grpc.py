"""Client by gRPC: what is of that protocol alone, and what it loads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from wsss_tf.errors import ServerError, WsssError
from wsss_tf.serving import Client

needs_stubs = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None, reason="no tensorflow-serving-api"
)
PHOTO = np.zeros((4, 5, 3), np.uint8)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "wsss_tf.serving.grpc", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(WsssError, match=r'pip install "wsss-tf\[grpc\]"'):
        Client("grpc://127.0.0.1:8500")


def imported(*lines: str) -> set[str]:
    source = "\n".join(["import sys", "from wsss_tf.serving import Client", *lines])
    source += "\nprint(*sorted({name.split('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_rest_loads_neither_grpc_nor_tensorflow():
    found = imported("Client('http://127.0.0.1:8501').ready()")
    assert "urllib" in found
    assert {"grpc", "tensorflow", "tensorflow_serving", "google"} & found == set()


@pytest.mark.slow
@needs_stubs
def test_grpc_loads_the_official_stubs():
    assert {"grpc", "tensorflow_serving"} <= imported("Client('grpc://127.0.0.1:8500')")


@pytest.mark.slow
@needs_stubs
def test_a_server_that_is_gone_and_comes(tiny):
    """The channel's own waiting for a server that was gone is not longer than ours."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    (port,) = tiny.free_ports(1)
    with Client(f"grpc://127.0.0.1:{port}", timeout=0.6) as client:
        assert not client.ready()
        with pytest.raises(ServerError, match=r"cannot answer, asked \d+ times? within"):
            client(PHOTO)
        server = grpc.server(ThreadPoolExecutor(1))  # It has no service at all.
        assert server.add_insecure_port(f"127.0.0.1:{port}") == port
        server.start()
        try:
            with pytest.raises(ServerError, match="Received: gRPC, but another service"):
                client.wait(60)
        finally:
            server.stop(None).wait()


@pytest.mark.slow
@needs_stubs
def test_a_photo_above_grpcs_usual_limit_of_4_megabytes(double):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1600, 3), dtype=np.uint8)
    with Client(double.grpc) as client:
        assert client(noise).shape == (1500, 1600)


@pytest.mark.slow
@needs_stubs
def test_no_proxy_is_asked_for_this_machine(double, monkeypatch):
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Client(double.grpc, timeout=20) as client:
        assert client(PHOTO).shape == PHOTO.shape[:2]


@pytest.mark.slow
@needs_stubs
def test_no_tls_there(double):
    with (
        Client(double.grpc.replace("grpc", "grpcs"), timeout=1.0) as client,
        pytest.raises(ServerError, match=r"no secure connection: .* Write grpc://"),
    ):
        client(PHOTO)

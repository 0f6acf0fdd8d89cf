"""Downloads against a server that breaks off, lies, ignores ranges or has another version."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.server
import os
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from wsss_tf.data.prepare.downloads import fetch
from wsss_tf.errors import DataError, RunError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = np.random.default_rng(1).bytes(3_000_000)


@dataclass
class Behaviour:
    """What the server does with one path; `requests` is what it was asked for."""

    content: bytes = CONTENT
    status: int = 200
    ranges: bool = True
    etag: str | None = '"1"'
    breaks_after: int | None = None
    requests: list[dict[str, str]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the behaviour of a path says."""

    def do_GET(self):
        behaviour = self.server.behaviours[self.path]
        asked = {name.lower(): value for name, value in self.headers.items()}
        behaviour.requests.append(asked)
        if behaviour.status != 200:
            self.send_error(behaviour.status)
            return
        start = 0
        same = asked.get("if-range", behaviour.etag) == behaviour.etag
        if behaviour.ranges and same and "range" in asked:
            start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(behaviour.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(behaviour.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        if behaviour.etag:
            self.send_header("ETag", behaviour.etag)
        body = behaviour.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[: behaviour.breaks_after])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A server on this machine; `server.url(name, ...)` makes a path of it behave."""
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.behaviours = {}

    def url(name, **behaviour):
        running.behaviours[f"/{name}"] = Behaviour(**behaviour)
        return f"http://127.0.0.1:{running.server_port}/{name}"

    running.url = url
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def said():
    return []


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_and_nothing_else_is_left(server, said, tmp_path):
    folder = tmp_path / "new" / "archives"
    path = fetch("x.tar", [server.url("x")], DIGEST, folder, said.append)
    assert path == folder / "x.tar"
    assert path.read_bytes() == CONTENT
    assert names(folder) == ["x.tar"]
    assert len(said) == 1
    assert "Fetching x.tar from http://127.0.0.1" in said[0]
    assert server.behaviours["/x"].requests[0]["user-agent"].startswith("wsss-tf/")


def test_a_file_that_is_there_is_not_fetched(said, tmp_path):
    (tmp_path / "x.tar").write_bytes(CONTENT)
    assert fetch("x.tar", [], DIGEST, tmp_path, said.append) == tmp_path / "x.tar"
    assert fetch("x.tar", [], None, tmp_path, said.append) == tmp_path / "x.tar"


def test_a_file_that_is_there_with_another_digest_is_refused_and_kept(said, tmp_path):
    (tmp_path / "x.tar").write_bytes(OTHER)
    with pytest.raises(DataError, match=f"x.tar: must have the SHA-256 {DIGEST}.*Delete it"):
        fetch("x.tar", [], DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == OTHER


@pytest.mark.parametrize("digest", [DIGEST, None])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_goes_on(server, said, tmp_path, digest, ranges):
    url = server.url("x", breaks_after=1_400_000, ranges=ranges)
    if not ranges:
        with pytest.raises(DataError, match="broke off"):
            fetch("x.tar", [url], digest, tmp_path, said.append)
        assert not (tmp_path / "x.tar").exists()
        server.behaviours["/x"].breaks_after = None
    fetch("x.tar", [url], digest, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert names(tmp_path) == ["x.tar"]
    if ranges:
        asked = [request.get("range") for request in server.behaviours["/x"].requests]
        assert asked == [None, "bytes=1400000-", "bytes=2800000-"]


def test_a_second_call_goes_on_from_another_mirror(server, said, tmp_path):
    broken = server.url("broken", breaks_after=1_000_000)
    server.behaviours["/broken"].ranges = False
    with pytest.raises(DataError):
        fetch("x.tar", [broken], DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar.part").stat().st_size == 1_000_000
    fetch("x.tar", [server.url("good")], DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert server.behaviours["/good"].requests[0]["range"] == "bytes=1000000-"


def test_without_a_digest_a_new_version_starts_anew(server, said, tmp_path):
    url = server.url("x", breaks_after=1_000_000)
    server.behaviours["/x"].ranges = False
    with pytest.raises(DataError):
        fetch("x.tar", [url], None, tmp_path, said.append)
    server.url("x", content=OTHER, etag='"2"')
    fetch("x.tar", [url], None, tmp_path, said.append)
    assert server.behaviours["/x"].requests[0]["if-range"] == '"1"'
    assert (tmp_path / "x.tar").read_bytes() == OTHER
    assert "no digest of it is known" in said[-1]


def test_without_a_digest_another_mirror_starts_anew(server, said, tmp_path):
    broken = server.url("broken", content=OTHER, breaks_after=1_000_000, ranges=False)
    good = server.url("good")
    fetch("x.tar", [broken, good], None, tmp_path, said.append)
    assert "range" not in server.behaviours["/good"].requests[0]
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(server, said, tmp_path):
    mirrors = [
        "http://127.0.0.1:9/refused",
        server.url("gone", status=404),
        server.url("lies", content=OTHER),
        server.url("page", content=b"<html>moved</html>"),
        server.url("good"),
        server.url("never"),
    ]
    fetch("x.tar", mirrors, DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    assert names(tmp_path) == ["x.tar"]
    assert server.behaviours["/never"].requests == []
    assert any("answered 404" in line for line in said)
    assert sum("gave another file" in line for line in said) == 2


def test_no_mirror_is_one_error_with_all_reasons_and_no_file(server, said, tmp_path):
    mirrors = [server.url("gone", status=503), server.url("lies", content=OTHER)]
    with pytest.raises(DataError) as caught:
        fetch("x.tar", mirrors, DIGEST, tmp_path, said.append)
    text = str(caught.value)
    assert "x.tar: no host gave it" in text
    assert f"{mirrors[0]}: answered 503" in text
    assert f"gave another file, of SHA-256 {hashlib.sha256(OTHER).hexdigest()}" in text
    assert "x.tar" not in names(tmp_path)


def test_a_part_that_is_wrong_is_fetched_anew(server, said, tmp_path):
    (tmp_path / "x.tar.part").write_bytes(OTHER[:500_000])
    fetch("x.tar", [server.url("x")], DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == CONTENT
    asked = [request.get("range") for request in server.behaviours["/x"].requests]
    assert asked == ["bytes=500000-", None]


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more", OTHER])
def test_a_part_that_is_whole_or_too_long(server, said, tmp_path, part):
    (tmp_path / "x.tar.part").write_bytes(part)
    fetch("x.tar", [server.url("x")], DIGEST, tmp_path, said.append)
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


def test_two_processes_do_not_fetch_one_file(server, said, tmp_path):
    with open(tmp_path / "x.tar.part", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process fetches it"):
            fetch("x.tar", [server.url("x")], DIGEST, tmp_path, said.append)


def test_a_full_disk_is_told_and_what_came_is_gone_on_with(server, said, tmp_path, monkeypatch):
    write, written = os.write, []

    def full(descriptor, content):
        written.append(len(content))
        if len(written) > 1:
            raise OSError(28, os.strerror(28))
        return write(descriptor, content)

    monkeypatch.setattr("wsss_tf.data.prepare.downloads.os.write", full)
    with pytest.raises(RunError, match=r"x\.tar\.part: cannot be written: No space left"):
        fetch("x.tar", [server.url("x")], DIGEST, tmp_path, said.append)
    monkeypatch.undo()
    assert names(tmp_path) == ["x.tar.part", "x.tar.part.json"]
    fetch("x.tar", [server.url("x")], DIGEST, tmp_path, said.append)
    assert server.behaviours["/x"].requests[0]["range"] == f"bytes={written[0]}-"
    assert (tmp_path / "x.tar").read_bytes() == CONTENT


def test_a_read_only_folder_is_told(server, said, without_root):
    folder = Path(tempfile.mkdtemp())  # Unlike tmp_path, not below a folder that only we may enter.
    folder.chmod(0o555)
    try:
        with without_root(), pytest.raises(RunError, match="x.tar.part: cannot be written"):
            fetch("x.tar", [server.url("x")], DIGEST, folder, said.append)
    finally:
        folder.rmdir()


def test_a_folder_of_its_name_is_told(tmp_path):
    (tmp_path / "x.tar").mkdir()
    with pytest.raises(DataError, match=r"x.tar: must be the archive. Received: a folder"):
        fetch("x.tar", [], DIGEST, tmp_path, print)

"""Client by REST, against answers word by word: wrong ones, late ones, none."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import DataError, ServerError
from wsss_tf.serving import Client
from wsss_tf.serving.service import TooLate

PHOTO = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
LABELS = (np.arange(600) % 3).astype(np.uint8).reshape(20, 30)


def png(image=LABELS, **options):
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, format="PNG", **options)
    return file.getvalue()


def predictions(*pngs):
    values = [{"b64": base64.b64encode(content).decode()} for content in pngs]
    return json.dumps({"predictions": values}).encode()


GOOD = (200, predictions(png()))


class Script(ThreadingHTTPServer):
    """Gives the answers of a list, one for each POST, the last again and again; keeps requests.

    An answer is (status, body), with headers or a body of bytes with pauses behind it if wanted; or
    None, which closes the connection.
    """

    daemon_threads = True

    def __init__(self):
        self.answers, self.requests, self.about = [GOOD], [], (404, b"{}")
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(*self.server.about)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.reply(*answer)

    def reply(self, status, body, headers=(), pause=0.0):
        self.send_response(status)
        for name, value in dict({"Content-Length": str(len(body))}, **dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        parts = [body] if not pause else [bytes([byte]) for byte in body]
        for part in parts:
            try:
                self.wfile.write(part)
            except OSError:
                return
            time.sleep(pause)
        if headers:
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def script():
    with Script() as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


def test_the_request_is_the_documented_one(script):
    with Client(script.url, model="a b", label="my label", crf=True) as client:
        np.testing.assert_array_equal(client(PHOTO), LABELS)
    ((path, body),) = script.requests
    assert path == "/v1/models/a%20b/labels/my%20label:predict"
    request = json.loads(body)
    (instance,) = request.pop("instances")
    assert request == {"signature_name": "jpeg_crf"}
    assert list(instance) == ["b64"]
    sent = Image.open(io.BytesIO(base64.b64decode(instance["b64"])))
    assert (sent.format, sent.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(sent), PHOTO)


def test_a_path_of_a_proxy_stays_in_front(script):
    with Client(f"{script.url}/deep/", version=3) as client:
        client(PHOTO)
    assert script.requests[0][0] == "/deep/v1/models/wsss_tf/versions/3:predict"


def test_an_upright_jpeg_goes_as_it_is(script, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg")
    Client(script.url)(tmp_path / "a.jpg")
    content = base64.b64encode((tmp_path / "a.jpg").read_bytes())
    assert content in script.requests[0][1]


AGAIN = {
    "503": (503, json.dumps({"error": "queue full"}).encode()),
    "503 of a proxy": (503, b"<html>no upstream</html>"),
    "502 of a proxy": (502, b"<html>bad gateway</html>"),
    "429": (429, json.dumps({"error": "OOM"}).encode()),
    "closed": None,
    "cut short": (200, GOOD[1][:-9], {"Content-Length": str(len(GOOD[1]))}),
}


@pytest.mark.parametrize("answer", AGAIN.values(), ids=AGAIN)
def test_what_is_asked_again(script, answer):
    script.answers = [answer, answer, GOOD]
    script.about = (200, b'{"model_version_status": []}')
    np.testing.assert_array_equal(Client(script.url)(PHOTO), LABELS)
    assert len(script.requests) == 3


def error(message):
    return json.dumps({"error": message}).encode()


WRONG = {
    "no JSON": ((200, b"<html>hello"), "Received: no JSON, beginning '<html>hello'"),
    "other JSON": ((200, b"[1, 2]"), "no single mask in base64"),
    "outputs": ((200, b'{"outputs": ["x"]}'), "no single mask in base64"),
    "two masks": ((200, predictions(png(), png())), "no single mask in base64"),
    "no base64": ((200, b'{"predictions": [{"b64": "?"}]}'), "no single mask in base64"),
    "text": ((200, b'{"predictions": ["iVBORw0KGgo="]}'), "no single mask in base64"),
    "endless": ((200, b" " * 200_000), "far larger than a label map"),
    "other size": ((200, predictions(png(LABELS.T))), r"20 x 30 .*a PNG of 30 x 20 pixels"),
    "colours": ((200, predictions(png(PHOTO))), "a PNG of mode RGB"),
    "palette": ((200, predictions(png(Image.fromarray(LABELS).convert("P")))), "of mode P"),
    "16 bits": ((200, predictions(png(LABELS.astype(np.uint16)))), "of mode I;16"),
    "1 bit": ((200, predictions(png(Image.fromarray(LABELS).convert("1")))), "a PNG of mode 1"),
    "4 bits": (
        (200, predictions(png(Image.fromarray(LABELS).convert("P"), bits=4))),
        "a PNG of mode P",
    ),
    "cut PNG": ((200, predictions(png()[:-30])), "must answer with a grey 8-bit PNG"),
    "another server": ((404, b"<html>not here"), "Received: status 404 Not Found. Check host"),
    "too large": ((413, b""), "Received: status 413 Request Entity Too Large"),
    "internal": ((500, error("something\nbroke")), "answers with status 500 .*something broke"),
    "moved": ((301, b"", {"Location": "https://x/"}), "status 301 .* sends to https://x/"),
    "late": ((504, error("timed out")), "no answer in time: timed out"),
}


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_what_is_an_error_at_once(script, answer, message):
    script.answers = [answer]
    with pytest.raises(ServerError, match=message) as caught:
        Client(script.url)(PHOTO)
    assert str(caught.value).startswith(script.url)
    assert len(str(caught.value)) < 1000
    assert len(script.requests) == 1


def test_a_refused_array_is_not_sent_again(script):
    script.answers = [(400, error("what is that?" + "x" * 5000))]
    with pytest.raises(
        DataError, match=r"A photo of 20 x 30 .* refuses it: what is that\?"
    ) as found:
        Client(script.url)(PHOTO)
    assert len(str(found.value)) < 1000
    assert len(script.requests) == 1


def test_a_refused_jpeg_is_sent_again_as_png(script, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg")
    script.answers = [(400, error("Invalid JPEG data")), GOOD]
    np.testing.assert_array_equal(Client(script.url)(tmp_path / "a.jpg"), LABELS)
    assert base64.b64encode(b"\x89PNG\r\n")[:8] in script.requests[1][1]


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_huge_photo_is_refused_before_it_is_sent(script, tmp_path, side):
    content = bytearray(png(PHOTO))
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(content)
    with pytest.raises(DataError, match=r"huge\.png: (must have at most 1|is too large)"):
        Client(script.url)(tmp_path / "huge.png")
    assert script.requests == []


def test_the_timeout_is_for_all_of_an_answer(script):
    # Every byte comes in time by itself; all of them would take a minute.
    script.answers = [(*GOOD, {"Connection": "close"}, 60 / len(GOOD[1]))]
    before = time.monotonic()
    with pytest.raises(TooLate, match=r"no answer within .* s\. Raise `timeout`"):
        Client(script.url, timeout=1.0)(PHOTO)
    assert time.monotonic() - before < 30


@pytest.mark.parametrize("place", ["header", "error"])
@pytest.mark.parametrize("ask", ["call", "ready", "wait"])
def test_a_server_that_drips_does_not_outlast_the_timeout(place, ask):
    """One byte now and then meets every timeout of a socket."""
    answer = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90
    if place == "error":
        answer = b"HTTP/1.1 500 No\r\nContent-Length: 9000\r\n\r\n" + b"{" * 9000
    start = answer.index(b"X: y") if place == "header" else answer.index(b"{")
    ended = threading.Event()

    def serve(listening):
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer[:start])
                    for byte in answer[start:]:
                        if ended.wait(0.1):
                            return
                        connection.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=1.0)
        before = time.monotonic()
        try:
            if ask == "ready":
                assert client.ready() is False
            else:
                with pytest.raises(ServerError):
                    client(PHOTO) if ask == "call" else client.wait(1.0)
        finally:
            took = time.monotonic() - before
            ended.set()
            thread.join()
    assert took < 15


@pytest.fixture
def nowhere():
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound, so that nothing else comes to listen there.
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_is_gone(nowhere):
    client = Client(nowhere, timeout=0.6)
    assert not client.ready()
    message = r"cannot answer, asked \d times? within .* s: the connection is refused"
    with pytest.raises(ServerError, match=message):
        client(PHOTO)
    with pytest.raises(ServerError, match=message):
        client.wait(0.5)


def test_a_server_that_comes_is_waited_for(script):
    metadata = {"metadata": {"signature_def": {"signature_def": {"jpeg": {}, "jpeg_crf": {}}}}}
    script.about = (404, error("Servable not found for request: Latest(wsss_tf)"))
    client, waited = Client(script.url), threading.Event()

    def wait():
        client.wait(300)
        waited.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not waited.wait(0.5)
    script.about = (200, json.dumps(metadata).encode())
    thread.join()
    assert waited.is_set()


def test_closing_ends_the_wait_for_another_attempt(nowhere):
    client, errors = Client(nowhere, timeout=3600), []

    def ask():
        try:
            client(PHOTO)
        except (ServerError, ValueError) as error:  # Closed after the first attempt, or before.
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    client.close()
    thread.join(timeout=60)
    assert len(errors) == 1


def test_leaving_a_map_ends_its_attempts(script):
    script.answers = [GOOD, (503, b"")]
    found = Client(script.url, timeout=3600).map([PHOTO] * 4, parallel=1)
    np.testing.assert_array_equal(next(found).labels, LABELS)
    before = time.monotonic()
    found.close()
    assert time.monotonic() - before < 60


def test_no_proxy_is_asked_for_this_machine(script, monkeypatch, nowhere):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.delenv("no_proxy", raising=False)
    np.testing.assert_array_equal(Client(script.url, timeout=5)(PHOTO), LABELS)


def test_no_tls_there(script):
    client = Client(script.url.replace("http", "https"), timeout=20)
    with pytest.raises(ServerError, match=r"no secure connection: .* Write http://"):
        client(PHOTO)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_tls(script, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    about = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *about]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    script.socket = context.wrap_socket(script.socket, server_side=True)
    client = Client(script.url.replace("http", "https"))
    with pytest.raises(ServerError, match="no secure connection: .*certificate verify failed"):
        client(PHOTO)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    np.testing.assert_array_equal(client(PHOTO), LABELS)


def test_one_photo_is_not_many():
    client = Client("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="must be a list"):
        client.map("photo.jpg")
    with pytest.raises(ValueError, match="`parallel` must be at least 1"):
        client.map([], parallel=0)


@pytest.mark.parametrize("photo", [3, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_photo(script, photo):
    with pytest.raises(ValueError, match=r"A photo must be a path or uint8 \[height, width, 3\]"):
        Client(script.url)(photo)
    assert script.requests == []

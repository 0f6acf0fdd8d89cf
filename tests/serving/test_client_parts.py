"""The parts of Client: addresses, the choice of a model, asking again, photos as they are sent."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import DataError, ServerError
from wsss_tf.images import label_map_from_png, photo_png, read_photo
from wsss_tf.serving import Client, retries
from wsss_tf.serving.address import parse_address
from wsss_tf.serving.retries import Deadline, patiently
from wsss_tf.serving.service import Busy, NotServed, Refused, TooLate, failure
from wsss_tf.serving.upload import prepared

WHERE = parse_address("http://127.0.0.1:8501")

GOOD_URLS = {
    "http://127.0.0.1:8501": ("http", "127.0.0.1:8501", ""),
    "http://Server.Example/": ("http", "server.example", ""),
    "https://example.org/serving/": ("https", "example.org", "/serving"),
    "HTTP://localhost:1": ("http", "localhost:1", ""),
    "grpc://10.0.0.7": ("grpc", "10.0.0.7:8500", ""),
    "grpcs://example.org:443": ("grpcs", "example.org:443", ""),
    "grpc://[::1]:9000": ("grpc", "[::1]:9000", ""),
}


@pytest.mark.parametrize(("url", "parts"), GOOD_URLS.items())
def test_addresses(url, parts):
    address = parse_address(url)
    assert (address.scheme, address.target, address.path) == parts


BAD_URLS = {
    "127.0.0.1:8501": "Write 'http://127.0.0.1:8501'",
    "127.0.0.1:8500": "Write 'grpc://127.0.0.1:8500'",
    "localhost": "Write 'http://localhost'",
    "": "Write 'http://127.0.0.1:8501'",
    "ftp://server": "Write 'http://server'",
    "http://a b:8501": "hold no blanks",
    "http://server:8501\n": "hold no blanks",
    "http://": "must name a host",
    "http://:8501": "must name a host",
    "http://server:port": "must be scheme://host:port",
    "http://server:99999": "must be scheme://host:port",
    "http://[::1": "must be scheme://host:port",
    "http://server:8501/v1/models/wsss_tf:predict": "Write 'http://server:8501'",
    "http://server?x=1": "no query",
    "http://server#x": "no query",
    "grpc://server:8500/path": "must have no path",
    8501: "must be text",
}


@pytest.mark.parametrize(("url", "message"), BAD_URLS.items())
def test_what_is_no_address(url, message):
    with pytest.raises(ValueError, match="`url` must|`url` must have no path") as caught:
        Client(url)
    assert message in str(caught.value)


def test_a_password_is_not_repeated():
    with pytest.raises(ValueError, match="no user and no password") as caught:
        Client("http://user:secret@server")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("a.b", False),
    ],
)
def test_this_machine_is_known(host, loopback):
    assert parse_address(f"http://{host}:1").is_loopback is loopback


BAD_ARGUMENTS = [
    {"model": ""}, {"model": 3}, {"version": "1"}, {"version": -1}, {"version": True},
    {"version": 1.0}, {"label": ""}, {"label": 1}, {"version": 1, "label": "stable"},
    {"timeout": 0}, {"timeout": -1.0}, {"timeout": None}, {"timeout": float("inf")},
    {"timeout": float("nan")}, {"timeout": "60"}, {"timeout": True},
]  # fmt: skip


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS, ids=str)
def test_wrong_arguments(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`.*must.* Received: "):
        Client("http://127.0.0.1:8501", **arguments)


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self, monkeypatch):
        self.now, self.pauses = 0.0, []
        monkeypatch.setattr(retries.time, "monotonic", lambda: self.now)

    def wait(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        return False

    is_set = staticmethod(lambda: False)


def test_pauses_double_up_to_5_s_and_differ(monkeypatch):
    clock = Clock(monkeypatch)
    given = []

    def ask(left):
        given.append(left)
        if len(given) < 10:
            raise Busy("full")
        return "done"

    assert patiently(ask, Deadline(100.0, clock), WHERE) == "done"
    tops = np.minimum(0.1 * 2.0 ** np.arange(9), 5.0)
    shares = np.array(clock.pauses) / tops
    assert ((shares >= 0.5) & (shares <= 1.0)).all()
    assert len(set(shares)) > 1
    np.testing.assert_allclose(given, 100.0 - np.cumsum([0, *clock.pauses]))


def test_no_pause_goes_beyond_the_deadline(monkeypatch):
    clock = Clock(monkeypatch)

    def ask(left):
        raise Busy("full")

    with pytest.raises(ServerError, match=r"asked \d+ times within [\d.]+ s: full\."):
        patiently(ask, Deadline(10.0, clock), WHERE)
    assert 4.0 < clock.now < 10.0


def test_nothing_is_asked_after_the_deadline(monkeypatch):
    clock = Clock(monkeypatch)
    deadline = Deadline(1.0, clock)
    clock.now = 1.0
    with pytest.raises(TooLate, match="no answer within 1 s"):
        patiently(lambda left: pytest.fail("asked"), deadline, WHERE)


def test_an_answer_that_is_late_after_others_were_busy(monkeypatch):
    answers = [Busy("full"), TooLate("late")]

    def ask(left):
        raise answers.pop(0)

    with pytest.raises(ServerError, match=r"asked 2 times within .*: full\."):
        patiently(ask, Deadline(100.0, Clock(monkeypatch)), WHERE)


def test_other_errors_are_not_asked_again():
    tries = []

    def ask(left):
        tries.append(left)
        raise Refused("no")

    with pytest.raises(Refused):
        patiently(ask, Deadline(100.0), WHERE)
    assert len(tries) == 1


def test_a_stop_ends_a_pause():
    stop = threading.Event()
    stop.set()

    def ask(left):
        raise Busy("full")

    with pytest.raises(ServerError, match="asked 1 time within"):
        patiently(ask, Deadline(1e6, stop), WHERE)


STATUSES = {
    ("UNAVAILABLE", "queue full"): Busy,
    ("RESOURCE_EXHAUSTED", "OOM when allocating"): Busy,
    ("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)"): ServerError,
    ("DEADLINE_EXCEEDED", ""): TooLate,
    ("NOT_FOUND", "Servable not found for request: Latest(x)"): NotServed,
    ("FAILED_PRECONDITION", 'Serving signature key "x" not found.'): NotServed,
    ("INVALID_ARGUMENT", 'Serving signature name: "x" not found in signature def'): NotServed,
    ("INVALID_ARGUMENT", "Unrecognized servable version label: x"): NotServed,
    ("INVALID_ARGUMENT", "input size does not match signature: 1!=2"): NotServed,
    ("INVALID_ARGUMENT", "Invalid JPEG data [Op:__inference_signature_wrapper_9]"): Refused,
    ("INTERNAL", "oops"): ServerError,
    ("UNAUTHENTICATED", "who?"): ServerError,
}


@pytest.mark.parametrize(("answer", "kind"), STATUSES.items(), ids=str)
def test_what_a_status_means(answer, kind):
    assert type(failure(WHERE, *answer)) is kind


def test_only_what_tensorflow_decodes_alike_goes_as_it_is(tmp_path, tiny):
    tiny.write_kinds(tmp_path)
    own = {path.name for path in tmp_path.iterdir() if prepared(path).content == path.read_bytes()}
    assert own == {
        "rgb_0.jpg", "rgb_1.jpg", "rgb_2.jpg", "progressive.jpg", "grey.jpg", "pictures.mpo",
        "exif_1.jpg", "no_end_marker.jpg", "1x1.jpg", "row.jpg", "large.jpg",
    }  # fmt: skip
    for path in tmp_path.iterdir():
        if path.name not in own:
            sent = opened(prepared(path).content)
            assert (sent.format, sent.mode) == ("PNG", "RGB")
            np.testing.assert_array_equal(np.asarray(sent), read_photo(path))


def opened(content):
    return Image.open(io.BytesIO(content))


def test_a_file_that_goes_away(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: does not exist"):
        prepared(tmp_path / "gone.jpg")


def test_an_array_that_is_too_large():
    huge = np.broadcast_to(np.uint8(0), (20_000, 20_000, 3))
    with pytest.raises(DataError, match="must have at most 100,000,000 pixels"):
        prepared(huge)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (33, 21)])
def test_pngs_carry_photos_and_label_maps_without_loss(tiny, shape):
    photo = tiny.noise(*shape)
    np.testing.assert_array_equal(np.asarray(opened(photo_png(photo))), photo)
    file = io.BytesIO()
    Image.fromarray(photo[..., 0]).save(file, format="PNG")
    found = label_map_from_png(file.getvalue(), shape)
    np.testing.assert_array_equal(found, photo[..., 0])


@pytest.mark.parametrize(
    "arguments",
    [
        ("http://a..b:1", {}),
        ("http://127.0.0.1", {"version": 1 << 63}),
        ("http://127.0.0.1", {"timeout": 1e10}),
    ],
    ids=["host", "version", "timeout"],
)
def test_what_a_library_below_would_choke_on_is_refused(arguments):
    url, options = arguments
    with pytest.raises(ValueError, match="must"):
        Client(url, **options)


def test_a_closed_client_says_so():
    client = Client("http://127.0.0.1:9")
    client.close()
    assert client.ready() is False
    with pytest.raises(ValueError, match="closed"):
        client.wait(1)

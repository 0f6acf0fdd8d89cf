"""Client against a double of TensorFlow Serving: the label maps of the SavedModel, or an error.

The double shows that both ends speak the documented protocol; `tf_serving_double.py` says what it
cannot show. `test_client_rest.py` and `test_client_grpc.py` have what is of one protocol.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import DataError, ServerError
from wsss_tf.images import read_photo
from wsss_tf.serving import Client
from wsss_tf.serving.service import TooLate

pytestmark = pytest.mark.slow  # TensorFlow makes the SavedModels and serves them.

NAMES = (
    "rgb_0.jpg", "rgb_1.jpg", "rgb_2.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg",
    "pictures.mpo", "no_end_marker.jpg", "exif_1.png", "exif_6.png", "RGB.png", "RGBA.png", "L.png",
    "LA.png", "P.png", "1.png", "16_bits.png", "photo.webp", "animated.gif", "photo.tiff",
    "1x1.png", "1x1.jpg", "row.jpg", "large.jpg", *(f"exif_{turn}.jpg" for turn in range(1, 9)),
)  # fmt: skip


@pytest.fixture(params=["rest", "grpc"])
def url(request, double):
    return getattr(double, request.param)


@pytest.fixture
def client(url):
    with Client(url) as client:
        yield client


def test_every_kind_of_photo_is_tried(served):
    assert sorted(path.name for path in served.photos.iterdir()) == sorted(NAMES)
    # Label maps of one class would be equal by accident.
    assert all(len(np.unique(served.labels[f"2/jpeg/{name}"])) > 1 for name in NAMES[:10])


@pytest.mark.parametrize("name", NAMES)
def test_label_maps_are_those_of_the_saved_model(client, served, name):
    found = client(served.photos / name)
    expected = served.labels[f"2/jpeg/{name}"]
    assert found.dtype == np.uint8
    assert found.shape == read_photo(served.photos / name).shape[:2]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["rgb_2.jpg", "exif_6.jpg", "P.png", "1x1.jpg"])
def test_with_a_crf(url, served, name):
    with Client(url, crf=True) as client:
        found = client(str(served.photos / name))
    np.testing.assert_array_equal(found, served.labels[f"2/jpeg_crf/{name}"])


def test_the_crf_is_another_answer(served):
    both = (served.labels[f"2/{signature}/rgb_2.jpg"] for signature in ("jpeg", "jpeg_crf"))
    assert (next(both) != next(both)).any()


@pytest.mark.parametrize("view", [lambda array: array, lambda array: array[::-1, ::2]])
def test_arrays_are_photos(client, served, tmp_path, view):
    photo = view(read_photo(served.photos / "large.jpg")[:60, :80])
    Image.fromarray(photo).save(tmp_path / "same.png")
    np.testing.assert_array_equal(client(photo), client(tmp_path / "same.png"))


@pytest.mark.parametrize(
    ("choice", "version"),
    [({"version": 1}, 1), ({"version": 2}, 2), ({"label": "stable"}, 1), ({"label": "canary"}, 2)],
)
def test_a_version_by_number_or_label(url, served, choice, version):
    with Client(url, **choice) as client:
        assert client.ready()
        found = client(served.photos / "rgb_0.jpg")
    expected, other = (served.labels[f"{v}/jpeg/rgb_0.jpg"] for v in (version, 3 - version))
    np.testing.assert_array_equal(found, expected)
    assert (expected != other).any()


MISSING = {
    "model": (
        {"model": "wsss"},
        "must serve the model 'wsss'.* It has no version of that model: --model_name or models",
    ),
    "version": (
        {"version": 7},
        r"must serve version 7 of the model 'wsss_tf'.* versions 1 \(AVAILABLE\), 2 \(AVAILABLE\)",
    ),
    "label": (
        {"label": "best"},
        r"labelled 'best' of the model 'wsss_tf'.*label: best\. It has the versions 1 \(AVAIL",
    ),
    "odd name": ({"model": "a b/c:d%"}, "must serve the model 'a b/c:d%'"),
}


@pytest.mark.parametrize(("choice", "message"), MISSING.values(), ids=MISSING)
def test_what_the_server_does_not_have(url, served, choice, message):
    with Client(url, **choice) as client:
        assert not client.ready()
        with pytest.raises(ServerError, match=message) as caught:
            client(served.photos / "rgb_0.jpg")
    assert str(caught.value).startswith(url)


def test_a_model_without_the_signature(url, served, monkeypatch):
    monkeypatch.setattr("wsss_tf.serving.served_model.CRF_SIGNATURE", "jpeg_sharp")
    with Client(url, crf=True) as client:
        assert not client.ready()
        message = "the signature 'jpeg_sharp'.*has the signatures jpeg, jpeg_crf, serving_default"
        with pytest.raises(ServerError, match=message):
            client(served.photos / "rgb_0.jpg")
        with pytest.raises(ServerError, match=message):
            client.wait(60)  # No waiting would help.


FAULTS = ("unavailable", "exhausted", "close", "unavailable")


def test_a_busy_server_is_asked_again(client, double, served):
    double.fail(*FAULTS)
    found = client(served.photos / "rgb_0.jpg")
    assert double.left() == []
    np.testing.assert_array_equal(found, served.labels["2/jpeg/rgb_0.jpg"])


def test_a_server_that_stays_busy(url, double, served):
    double.fail(*["unavailable"] * 1000)
    with Client(url, timeout=3.0) as client:
        message = r"cannot answer, asked \d+ times within .* s: .*queue is full.* raise `timeout`"
        with pytest.raises(ServerError, match=message):
            client(served.photos / "rgb_0.jpg")
    tries = 1000 - len(double.left())
    assert 2 <= tries <= 8  # Ever more slowly: 0.1 s between them would give 30.


def test_no_answer_in_time_is_not_asked_again(url, double, served):
    double.fail("delay:8", "unavailable")
    with Client(url, timeout=2.0) as client, pytest.raises(TooLate):
        client(served.photos / "rgb_0.jpg")
    assert double.left() == ["unavailable"]


def test_a_wrong_answer(client, double, served):
    double.fail("garbage")
    message = r"must answer with a grey 8-bit PNG of 45 x 61 pixels .*Received: 1 bytes"
    with pytest.raises(ServerError, match=message):
        client(served.photos / "rgb_0.jpg")


def test_a_photo_that_the_server_refuses(client, served):
    photo = np.zeros((3200, 3200, 3), np.uint8)  # The SavedModel takes 10 megapixels.
    message = "A photo of 3200 x 3200 .*refuses it: .*at most 10000000 pixels"
    with pytest.raises(DataError, match=message):
        client(photo)
    assert client(served.photos / "1x1.png").shape == (1, 1)


def damaged(served, tmp_path):
    whole = (served.photos / "rgb_0.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "cut.jpg"


def test_a_damaged_photo_is_named(client, served, tmp_path):
    with pytest.raises(DataError, match="cut.jpg: is damaged or cut short"):
        client(damaged(served, tmp_path))


def test_many_photos_in_order_and_one_bad(client, served, tmp_path, double):
    names = [name for name in NAMES if name != "large.jpg"]
    given = [served.photos / name for name in names]
    given.insert(1, damaged(served, tmp_path))
    double.fail("unavailable", "close")
    found = list(client.map(iter(given), parallel=4))
    assert [each.photo for each in found] == given
    bad = found.pop(1)
    assert "cut.jpg" in str(bad.error)
    with pytest.raises(DataError, match=r"cut\.jpg"):
        _ = bad.labels
    for name, each in zip(names, found, strict=True):
        np.testing.assert_array_equal(each.labels, served.labels[f"2/jpeg/{name}"])


def test_one_client_for_many_threads(client, served):
    names = NAMES[:12]
    found: dict[str, np.ndarray] = {}

    def segment(name):
        found[name] = client(served.photos / name)

    threads = [threading.Thread(target=segment, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        np.testing.assert_array_equal(found[name], served.labels[f"2/jpeg/{name}"])


def test_a_photo_that_takes_too_long_does_not_stop_the_others(url, double, served):
    double.fail("delay:10")
    with Client(url, timeout=3.0) as client:
        late, good = client.map(
            [served.photos / "rgb_0.jpg", served.photos / "1x1.png"], parallel=1
        )
    assert "rgb_0.jpg" in str(late.error)
    assert good.error is None


def test_a_server_that_never_recovers_ends_a_map(url, double, served):
    double.fail(*["unavailable"] * 1000)
    with Client(url, timeout=1.0) as client:
        found = client.map([served.photos / "rgb_0.jpg"] * 100, parallel=2)
        before = time.monotonic()
        with pytest.raises(ServerError, match="cannot answer"):
            list(found)
    assert time.monotonic() - before < 25  # 100 photos by twos at a second each would take 50 s.


def test_ready_and_wait(client):
    assert client.ready()
    assert client.wait(30) is None


def test_a_closed_client(url, served):
    client = Client(url)
    client.close()
    with pytest.raises(ValueError, match="client is closed"):
        client(served.photos / "rgb_0.jpg")


def test_the_other_protocols_port(double, served):
    swapped = {
        double.rest.replace("http", "grpc"): f"Received: HTTP/1.1.* takes {double.rest}",
        double.grpc.replace("grpc", "http"): f"Received: no HTTP.* takes {double.grpc}",
    }
    for url, message in swapped.items():
        with Client(url, timeout=20) as client:
            for name in ("1x1.png", "large.jpg"):
                with pytest.raises(ServerError, match=message):
                    client(served.photos / name)
            assert not client.ready()
            with pytest.raises(ServerError, match=message):
                client.wait(20)

"""Warm-up requests: the official messages read them, and the SavedModel answers each."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.export.warmup import REQUESTS_FILE, prediction_log, write_warmup

logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")


def parsed(content):
    """The Predict request in a serialised PredictionLog."""
    log = logs.PredictionLog.FromString(content)
    assert log.WhichOneof("log_type") == "predict_log"
    # Nothing that the official message does not know, and nothing left out.
    assert log.SerializeToString(deterministic=True) == log.FromString(content).SerializeToString(
        deterministic=True
    )
    assert not log.predict_log.HasField("response")
    return log.predict_log.request


def requests(saved_model):
    records = tf.data.TFRecordDataset(str(saved_model / REQUESTS_FILE))
    return [parsed(record.numpy()) for record in records]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 16_384, 100_000])
def test_messages_of_every_length_are_read(length):
    given = {"a": tf.zeros([length], tf.uint8), "b": tf.constant([b"x" * length])}
    request = parsed(prediction_log("m" * length, "s", given))
    assert request.model_spec.name == "m" * length
    assert request.model_spec.signature_name == "s"
    assert set(request.inputs) == {"a", "b"}
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["a"]), np.zeros(length, np.uint8))
    assert tf.make_ndarray(request.inputs["b"]).tolist() == [b"x" * length]


def test_it_is_what_the_official_message_writes():
    given = {"image_bytes": tf.constant([b"\xff\xd8"])}
    official = logs.PredictionLog()
    request = official.predict_log.request
    request.model_spec.name = "wsss_tf"
    request.model_spec.signature_name = "jpeg"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(given["image_bytes"]))
    assert prediction_log("wsss_tf", "jpeg", given) == official.SerializeToString()


@pytest.mark.parametrize("crf", [False, True])
def test_every_signature_has_one_small_request(tmp_path, crf):
    write_warmup(tmp_path, model="wsss_tf", crf=crf)
    found = requests(tmp_path)
    names = {"serving_default", "jpeg"}
    if crf:
        names |= {"serving_default_crf", "serving_default_crf_regions", "jpeg_crf"}
    assert {request.model_spec.signature_name for request in found} == names
    assert len(found) == len(names)
    assert {request.model_spec.name for request in found} == {"wsss_tf"}
    assert (tmp_path / REQUESTS_FILE).stat().st_size < 200_000


def test_they_are_the_same_bytes_every_time(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_warmup(tmp_path / name, model="wsss_tf", crf=True)
    first, second = ((tmp_path / name / REQUESTS_FILE).read_bytes() for name in ("a", "b"))
    assert first == second


@pytest.mark.slow
def test_the_saved_model_of_a_bundle_answers_each(bundle):
    folder = bundle / "saved_model" / "1"
    signatures = tf.saved_model.load(str(folder)).signatures
    found = requests(folder)
    assert {request.model_spec.signature_name for request in found} == set(signatures)
    for request in found:
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        answer = signatures[request.model_spec.signature_name](**inputs)
        assert all(value.shape[0] == 1 for value in answer.values())


@pytest.mark.slow
def test_the_bundle_lists_them_with_the_files_beside_it(bundle):
    about = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    names = ("models.config", "batching.config", "monitoring.config", "docker-compose.yml")
    assert f"saved_model/1/{REQUESTS_FILE}" in about["files"]
    assert {f"tf_serving/{name}" for name in names} <= set(about["files"])
    assert about["tf_serving"] == {"model": "wsss_tf", "folder": "tf_serving"}

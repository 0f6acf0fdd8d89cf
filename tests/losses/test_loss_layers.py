"""The Keras layers: their contract, and that they compute what the functions do."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.losses.layer import LogSumExpPool, WeakSegmentationLoss
from wsss_tf.losses.pooling import log_sum_exp_pool
from wsss_tf.losses.segmentation import foreground_loss, multi_class_loss, tag_loss

KINDS = ["tags", "foreground", "multi_class"]


@pytest.fixture
def case(random_generator):
    logits = random_generator.normal(size=(2, 4, 5, 4)).astype("float32")
    tags = np.array([[1, 0, 0], [0, 1, 1]], "float32")
    mask = random_generator.choice([0, 1, 2, 3, 255], size=(2, 4, 5)).astype("uint8")
    return logits, tags, mask, random_generator.random((2, 4, 5)) < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_layer_is_softmax_then_function(case, kind):
    logits, tags, mask, valid = case
    probabilities = tf.nn.softmax(logits)
    if kind == "tags":
        expected = tag_loss(probabilities, tags, valid, sharpness=3.0)
    else:
        function = {"foreground": foreground_loss, "multi_class": multi_class_loss}[kind]
        expected = function(probabilities, tags, mask, valid, sharpness=3.0)
    layer = WeakSegmentationLoss(kind, sharpness=3.0)
    np.testing.assert_allclose(layer(logits, tags, mask, valid), expected, rtol=1e-6)
    assert layer.compute_output_shape(logits.shape, tags.shape, mask.shape, valid.shape) == (2,)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_float32_under_mixed_precision(case, kind):
    logits, tags, mask, valid = case
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = WeakSegmentationLoss(kind)
        loss = layer(tf.cast(logits, tf.float16), tags, mask, valid)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert loss.dtype == tf.float32
    # float16 logits carry three digits.
    expected = WeakSegmentationLoss(kind)(logits, tags, mask, valid)
    np.testing.assert_allclose(loss, expected, rtol=5e-3)


@pytest.mark.parametrize("layer", [WeakSegmentationLoss("tags", 2.5), LogSumExpPool(2.5)])
def test_layers_come_back_from_their_config(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert copy.sharpness == 2.5


def test_pool_layer_is_the_function(case):
    probabilities = tf.nn.softmax(case[0])
    pixels = case[3][..., None]
    expected, _ = log_sum_exp_pool(probabilities, pixels, sharpness=8.0)
    layer = LogSumExpPool(8.0)
    np.testing.assert_allclose(layer(probabilities, pixels), expected)
    assert layer.compute_output_shape((2, None, None, 4)) == (2, 4)


def test_pool_layer_in_a_saved_model(tmp_path, case):
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, LogSumExpPool(name="pool")(keras.layers.Softmax()(inputs)))
    assert model.output.shape == (None, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(case[0]), model(case[0]))


def test_loss_layer_in_a_functional_model(case):
    logits, tags, mask, valid = case
    inputs = (
        keras.Input((None, None, 4)),
        keras.Input((3,)),
        keras.Input((None, None), dtype="uint8"),
        keras.Input((None, None), dtype="bool"),
    )
    layer = WeakSegmentationLoss("multi_class")
    model = keras.Model(inputs, layer(*inputs))
    assert model.output.shape == (None,)
    np.testing.assert_allclose(
        model([logits, tags, mask, valid]), layer(logits, tags, mask, valid), rtol=1e-6
    )


def test_messages_of_the_layers(case):
    with pytest.raises(ValueError, match="`kind` must be one of tags, foreground, multi_class"):
        WeakSegmentationLoss("weak")
    with pytest.raises(ValueError, match="`sharpness` must be a positive number"):
        LogSumExpPool(sharpness=0)
    with pytest.raises(ValueError, match="`label_map` must be given for the foreground loss"):
        WeakSegmentationLoss("foreground")(case[0], case[1])

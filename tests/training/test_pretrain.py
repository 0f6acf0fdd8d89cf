"""Pretraining of the compact backbone: few steps, and the exactness of the folded network."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from wsss_tf.labels import SCENES
from wsss_tf.nets.vgg import activation_network, convolution_names
from wsss_tf.training.batch_norm_fold import folded_weights, training_network
from wsss_tf.training.pretrain import (
    PretrainSettings,
    pretrain,
    random_batches,
    save,
    tagged_photos,
)

TINY = PretrainSettings(photos=24, side=40, crop=32, steps=3, batch_size=8)
NAMES = [name for block in range(1, 6) for name in convolution_names(block)]


@pytest.fixture(scope="module")
def photos_and_tags():
    return tagged_photos(TINY, start=0, count=24)


def test_tags_are_one_or_none(photos_and_tags):
    photos, tags = photos_and_tags
    assert photos.shape == (24, 40, 40, 3)
    assert photos.dtype == np.uint8
    counts = tags.sum(1)
    assert set(counts) == {0.0, 1.0}
    assert (counts == 0).mean() == pytest.approx(TINY.empty, abs=0.05)


def test_batches_are_the_same_twice_and_show_every_photo(photos_and_tags):
    first, second = (random_batches(*photos_and_tags, TINY) for _ in range(2))
    tags = []
    for _ in range(3):
        (photos, shown), (photos_again, _) = next(first), next(second)
        np.testing.assert_array_equal(photos, photos_again)
        assert photos.shape == (8, 32, 32, 3)
        tags.append(shown)
    np.testing.assert_array_equal(np.concatenate(tags).sum(0), photos_and_tags[1].sum(0))


def test_folded_network_is_the_trained_one(photos_and_tags):
    """Up to one positive factor for each channel, and with block means of 1 where objects are."""
    photos, shown = photos_and_tags[0], photos_and_tags[1].any(1)
    model = training_network(SCENES.num_tags, width=0.0625)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [w.shape for w in layer.get_weights()]
            low_high = ((0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5))
            pairs = zip(shapes, low_high, strict=True)
            layer.set_weights([rng.uniform(*ends, shape) for shape, ends in pairs])
    weights = folded_weights(model, photos, shown)
    plain = activation_network(width=0.0625, blocks=(4, 5))
    for name in NAMES:
        plain.get_layer(name).set_weights([weights[f"{name}_kernel"], weights[f"{name}_bias"]])
    outputs = [model.get_layer(name).output for name in ("block4_conv3", "block5_conv3")]
    trained = keras.Model(model.input, outputs)(photos)
    for want, got in zip(trained, plain(photos), strict=True):
        want, got = np.asarray(want), np.asarray(got)
        assert got[shown].mean() == pytest.approx(1.0, rel=1e-4)
        factor = got.mean((0, 1, 2)) / np.maximum(want.mean((0, 1, 2)), 1e-9)
        assert factor.max() <= 10.1 * factor[factor > 0].min()
        np.testing.assert_allclose(got, want * factor, rtol=1e-3, atol=1e-4)


def test_channels_that_objects_excite_count_for_more(photos_and_tags):
    photos, shown = photos_and_tags[0].copy(), photos_and_tags[1].any(1)
    photos[~shown] = photos[~shown] // 8 + 100
    model = training_network(SCENES.num_tags, width=0.0625)
    weights = folded_weights(model, photos, shown)
    layer = model.get_layer("block4_conv3")
    activations = np.asarray(keras.Model(model.input, layer.output)(photos))
    with_object, without = (activations[s].mean((0, 1, 2)) for s in (shown, ~shown))
    wanted = np.clip(with_object / (without + 1e-3) - 1, 0.3, 3.0)
    raw = model.get_layer("block4_conv3_linear").get_weights()[0]
    length = [np.sqrt((w**2).sum((0, 1, 2))) for w in (weights["block4_conv3_kernel"], raw)]
    factor = length[0] / length[1]
    assert wanted.std() > 0.05
    np.testing.assert_allclose(factor / factor.mean(), wanted / wanted.mean(), rtol=1e-3)


def test_a_few_steps_give_a_small_file_of_finite_weights(tmp_path):
    weights, accuracy = pretrain(TINY)
    assert sorted(weights) == sorted(f"{n}_{part}" for n in NAMES for part in ("kernel", "bias"))
    assert all(np.isfinite(array).all() for array in weights.values())
    assert 0.0 <= accuracy <= 1.0
    save(tmp_path / "weights.npz", weights)
    assert (tmp_path / "weights.npz").stat().st_size < 2_000_000
    with np.load(tmp_path / "weights.npz") as saved:
        assert saved["block1_conv1_kernel"].shape == (3, 3, 3, 8)
        assert saved["block5_conv3_bias"].shape == (64,)
        assert {array.dtype.name for array in saved.values()} == {"float16"}

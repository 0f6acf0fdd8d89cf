"""Kept activations: the split network is the whole one, and what is kept hangs on what it must."""

import dataclasses
import logging
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import AugmentSettings
from wsss_tf.data import Photo
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.fcn import fcn
from wsss_tf.training.activations import LARGEST, FrozenFront, split_network
from wsss_tf.training.optimizer import freeze_blocks

AUGMENT = AugmentSettings(crop=32, views=2)
WIDTH = 1 / 16
NETWORKS = {"cam": lambda: cam_network(3, width=WIDTH), "fcn": lambda: fcn(4, width=WIDTH)}


def photos(size=32, count=2):
    shape = (count, size, size, 3)
    return tf.constant(np.random.default_rng(1).integers(0, 256, shape), tf.uint8)


def squares(outputs, weights):
    """A loss and its gradients, by name."""
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_mean(value**2) for value in tf.nest.flatten(outputs())])
    return loss, dict(
        zip([weight.path for weight in weights], tape.gradient(loss, weights), strict=True)
    )


@pytest.mark.parametrize("blocks", [1, 4, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_gradients_are_those_of_the_whole_network(name, blocks):
    model, photo = NETWORKS[name](), photos(33)
    freeze_blocks(model, blocks)
    front, rest = split_network(model, blocks)
    activations = front(photo, training=False)
    weights = model.trainable_variables
    assert {id(weight) for weight in rest.trainable_variables} == {id(one) for one in weights}
    # No dropout, whose next draw is another.
    whole, expected = squares(lambda: model(photo, training=False), weights)
    split, found = squares(lambda: rest([photo, activations], training=False), weights)
    np.testing.assert_allclose(split, whole, rtol=1e-6)
    for path, gradient in expected.items():
        scale = float(tf.reduce_max(tf.abs(gradient)))
        np.testing.assert_allclose(found[path], gradient, rtol=1e-5, atol=1e-6 * scale)


def test_the_front_ends_after_the_pool_and_the_rest_looks_at_the_size_alone():
    model, photo = NETWORKS["fcn"](), photos(33)
    front, rest = split_network(model, 2)
    activations = front(photo)
    assert activations.shape == (2, 9, 9, 8)
    np.testing.assert_array_equal(rest([photo, activations]), rest([photo * 0, activations]))


def fake_run(folder, seed=0):
    data = SimpleNamespace(activations_cache=None)
    recipe = SimpleNamespace(seed=seed, data=data)
    return SimpleNamespace(path=folder, recipe=recipe, owns=lambda path: True)


def listed(folder, *contents):
    found = []
    for number, content in enumerate(contents):
        path = folder / f"{content}{number}.jpg"
        path.write_text(content)
        found.append(Photo(f"id{number}", path, ("cat",), 1, 9, 9))
    return found


def frozen(folder, model=None, blocks=4, *, seed=0, listing=None, **augment):
    return FrozenFront(
        fake_run(folder, seed),
        model or NETWORKS["fcn"](),
        blocks,
        photos=listing or listed(folder, "a", "b"),
        augment=AUGMENT.model_copy(update=augment),
    )


def changed_weight(model):
    bias = model.get_layer("block2_conv1").bias
    bias.assign(bias.numpy() + 1e-6)
    return model


def test_the_name_hangs_on_all_that_the_activations_do(tmp_path):
    def network():
        keras.utils.set_random_seed(0)
        return NETWORKS["fcn"]()

    one, two = listed(tmp_path, "a", "b")
    plain = cam_network(3, width=WIDTH)  # The same weights, other pools.
    plain.set_weights(plain.get_weights())
    for layer in split_network(network(), 4)[0].layers:
        if layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights())
    others = {
        "": frozen(tmp_path),
        "weights": frozen(tmp_path, changed_weight(network())),
        "form": frozen(tmp_path, plain),
        "blocks": frozen(tmp_path, blocks=3),
        "seed": frozen(tmp_path, seed=1),
        "crop": frozen(tmp_path, crop=48),
        "scale": frozen(tmp_path, scale=(0.75, 1.0)),
        "flip": frozen(tmp_path, flip=False),
        "side": frozen(tmp_path, side=48),
        "views": frozen(tmp_path, views=3),
        "content": frozen(tmp_path, listing=listed(tmp_path, "a", "c")),
        "order": frozen(tmp_path, listing=[two, one]),
        "ids": frozen(tmp_path, listing=[one, dataclasses.replace(two, id="x")]),
        "fewer": frozen(tmp_path, listing=[one]),
    }
    about = {name: str(network._about()) for name, network in others.items()}
    assert len(set(about.values())) == len(others)
    # Neither the layers that are trained nor the place of the photos.
    trained = network()
    trained.get_layer("fc7").bias.assign(trained.get_layer("fc7").bias.numpy() + 1.0)
    (tmp_path / "elsewhere").mkdir()
    moved = listed(tmp_path / "elsewhere", "a", "b")
    assert str(frozen(tmp_path, trained, listing=moved)._about()) == about[""]


def batch(rows, views, size=32):
    shown = photos(size, len(rows))
    return {"photo": shown, "index": tf.constant(rows), "view": tf.constant(views)}


def test_values_are_rounded_also_the_first_time_and_hang_on_no_other_photo(tmp_path):
    network = frozen(tmp_path)
    once = batch([0, 1, 1], [0, 0, 1])
    with network:
        [first] = network.prepared([once])
    alone = {name: value[2:] for name, value in once.items()}
    with network:
        [again] = network.prepared([alone])
    with frozen(tmp_path / "other", listing=network.photos, blocks=4) as cold:
        [cold_alone] = cold.prepared([alone])
    assert first["activations"].dtype == tf.float16
    assert first["activations"].shape == (3, 4, 4, 32)
    np.testing.assert_array_equal(first["activations"][2:], again["activations"])
    np.testing.assert_array_equal(first["activations"][2:], cold_alone["activations"])
    exact = network.front(once["photo"]).numpy()
    np.testing.assert_allclose(first["activations"], exact, rtol=1e-3, atol=1e-4)
    assert 1.0 < exact.max() < LARGEST / 10  # Of random weights; VGG-16's own are like it.


def test_what_no_float16_holds_is_clipped_and_told(tmp_path, caplog):
    model = NETWORKS["fcn"]()
    model.get_layer("block4_conv3").bias.assign(np.full(32, 1e6))
    with frozen(tmp_path, model) as network, caplog.at_level(logging.WARNING):
        [found] = network.prepared([batch([0, 1], [0, 1])])
    assert np.all(found["activations"] == LARGEST)
    assert caplog.text.count("clipped") == 1

"""The tag classifier: its maps are its own dense layer's, Eq. 1."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.nets import cam

WIDTH = 0.0625


@pytest.fixture(scope="module")
def model():
    model = cam.cam_network(4, width=WIDTH)
    model.get_layer("tags").bias.assign([0.5, -1.0, 2.0, 0.0])
    return model


def photo(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_maps_match_loops(wrap):
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    head = cam.TagHead(3, seed=0)
    head.build(features.shape)
    head.bias.assign([1.0, 2.0, 3.0])
    kernel, bias = head.kernel.numpy().astype(float), head.bias.numpy().astype(float)
    cams, logits = np.zeros((2, 3, 4, 3)), np.tile(bias, (2, 1))
    for b, y, x, c in np.ndindex(cams.shape):
        cams[b, y, x, c] = sum(kernel[k, c] * float(features[b, y, x, k]) for k in range(5))
        logits[b, c] += cams[b, y, x, c] / 12
    outputs = wrap(head)(features)
    np.testing.assert_allclose(outputs["cams"], cams, atol=1e-5)
    np.testing.assert_allclose(outputs["tag_logits"], logits, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 17, 33), (1, 64, 48)])
def test_mean_of_the_maps_and_the_bias_are_the_logits(model, size):
    outputs = model(photo(*size))
    assert outputs["cams"].shape == (size[0], -(-size[1] // 16), -(-size[2] // 16), 4)
    assert outputs["tag_logits"].shape == (size[0], 4)
    mean = np.mean(outputs["cams"], axis=(1, 2)) + model.get_layer("tags").bias.numpy()
    # Logits are of the order of 1 to 10 here, in float32.
    np.testing.assert_allclose(outputs["tag_logits"], mean, rtol=1e-5, atol=1e-4)


def test_layers_and_parameters_at_full_width():
    model = cam.cam_network(20)
    assert model.get_layer("cam_conv1").kernel.shape == (3, 3, 512, 1024)
    assert model.get_layer("cam_conv2").kernel.shape == (3, 3, 1024, 1024)
    assert "block5_pool" not in {layer.name for layer in model.layers}
    head = (9 * 512 + 1) * 1024 + (9 * 1024 + 1) * 1024 + 1025 * 20
    assert model.count_params() == 14_714_688 + head


def test_gradients_are_finite_and_reach_every_layer(model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(photo(1, 33, 40))["tag_logits"]))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)


def test_the_start_depends_on_the_seed_alone():
    kernels = [
        [cam.cam_network(2, width=WIDTH, seed=s).get_layer(n).kernel.numpy() for s in (1, 1, 2)]
        for n in ("cam_conv1", "tags")
    ]
    for first, same, other in kernels:
        np.testing.assert_array_equal(first, same)
        assert np.abs(first - other).max() > 0


def test_save_and_load_in_safe_mode(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    ours, theirs = model(photo(1, 19, 23)), loaded(photo(1, 19, 23))
    for key in ("tag_logits", "cams"):
        np.testing.assert_array_equal(ours[key], theirs[key])


def test_no_tags_are_refused():
    with pytest.raises(ValueError, match="`num_tags` must be 1 or more"):
        cam.cam_network(0, width=WIDTH)

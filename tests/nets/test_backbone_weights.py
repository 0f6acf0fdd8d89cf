"""How networks start: every source of weights, and every way in which weights can fail to fit."""

import logging
import urllib.error

import keras
import numpy as np
import pytest

from wsss_tf.errors import CheckpointError
from wsss_tf.labels import VOC
from wsss_tf.nets import cam, fcn, vgg, weights

WIDTH = 0.02


def random_arrays(width, *, head=False):
    """A whole set of VGG-16 weights of this width, small values, as an `.npz` holds it."""
    generator = np.random.default_rng(0)
    shapes, channels = {}, 3
    for block, (filters, _) in enumerate(vgg.BLOCKS, start=1):
        for name in vgg.convolution_names(block):
            shapes[name] = (3, 3, channels, vgg.scaled(filters, width))
            channels = shapes[name][-1]
    if head:
        full = vgg.scaled(4096, width)
        shapes |= {"fc6": (49 * channels, full), "fc7": (full, full), "predictions": (full, 1000)}
    arrays = {}
    for name, shape in shapes.items():
        arrays[f"{name}_kernel"] = generator.normal(0, 0.05, shape).astype(np.float32)
        arrays[f"{name}_bias"] = generator.normal(0, 0.05, shape[-1]).astype(np.float32)
    return arrays


def save(path, arrays):
    np.savez(path, **arrays)
    return path


def test_a_file_fills_every_convolution_of_any_network(tmp_path):
    arrays = random_arrays(WIDTH)
    path = save(tmp_path / "w.npz", arrays)
    shallow = vgg.activation_network(width=WIDTH, blocks=(3,))
    for model in (shallow, fcn.fcn(2, width=WIDTH), cam.cam_network(1, width=WIDTH)):
        weights.load_backbone(model, str(path))
        for layer in model.layers:
            if layer.name.startswith("block") and layer.weights:
                np.testing.assert_array_equal(layer.kernel, arrays[f"{layer.name}_kernel"])
                np.testing.assert_array_equal(layer.bias, arrays[f"{layer.name}_bias"])


def test_a_trained_network_hands_on_its_convolutions():
    trained, model = cam.cam_network(1, width=WIDTH, seed=1), fcn.fcn(2, width=WIDTH)
    head = {name: model.get_layer(name).get_weights() for name in ("fc6", "fc7", "classifier")}
    names = weights.take_backbone(model, trained)
    assert len(names) == 13
    for name in names:
        for mine, theirs in zip(
            model.get_layer(name).weights, trained.get_layer(name).weights, strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    for name, before in head.items():
        for one, two in zip(before, model.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_network_of_another_width_hands_on_nothing():
    model = fcn.fcn(2, width=WIDTH)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`trained` must have block1_conv1 .* \(3, 3, 3, 1\)"):
        weights.take_backbone(model, cam.cam_network(1, width=2 * WIDTH))
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_random_changes_nothing():
    model = fcn.fcn(2, width=WIDTH)
    before = model.get_weights()
    weights.load_backbone(model, "random")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_missing_compact_set_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "COMPACT", tmp_path / "compact_vgg16.npz")
    with pytest.raises(CheckpointError, match=r"compact_vgg16\.npz: the packaged .* Install"):
        weights.load_backbone(vgg.activation_network(width=0.125), "compact")


def test_compact_is_read_from_the_package(monkeypatch, tmp_path):
    arrays = random_arrays(0.125)
    monkeypatch.setattr(weights, "COMPACT", save(tmp_path / "compact_vgg16.npz", arrays))
    model = vgg.activation_network(width=0.125)
    weights.load_backbone(model, "compact")
    np.testing.assert_array_equal(
        model.get_layer("block5_conv3").kernel, arrays["block5_conv3_kernel"]
    )


def test_another_width_is_named_with_both(tmp_path):
    path = save(tmp_path / "w.npz", random_arrays(0.25))
    expected = (
        r"block1_conv1_kernel must have shape \(3, 3, 3, 8\)\. Received: \(3, 3, 3, 16\)\. "
        r"The weights are for width 0\.25; the recipe says backbone\.width=0\.125\."
    )
    with pytest.raises(CheckpointError, match=expected):
        weights.load_backbone(vgg.activation_network(width=0.125), path)


def test_a_missing_and_a_transposed_weight_are_named(tmp_path):
    model = vgg.activation_network(width=WIDTH)
    arrays = random_arrays(WIDTH)
    kernel = arrays["block2_conv1_kernel"]
    arrays["block2_conv1_kernel"] = kernel.transpose(3, 2, 0, 1)
    with pytest.raises(CheckpointError, match=r"block2_conv1_kernel must .* not in HWIO order"):
        weights.load_backbone(model, save(tmp_path / "w.npz", arrays))
    del arrays["block2_conv1_kernel"]
    with pytest.raises(CheckpointError, match=r"lacks block2_conv1_kernel, .* \(3, 3, 1, 3\)"):
        weights.load_backbone(model, save(tmp_path / "w.npz", arrays))


def test_a_model_without_a_backbone_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="other")
    with pytest.raises(ValueError, match="`model` must hold convolutions of VGG-16"):
        weights.load_backbone(model, "compact")


@pytest.fixture
def keras_vgg16(monkeypatch):
    """keras.applications.VGG16 with random weights in place of the download."""
    build, made = keras.applications.VGG16, {}

    def offline(weights, include_top):
        assert weights == "imagenet"
        made["network"] = build(weights=None, include_top=include_top)
        return made["network"]

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    return made


def test_imagenet_gives_what_keras_own_network_computes(keras_vgg16):
    """Same photo in, same activations out: preprocessing, layers, pools and weights all agree."""
    model = vgg.activation_network(blocks=(2, 5))
    weights.load_backbone(model, "imagenet")
    theirs = keras_vgg16["network"]
    outputs = [theirs.get_layer(name).output for name in ("block2_conv2", "block5_conv3")]
    photo = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    prepared = keras.applications.vgg16.preprocess_input(photo.astype(np.float32))
    for a, b in zip(model(photo), keras.Model(theirs.input, outputs)(prepared), strict=True):
        # Activations reach the hundreds in block 2.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_imagenet_at_another_width_is_refused_before_the_download(keras_vgg16):
    with pytest.raises(CheckpointError, match=r"width 1; the recipe says backbone\.width=0\.125"):
        weights.load_backbone(vgg.activation_network(width=0.125), "imagenet")
    assert not keras_vgg16


def fail_to_download(**_):
    try:
        raise urllib.error.URLError("no route")
    except urllib.error.URLError:
        raise Exception("URL fetch failure on ...: None -- no route")  # noqa: B904  As Keras does.


def test_a_failed_download_says_what_to_do(monkeypatch):
    monkeypatch.setattr(keras.applications, "VGG16", fail_to_download)
    with pytest.raises(CheckpointError, match=r"cannot be had \(.*no route\)\. Check the"):
        weights.load_backbone(vgg.activation_network(blocks=(1,)), "imagenet")


def test_other_errors_of_keras_are_not_disguised(monkeypatch):
    def broken(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(keras.applications, "VGG16", broken)
    with pytest.raises(ZeroDivisionError):
        weights.load_backbone(vgg.activation_network(blocks=(1,)), "imagenet")


def test_layers_at_random_are_reported(tmp_path, caplog):
    path = save(tmp_path / "w.npz", random_arrays(WIDTH))
    segmenter, tagger = fcn.fcn(21, width=WIDTH), cam.cam_network(20, width=WIDTH)
    caplog.set_level(logging.INFO)
    head = ("fc6", "fc7", "classifier")
    assert weights.initialise_fcn(segmenter, path, labels=VOC) == head
    assert "nothing for fc6, fc7, classifier: they start at random" in caplog.text
    assert weights.initialise_cam(tagger, path) == ("cam_conv1", "cam_conv2", "tags")
    every = weights.initialise_fcn(segmenter, "random", labels=VOC)
    assert every[0] == "block1_conv1"
    assert every[-3:] == head
    assert len(every) == 16
    assert weights.initialise_cam(tagger, "random")[-3:] == ("cam_conv1", "cam_conv2", "tags")
    with_weights = {layer.name for layer in segmenter.layers if layer.weights}
    assert set(every) == with_weights - {"upsample"}

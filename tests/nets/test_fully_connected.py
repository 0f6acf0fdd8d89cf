"""The FCN's head from VGG-16's fully-connected layers, and the table of ILSVRC classes."""

import re

import keras
import numpy as np
import pytest

from wsss_tf.errors import CheckpointError
from wsss_tf.labels import COCO, VOC, LabelSpace
from wsss_tf.nets import fcn, fully_connected, vgg, weights

WIDTH = 0.0625


@pytest.fixture(scope="module")
def arrays():
    generator = np.random.default_rng(0)
    shapes, channels = {}, 3
    for block, (filters, _) in enumerate(vgg.BLOCKS, start=1):
        for name in vgg.convolution_names(block):
            shapes[name] = (3, 3, channels, vgg.scaled(filters, WIDTH))
            channels = shapes[name][-1]
    shapes |= {"fc6": (49 * 32, 256), "fc7": (256, 256), "predictions": (256, 1000)}
    arrays = {f"{n}_kernel": generator.normal(0, 0.1, s).astype("f4") for n, s in shapes.items()}
    return arrays | {
        f"{n}_bias": generator.normal(0, 1, s[-1]).astype("f4") for n, s in shapes.items()
    }


@pytest.fixture
def path(arrays, tmp_path):
    np.savez(tmp_path / "w.npz", **arrays)
    return tmp_path / "w.npz"


def value(model, layer, part="kernel"):
    return np.asarray(getattr(model.get_layer(layer), part))


@pytest.mark.parametrize(
    ("field_of_view", "taps", "step"), [("small", (0, 2, 4, 6), 1), ("large", (0, 3, 6), 4)]
)
def test_decimation_matches_loops(field_of_view, taps, step, arrays, path):
    model = fcn.fcn(21, width=WIDTH, field_of_view=field_of_view)
    assert weights.initialise_fcn(model, path, labels=VOC, seed=1) == ()
    fc6, fc7 = value(model, "fc6"), value(model, "fc7")
    assert fc6.shape == (len(taps), len(taps), 32, 256 // step)
    for y, x, c, f in [(0, 1, 5, 0), (1, 0, 0, 7), (2, 2, 31, 256 // step - 1)]:
        row = (taps[y] * 7 + taps[x]) * 32 + c  # Keras flattens [7, 7, C] row by row.
        assert fc6[y, x, c, f] == arrays["fc6_kernel"][row, step * f]
    for i, o in [(0, 1), (3, 0), (63, 63)]:
        assert fc7[0, 0, i, o] == arrays["fc7_kernel"][step * i, step * o]
    np.testing.assert_array_equal(value(model, "fc6", "bias"), arrays["fc6_bias"][::step])
    np.testing.assert_array_equal(value(model, "fc7", "bias"), arrays["fc7_bias"][::step])
    sheep = arrays["predictions_kernel"][::step][:, [348, 349]].astype(float).mean(axis=1)
    column = VOC.index("sheep")
    np.testing.assert_allclose(value(model, "classifier")[0, 0, :, column], sheep, atol=1e-6)
    bias = value(model, "classifier", "bias")
    np.testing.assert_allclose(bias[column], arrays["predictions_bias"][348:350].mean(), atol=1e-6)
    assert bias[0] == 0


def test_the_background_is_noise_from_the_seed(path):
    def background(seed):
        model = fcn.fcn(21, width=WIDTH, field_of_view="small")
        weights.initialise_fcn(model, path, labels=VOC, seed=seed)
        return value(model, "classifier")[0, 0, :, 0]

    first, same, other = background(3), background(3), background(4)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1
    # 256 draws of N(0, 0.1): the standard error of the deviation is 0.0044.
    assert first.std() == pytest.approx(0.1, abs=0.02)
    assert first.mean() == pytest.approx(0.0, abs=0.03)


def test_a_class_without_synsets_is_noise_and_other_orders_are_followed(arrays, path):
    labels = LabelSpace(("background", "ghost", "cow", "airplane"))
    model = fcn.fcn(4, width=WIDTH, field_of_view="small")
    assert weights.initialise_fcn(model, path, labels=labels) == ()
    kernel, bias = value(model, "classifier")[0, 0], value(model, "classifier", "bias")
    np.testing.assert_array_equal(kernel[:, 2], arrays["predictions_kernel"][:, 345])
    expected = arrays["predictions_kernel"][:, [404, 895]].mean(axis=1)
    np.testing.assert_allclose(kernel[:, 3], expected, atol=1e-6)
    assert bias[1] == 0
    assert 0.08 < kernel[:, 1].std() < 0.12


def test_a_label_space_unknown_to_ilsvrc_has_a_random_classifier(path):
    model = fcn.fcn(2, width=WIDTH)
    labels = LabelSpace(("background", "ghost"))
    assert weights.initialise_fcn(model, path, labels=labels) == ("classifier",)


def test_a_head_of_another_shape_is_refused_and_nothing_changes(arrays, tmp_path):
    wrong = {**arrays, "fc7_kernel": np.zeros((256, 64), "f4")}
    np.savez(tmp_path / "w.npz", **wrong)
    model = fcn.fcn(21, width=WIDTH)
    before = model.get_weights()
    with pytest.raises(CheckpointError, match=r"fc7_kernel must have shape \(256, 256\)\. Rec"):
        weights.initialise_fcn(model, tmp_path / "w.npz", labels=VOC)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_that_do_not_fit_the_classifier_are_refused():
    with pytest.raises(ValueError, match=r"one class per channel of the classifier, 3\. Received"):
        weights.initialise_fcn(fcn.fcn(3, width=WIDTH), "random", labels=VOC)


def numbered(_, shape, dtype=None):
    """Weights told apart by row and column, in a tenth of the time that 138 M random ones take."""
    rows = 4096 * (np.arange(shape[0], dtype="f4") % 1000).reshape(-1, *[1] * (len(shape) - 1))
    return 1e-6 * np.broadcast_to(rows + np.arange(shape[-1], dtype="f4"), shape)


@pytest.mark.slow
def test_imagenet_with_its_top_at_full_size(monkeypatch):
    """The real code path and the real sizes; only the download is replaced."""
    build, made = keras.applications.VGG16, []

    def offline(weights, include_top):
        assert (weights, include_top) == ("imagenet", True)
        with monkeypatch.context() as patch:
            patch.setattr(keras.initializers.GlorotUniform, "__call__", numbered)
            made.append(build(weights=None, include_top=True))
        return made[0]

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    model = fcn.fcn(21)
    assert weights.initialise_fcn(model, "imagenet", labels=VOC) == ()
    fc1 = np.asarray(made[0].get_layer("fc1").kernel).reshape(7, 7, 512, 4096)
    np.testing.assert_array_equal(value(model, "fc6"), fc1[::3, ::3, :, ::4])
    cats = np.asarray(made[0].get_layer("predictions").kernel)[::4, 281:286].mean(axis=1)
    column = VOC.index("cat")
    np.testing.assert_allclose(value(model, "classifier")[0, 0, :, column], cats, rtol=1e-5)


def test_every_voc_class_has_synsets_and_no_synset_two_classes():
    table = fully_connected.voc_synsets()
    assert set(table) == set(VOC.tags)
    synsets = [synset for group in table.values() for synset in group]
    assert len({s.row for s in synsets}) == len({s.wordnet_id for s in synsets}) == len(synsets)
    assert all(0 <= s.row < 1000 and s.name for s in synsets)
    assert all(re.fullmatch(r"n\d{8}", s.wordnet_id) for s in synsets)
    # Rows are in the order of WordNet ids; an id in the wrong row breaks one of the two orders.
    assert sorted(synsets) == sorted(synsets, key=lambda s: s.wordnet_id)


def test_spot_values_of_the_table():
    table = fully_connected.voc_synsets()
    assert [s.row for s in table["dog"]] == list(range(151, 269))
    assert table["dog"][0] == (151, "n02085620", "Chihuahua")
    assert table["dog"][-1] == (268, "n02113978", "Mexican hairless")
    assert [s.row for s in table["cat"]] == list(range(281, 286))
    assert table["horse"] == ((339, "n02389026", "sorrel"),)
    assert table["cow"] == ((345, "n02403003", "ox"),)
    assert [s.name for s in table["sheep"]] == ["ram", "bighorn"]
    assert (981, "n09835506", "ballplayer") in table["person"]
    assert (404, "n02690373", "airliner") in table["aeroplane"]
    assert len(table["bird"]) == 59
    assert sum(map(len, table.values())) == 241


def test_coco_finds_all_voc_classes_under_its_own_names():
    found = fully_connected.synsets_of(COCO)
    assert len(found) == 20
    assert found["tv"] == fully_connected.voc_synsets()["tvmonitor"]
    assert "zebra" not in found

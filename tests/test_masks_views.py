"""Masks from several views: the mean over a loop of views, mirrored photos, saved and tiny ones."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.masks import MaskMaker
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.vgg import activation_network
from wsss_tf.priors import Views, resize

NUM_TAGS = 3
TAGS = np.array([1, 0, 1], "float32")
SEVERAL = Views((0.5, 1.0, 1.25), flip=True)
SIGNATURE = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([NUM_TAGS], tf.float32)]


@pytest.fixture(scope="module")
def networks():
    """Networks of random weights, 1/16 as wide as VGG-16; calling them changes nothing."""
    return activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)


@pytest.fixture
def smooth(random_generator):
    """Makes a smooth photo of a given size."""

    def smooth(size):
        noise = random_generator.integers(0, 256, (4, 5, 3))
        return tf.cast(tf.image.resize(noise, size), tf.uint8).numpy()

    return smooth


def steps_by_loops(networks, photo, views):
    """Activations and CAMs, view by view: channel mean and ReLU, mirror, grid, mean."""
    total, seen_at, count = [], [], 0
    for scale in sorted(views.scales, reverse=True):
        for mirrored in (False, True)[: 1 + views.flip]:
            size = [max(int(side * scale + 0.5), 1) for side in photo.shape[:2]]
            seen = np.asarray(resize(photo[None].astype("float32"), size))
            seen = seen[:, :, ::-1] if mirrored else seen
            blocks = [np.mean(block, axis=-1, keepdims=True) for block in networks[0](seen)]
            maps = [*blocks, np.maximum(networks[1](seen)["cams"], 0)]
            maps = [found[:, :, ::-1] if mirrored else found for found in maps]
            seen_at = seen_at or [found.shape[1:3] for found in maps]
            maps = [np.asarray(resize(m, at)) for m, at in zip(maps, seen_at, strict=True)]
            total = [a + b for a, b in zip(total, maps, strict=True)] if total else maps
            count += 1
    *blocks, cams = [found[0].astype(np.float64) / count for found in total]
    return [block[..., 0] for block in blocks], cams


@pytest.mark.parametrize(
    "views",
    [Views((1.0,), flip=True), Views((0.5,)), Views((0.5, 1.0)), SEVERAL],
    ids=["flip", "small", "scales", "both"],
)
def test_activations_and_cams_are_the_mean_over_views(networks, smooth, views):
    photo = smooth((45, 61))
    steps = MaskMaker(*networks, kind="multi_class", views=views).intermediates(photo, TAGS)
    blocks, cams = steps_by_loops(networks, photo, views)
    for found, expected in zip(
        [*steps["activations"], steps["cams"]], [*blocks, cams], strict=True
    ):
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())
    total = sum(np.asarray(resize(block[None, ..., None], (45, 61)))[0, ..., 0] for block in blocks)
    scaled = (total - total.min()) / (total.max() - total.min())
    np.testing.assert_allclose(steps["foreground"], scaled, atol=1e-4)


@pytest.mark.parametrize("kind", ["foreground", "multi_class"])
def test_one_plain_view_changes_no_bit_and_no_operation(networks, smooth, kind):
    photo = smooth((45, 61))
    default = MaskMaker(*networks, kind=kind)
    asked = MaskMaker(*networks, kind=kind, views=Views((1.0,), flip=False))
    found = (maker.intermediates(photo, TAGS) for maker in (default, asked))
    for one, other in zip(*(tf.nest.flatten(steps) for steps in found), strict=True):
        np.testing.assert_array_equal(one, other)
    graphs = [tf.function(m, SIGNATURE).get_concrete_function().graph for m in (default, asked)]
    one, other = ([node.type for node in graph.get_operations()] for graph in graphs)
    assert one == other
    steps = asked.intermediates(photo, TAGS)
    for found, block in zip(steps["activations"], networks[0](photo[None]), strict=True):
        np.testing.assert_array_equal(found, tf.reduce_mean(block[0], axis=-1))
    if kind == "multi_class":
        np.testing.assert_array_equal(steps["cams"], networks[1](photo[None])["cams"][0])
        assert steps["cams"].numpy().min() < 0  # Of several views CAMs are cut at 0.


@pytest.mark.parametrize("kind", ["foreground", "multi_class"])
def test_with_flips_a_mirrored_photo_has_the_mirror_image(networks, smooth, kind):
    photo = smooth((46, 62))
    maker = MaskMaker(*networks, kind=kind, views=SEVERAL)
    steps, mirrored = (maker.intermediates(p, TAGS) for p in (photo, photo[:, ::-1]))
    for name in ("foreground", "probabilities"):
        np.testing.assert_allclose(mirrored[name], steps[name][:, ::-1], atol=1e-5)
    plain = MaskMaker(*networks, kind=kind)
    steps, mirrored = (plain.intermediates(p, TAGS) for p in (photo, photo[:, ::-1]))
    difference = np.abs(mirrored["probabilities"] - steps["probabilities"][:, ::-1]).max()
    assert difference > 1e-3  # What flips mend.


def test_scales_are_of_the_size_seen(networks, smooth):
    photo = smooth((45, 90))
    steps = MaskMaker(
        *networks, kind="multi_class", side=32, views=Views((0.5, 2.0))
    ).intermediates(photo, TAGS)
    assert steps["mask"].shape == (45, 90)
    assert tuple(steps["cams"].shape) == (2, 4, NUM_TAGS)  # Of 32 x 64 at stride 16.
    assert [tuple(block.shape) for block in steps["activations"]] == [(4, 8), (2, 4)]


@pytest.mark.parametrize("kind", ["foreground", "multi_class"])
def test_data_set_and_saved_model_give_the_eager_labels(networks, smooth, kind, tmp_path):
    maker = MaskMaker(*networks, kind=kind, side=40, views=SEVERAL)
    serve = tf.function(maker.__call__, input_signature=SIGNATURE)
    tf.saved_model.save(maker, str(tmp_path / "masks"), {"serving_default": serve})
    loaded = tf.saved_model.load(str(tmp_path / "masks")).signatures["serving_default"]
    photos = [smooth(size) for size in ((45, 61), (33, 20), (1, 5), (1, 1))]
    mapped = tf.data.Dataset.from_generator(lambda: iter(photos), output_signature=SIGNATURE[0])
    mapped = mapped.map(lambda photo: maker(photo, tf.constant(TAGS)))
    for photo, from_data in zip(photos, mapped, strict=True):
        expected = maker(photo, TAGS)
        assert expected.shape == photo.shape[:2]
        (labels,) = loaded(photo=tf.constant(photo), tags=tf.constant(TAGS)).values()
        for found in (labels, from_data):
            # A graph folds constants: labels may differ where two are equal to rounding.
            assert np.mean(found != expected.numpy()) <= 0.002


def test_onnx_gives_the_eager_maps(networks, smooth):
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")
    maker = MaskMaker(*networks, kind="multi_class", views=Views((0.5, 1.0), flip=True))

    @tf.function(input_signature=SIGNATURE)
    def serve(photo, tags):
        steps = maker.intermediates(photo, tags)
        return steps["foreground"], steps["cams"]

    model, _ = tf2onnx.convert.from_function(serve, input_signature=SIGNATURE, opset=17)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    for photo in (smooth((45, 61)), smooth((1, 5))):
        foreground, cams = session.run(None, dict(zip(names, (photo, TAGS), strict=True)))
        steps = maker.intermediates(photo, TAGS)
        np.testing.assert_allclose(foreground, steps["foreground"], atol=1e-4)
        np.testing.assert_allclose(cams, steps["cams"], atol=1e-4 * np.max(steps["cams"]))

"""The mask function: the same labels eagerly, in a data set, in a SavedModel and in ONNX."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.joint import joint_network
from wsss_tf.nets.vgg import activation_network
from wsss_tf.priors import Fusion, class_probabilities, foreground_probability, label_map
from wsss_tf.priors.views import PLAIN, Views

NUM_TAGS = 3
SIZES = [(45, 61), (33, 20), (1, 5)]
TAGS = np.array([1, 0, 1], "float32")
# What the paper prints, and the options; foreground masks have few.
SETTINGS = {
    "foreground": {"kind": "foreground", "side": 40, "scaling": "centred"},
    "multi_class": {"kind": "multi_class"},
    "multi_class_options": {
        "kind": "multi_class",
        "side": 40,
        "scaling": "centred",
        "combination": "geometric",
        "alpha": 0.3,
        "background": "constant",
        "background_score": 0.5,
    },
}
# With a CRF, which is no ONNX graph.
CRF_SETTINGS = {
    "foreground_crf": {"kind": "foreground", "scaling": "balanced"},
    "multi_class_crf": {"kind": "multi_class", "side": 40, "unary": "softmax"},
}
SIGNATURE = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([NUM_TAGS], tf.float32)]


@pytest.fixture(scope="module")
def networks():
    """Networks of random weights, 1/16 as wide as VGG-16; calling them changes nothing."""
    return activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)


@pytest.fixture(params=SETTINGS, ids=str)
def maker_without_crf(request, networks):
    return MaskMaker(*networks, **SETTINGS[request.param])


@pytest.fixture(params=[*SETTINGS, *CRF_SETTINGS], ids=str)
def maker(request, networks):
    if request.param in SETTINGS:
        return MaskMaker(*networks, **SETTINGS[request.param])
    crf = DenseCRF(bilateral_sigma=10, iterations=2)
    return MaskMaker(*networks, **CRF_SETTINGS[request.param], crf=crf)


@pytest.fixture
def photos(random_generator):
    """Smooth photos: noise of few pixels, enlarged."""
    return [
        tf.cast(
            tf.image.resize(random_generator.integers(0, 256, (4, 5, 3)), size), tf.uint8
        ).numpy()
        for size in SIZES
    ]


@pytest.mark.parametrize("views", [PLAIN, Views((0.5, 1.0), flip=True)], ids=["one", "four"])
def test_joint_network_and_ready_maps_change_nothing(networks, photos, views):
    makers = [
        MaskMaker(*networks, kind="multi_class", views=views, joint=joint)
        for joint in (None, joint_network(*networks))
    ]
    expected, found = (maker.intermediates(photos[0], TAGS) for maker in makers)
    ready = makers[0].intermediates(photos[0], TAGS, maps=makers[1].maps(photos[0]))
    for steps in (found, ready):
        for name in ("foreground", "cams", "probabilities", "mask"):
            np.testing.assert_array_equal(steps[name], expected[name])


def test_foreground_masks_need_no_cams_in_their_maps(networks, photos):
    maker = MaskMaker(*networks, kind="foreground")
    blocks, cams = maker.maps(photos[0])
    assert cams is None
    steps = maker.intermediates(photos[0], TAGS, maps=(blocks, None))
    np.testing.assert_array_equal(steps["mask"], maker(photos[0], TAGS))


def test_mask_is_networks_then_priors_then_arg_max(networks, photos):
    photo = photos[0]
    activations, cams = networks[0](photo[None]), networks[1](photo[None])["cams"]
    foreground = foreground_probability(activations, SIZES[0])
    probabilities = class_probabilities(cams, foreground, TAGS[None], Fusion(alpha=0.4))
    expected = label_map(probabilities, cams, TAGS[None])
    maker = MaskMaker(*networks, kind="multi_class", alpha=0.4)
    np.testing.assert_array_equal(maker(photo, TAGS), expected[0])
    steps = maker.intermediates(photo, TAGS)
    assert [tuple(block.shape) for block in steps["activations"]] == [(6, 8), (3, 4)]
    assert tuple(steps["cams"].shape) == (3, 4, NUM_TAGS)
    np.testing.assert_allclose(steps["foreground"], foreground[0], atol=1e-6)
    np.testing.assert_allclose(steps["probabilities"], probabilities[0], atol=1e-6)


def test_foreground_mask_is_a_probability_above_one_half(networks, photos):
    maker = MaskMaker(networks[0], kind="foreground")
    steps = maker.intermediates(photos[0], TAGS)
    mask = maker(photos[0], TAGS)
    np.testing.assert_array_equal(mask, steps["foreground"] > 0.5)
    assert set(np.unique(mask)) == {0, 1}
    np.testing.assert_allclose(tf.reduce_sum(steps["probabilities"], axis=-1), 1.0)


def test_labels_are_the_photos_own(maker, photos):
    for photo in photos:
        mask = maker(photo, TAGS)
        assert mask.dtype == tf.uint8
        assert mask.shape == photo.shape[:2]
        if maker.kind == "multi_class":
            assert 2 not in np.unique(mask)
        np.testing.assert_array_equal(maker(photo, np.zeros(NUM_TAGS)), 0)


def test_networks_look_at_a_large_photo_in_size_side(networks, photos):
    maker = MaskMaker(*networks, kind="multi_class", side=32)
    shapes = [maker.intermediates(photo, TAGS)["cams"].shape[:2] for photo in photos]
    assert [tuple(shape) for shape in shapes] == [(2, 2), (2, 2), (1, 1)]


def test_graph_and_data_set_give_the_eager_labels(maker, photos):
    graph = tf.function(maker, input_signature=SIGNATURE)
    tags = tf.constant(TAGS)

    def examples():
        yield from photos

    mapped = tf.data.Dataset.from_generator(examples, output_signature=SIGNATURE[0]).map(
        lambda photo: maker(photo, tags)
    )
    for photo, from_data in zip(photos, mapped, strict=True):
        expected = maker(photo, TAGS)
        np.testing.assert_array_equal(graph(photo, TAGS), expected)
        np.testing.assert_array_equal(from_data, expected)


def test_saved_model_gives_the_eager_labels(maker, photos, tmp_path):
    serve = tf.function(maker.__call__, input_signature=SIGNATURE)
    # Keras 3 lets a SavedModel track its variables through tf.Module attributes.
    tf.saved_model.save(maker, str(tmp_path / "masks"), {"serving_default": serve})
    loaded = tf.saved_model.load(str(tmp_path / "masks")).signatures["serving_default"]
    for photo in photos:
        (labels,) = loaded(photo=tf.constant(photo), tags=tf.constant(TAGS)).values()
        np.testing.assert_array_equal(labels, maker(photo, TAGS))


def test_onnx_gives_the_eager_labels(maker_without_crf, photos):
    maker = maker_without_crf
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")

    @tf.function(input_signature=SIGNATURE)
    def serve(photo, tags):
        return maker(photo, tags), maker.intermediates(photo, tags)["probabilities"]

    model, _ = tf2onnx.convert.from_function(serve, input_signature=SIGNATURE, opset=17)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    for photo in photos:
        labels, probabilities = session.run(None, dict(zip(names, (photo, TAGS), strict=True)))
        expected = maker.intermediates(photo, TAGS)["probabilities"]
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)
        # Labels may differ where two are equally probable to rounding.
        assert np.mean(labels != maker(photo, TAGS).numpy()) <= 0.002


def test_activations_of_one_block_alone(photos):
    maker = MaskMaker(activation_network(width=1 / 16, blocks=(4,)), kind="foreground")
    assert len(maker.intermediates(photos[0], TAGS)["activations"]) == 1
    assert maker(photos[0], TAGS).shape == SIZES[0]


def test_networks_under_mixed_precision_still_give_float32(photos):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        networks = activation_network(width=1 / 16), cam_network(NUM_TAGS, width=1 / 16)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    steps = MaskMaker(*networks, kind="multi_class").intermediates(photos[0], TAGS)
    values = [*steps["activations"], steps["cams"], steps["foreground"], steps["probabilities"]]
    assert {value.dtype for value in values} == {tf.float32}
    assert all(np.isfinite(value).all() for value in values)


def test_messages_name_the_argument(networks, photos):
    with pytest.raises(ValueError, match="`kind` must be one of foreground, multi_class"):
        MaskMaker(*networks, kind="none")
    with pytest.raises(ValueError, match="`cam_network` must be given"):
        MaskMaker(networks[0], kind="multi_class")
    with pytest.raises(ValueError, match="`scaling` must be one of"):
        MaskMaker(*networks, kind="multi_class", scaling="none")
    with pytest.raises(ValueError, match="`side` must be at least 1"):
        MaskMaker(*networks, kind="multi_class", side=0)
    with pytest.raises(ValueError, match="`alpha` must be in"):
        MaskMaker(*networks, kind="multi_class", alpha=2)
    maker = MaskMaker(*networks, kind="multi_class")
    with pytest.raises(ValueError, match="`photo` must have the shape"):
        maker(photos[0][None], TAGS)
    with pytest.raises(ValueError, match="`tags` must have the shape"):
        maker(photos[0], TAGS[None])
    with pytest.raises(ValueError, match="Background has no column"):
        maker(photos[0], np.ones(NUM_TAGS + 1))

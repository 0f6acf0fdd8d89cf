"""The segmentation network: parameters, field of view, alignment, sizes, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.nets import fcn as nets

WIDTH = 0.0625
FIELDS = ("small", "large")


@pytest.fixture(scope="module", params=FIELDS)
def model(request):
    return nets.fcn(5, width=WIDTH, field_of_view=request.param)


@pytest.mark.parametrize(("field_of_view", "count"), [("small", 65_140_565), ("large", 20_505_429)])
def test_parameters_with_21_classes(field_of_view, count):
    # 65.1 M and 20.5 M, the deconvolution not counted (DESIGN.md, section 2).
    model = nets.fcn(21, field_of_view=field_of_view)
    upsample = model.get_layer("upsample").count_params()
    assert upsample == 16 * 16 * 21 * 21
    assert model.count_params() - upsample == count


@pytest.mark.parametrize(("field_of_view", "pixels"), [("small", 128), ("large", 224)])
def test_field_of_view(field_of_view, pixels):
    """DeepLab's measure: the taps of fc6, each as wide as a cell of VGG's pool 5, 2^5 pixels."""
    model = nets.fcn(2, width=0.02, field_of_view=field_of_view)
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [pool.strides[0] for pool in pools] == [2, 2, 2, 1, 1]
    stride = int(np.prod([pool.strides[0] for pool in pools]))
    assert stride == nets.STRIDE
    fc6 = model.get_layer("fc6")
    span = (fc6.kernel_size[0] - 1) * fc6.dilation_rate[0] * stride
    assert span + 2 ** len(pools) == pixels


@pytest.mark.parametrize("field_of_view", FIELDS)
def test_fc6_sees_taps_of_its_dilation_centred_on_its_cell(field_of_view):
    model = nets.fcn(2, width=0.02, field_of_view=field_of_view)
    fc6, pad = model.get_layer("fc6"), model.get_layer("fc6_pad")
    fc6.kernel.assign(np.ones(fc6.kernel.shape))
    impulse = np.zeros((1, 41, 41, fc6.kernel.shape[2]), np.float32)
    impulse[0, 20, 20, 0] = 1.0
    rows = np.flatnonzero(np.asarray(fc6(pad(impulse)))[0, :, :, 0].sum(axis=1)) - 20
    expected = {"small": [-6, -2, 2, 6], "large": [-12, 0, 12]}
    assert rows.tolist() == expected[field_of_view]


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (8, 16)])
@pytest.mark.parametrize("batch", [1, 3])
def test_logits_have_the_photos_own_size(model, size, batch, random_generator):
    photo = random_generator.integers(0, 256, (batch, *size, 3), dtype=np.uint8)
    logits = model(photo)
    assert logits.shape == (batch, *size, 5)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()


def test_logits_of_a_whole_crop():
    logits = nets.fcn(3, width=WIDTH)(np.zeros((1, 321, 321, 3), np.uint8))
    assert logits.shape == (1, 321, 321, 3)


def upsample(scores):
    return np.asarray(nets.fcn(3, width=0.02).get_layer("upsample")(scores))


def test_upsampling_keeps_a_constant_away_from_the_borders():
    out = upsample(np.full((1, 5, 6, 3), 2.5, np.float32))
    assert out.shape == (1, 40, 48, 3)
    np.testing.assert_allclose(out[:, 4:-4, 4:-4], 2.5, atol=1e-6)


def test_upsampling_puts_a_ramp_where_its_pixels_are():
    # Cell i covers pixels 8 i .. 8 i + 7, so its value belongs to row 8 i + 3.5.
    cells = 8.0 * np.arange(6) + 3.5
    ramp = np.tile(cells[None, :, None, None], (1, 1, 6, 3)).astype(np.float32)
    rows = np.arange(48.0)
    out = upsample(ramp)
    np.testing.assert_allclose(out[0, 4:-4, 20, 1], rows[4:-4], atol=1e-5)
    out = upsample(ramp.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(out[0, 20, 4:-4, 1], rows[4:-4], atol=1e-5)


def test_upsampling_equals_half_pixel_bilinear_resizing(random_generator):
    scores = random_generator.normal(size=(2, 4, 7, 3)).astype(np.float32)
    resized = tf.image.resize(scores, (32, 56))
    np.testing.assert_allclose(upsample(scores)[:, 4:-4, 4:-4], resized[:, 4:-4, 4:-4], atol=1e-5)


def test_upsampling_starts_without_weights_between_channels():
    scores = np.zeros((1, 4, 4, 3), np.float32)
    scores[..., 1] = 1.0
    out = upsample(scores)
    assert (out[..., [0, 2]] == 0).all()
    assert out[..., 1].max() == 1.0


def test_the_bilinear_start_is_deterministic_and_refuses_other_shapes():
    start = nets.BilinearUpsampling()
    np.testing.assert_array_equal(start((4, 4, 2, 2)), start((4, 4, 2, 2)))
    np.testing.assert_allclose(start((4, 4, 1, 1))[:, 0, 0, 0], np.array([1, 3, 3, 1]) / 16)
    for shape in ((3, 3, 2, 2), (4, 6, 2, 2), (4, 4, 2, 3)):
        with pytest.raises(ValueError, match="`shape` must be"):
            start(shape)


def test_dropout_is_seeded_and_off_at_inference():
    photo = np.full((1, 24, 24, 3), 90, np.uint8)
    first, second, other = (nets.fcn(3, width=WIDTH, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first(photo, training=True), second(photo, training=True))
    assert np.abs(first(photo, training=True) - first(photo, training=True)).max() > 0
    np.testing.assert_array_equal(first(photo), first(photo))
    assert np.abs(first(photo) - other(photo)).max() > 0


def test_gradients_are_finite_and_reach_every_layer(model):
    photo = np.random.default_rng(0).integers(0, 256, (1, 33, 40, 3), dtype=np.uint8)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(photo, training=True)))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_save_and_load_in_safe_mode(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    photo = np.random.default_rng(1).integers(0, 256, (1, 19, 23, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model(photo), loaded(photo))


def test_logits_are_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        logits = nets.fcn(3, width=WIDTH)(np.zeros((1, 9, 10, 3), np.uint8))
    finally:
        keras.config.set_dtype_policy(policy)
    assert logits.dtype == tf.float32
    assert logits.shape == (1, 9, 10, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be 2 or more"),
        ({"num_classes": 3, "field_of_view": "huge"}, "`field_of_view` must be 'small' or 'large'"),
        ({"num_classes": 3, "dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"num_classes": 3, "width": 0.0}, r"`width` must be in \(0, 1\]"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nets.fcn(**arguments)

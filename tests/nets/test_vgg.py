"""The backbone against loops, against keras.applications, and at odd sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.nets import vgg

WIDTH = 0.125


def random_photo(generator, *shape):
    return generator.integers(0, 256, (*shape, 3), dtype=np.uint8)


def convolve_by_loops(x, kernel, bias, dilation):
    """Float64 dilated "same" convolution and ReLU, one output value at a time; slow and obvious."""
    batch, height, width, _ = x.shape
    size = kernel.shape[0]
    margin = (size - 1) * dilation // 2
    out = np.zeros((batch, height, width, kernel.shape[3]))
    for b, i, j, c in np.ndindex(out.shape):
        total = float(bias[c])
        for di, dj in np.ndindex(size, size):
            y, z = i + di * dilation - margin, j + dj * dilation - margin
            if 0 <= y < height and 0 <= z < width:
                total += float(np.dot(x[b, y, z].astype(float), kernel[di, dj, :, c].astype(float)))
        out[b, i, j, c] = max(total, 0.0)
    return out


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (3, 2), (4, 4), (3, 12)])
def test_convolution_matches_loops(wrap, size, dilation, random_generator):
    x = random_generator.normal(size=(2, 7, 9, 3)).astype(np.float32)
    entrance = keras.Input((None, None, 3))
    exit_ = vgg.convolution(entrance, 2, size, name="layer", dilation=dilation, seed=0)
    model = keras.Model(entrance, exit_)
    layer = model.get_layer("layer")
    layer.bias.assign([0.1, -0.2])
    expected = convolve_by_loops(x, layer.kernel.numpy(), layer.bias.numpy(), dilation)
    np.testing.assert_allclose(wrap(model)(x), expected, atol=1e-5)


def test_a_dilated_layer_equals_keras_own_dilated_same(random_generator):
    x = random_generator.normal(size=(1, 17, 12, 4)).astype(np.float32)
    entrance = keras.Input((None, None, 4))
    ours = keras.Model(entrance, vgg.convolution(entrance, 3, 3, name="layer", dilation=2))
    kernel = ours.get_layer("layer").kernel
    theirs = keras.ops.relu(keras.ops.conv(x, kernel, padding="same", dilation_rate=2))
    np.testing.assert_allclose(ours(x), theirs, atol=1e-5)


def test_preprocessing_is_caffes_in_every_dtype():
    photo = np.array([[[[255, 0, 10]]]], np.uint8)
    layer = vgg.CaffePreprocessing(dtype="float16")
    expected = [[[[10 - 103.939, 0 - 116.779, 255 - 123.68]]]]
    for dtype in (np.uint8, np.float32, np.float64):
        out = layer(photo.astype(dtype))
        assert out.dtype == tf.float32
        np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("dilated", [False, True], ids=["plain", "dilated"])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (321, 321)])
@pytest.mark.parametrize("batch", [1, 3])
def test_activations_have_stride_8_and_16_at_any_size(dilated, size, batch, random_generator):
    if batch == 3 and size[0] > 100:
        size = (97, 65)
    model = vgg.activation_network(width=WIDTH, dilated=dilated)
    block4, block5 = model(random_photo(random_generator, batch, *size))
    coarse = 8 if dilated else 16
    assert block4.shape == (batch, -(-size[0] // 8), -(-size[1] // 8), 64)
    assert block5.shape == (batch, -(-size[0] // coarse), -(-size[1] // coarse), 64)
    assert np.isfinite(block5).all()
    assert (block5.numpy() >= 0).all()


def test_uint8_and_float_photos_give_the_same(random_generator):
    model = vgg.activation_network(width=WIDTH)
    photo = random_photo(random_generator, 1, 20, 24)
    for a, b in zip(model(photo), model(photo.astype(np.float32)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_plain_and_dilated_agree_up_to_block_4(random_generator):
    photo = random_photo(random_generator, 1, 40, 40)
    plain, dilated = (vgg.activation_network(width=WIDTH, dilated=d) for d in (False, True))
    dilated.set_weights(plain.get_weights())
    np.testing.assert_allclose(plain(photo)[0], dilated(photo)[0], atol=1e-4)


def test_any_blocks_can_be_asked_for(random_generator):
    model = vgg.activation_network(width=WIDTH, blocks=[1, 3])
    outputs = model(random_photo(random_generator, 1, 16, 16))
    assert [tuple(o.shape) for o in outputs] == [(1, 16, 16, 8), (1, 4, 4, 32)]
    assert "block4_conv1" not in {layer.name for layer in model.layers}
    (only,) = vgg.activation_network(width=WIDTH, blocks=[5]).outputs
    assert only.shape[-1] == 64


def test_full_width_has_vgg16s_layers_and_parameters():
    model = vgg.activation_network()
    names = [layer.name for layer in model.layers if "conv" in layer.name]
    assert names == [n for block in range(1, 6) for n in vgg.convolution_names(block)]
    assert len(names) == 13
    assert model.count_params() == 14_714_688


def test_the_start_depends_on_the_seed_alone():
    entrance = vgg.photo_input()
    nets = [
        keras.Model(entrance, vgg.vgg16(entrance, width=WIDTH, seed=s)["block5"]) for s in (3, 3, 4)
    ]
    first, same, other = (net.get_layer("block3_conv2").kernel.numpy() for net in nets)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01
    second = nets[0].get_layer("block3_conv3").kernel.numpy()
    assert np.abs(first - second).max() > 0.01


def test_gradients_reach_the_first_layer_and_are_finite():
    model = vgg.activation_network(width=WIDTH, dilated=True)
    for photo in (np.zeros((1, 9, 11, 3), np.uint8), np.full((1, 9, 11, 3), 255, np.uint8)):
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_mean(a) for a in model(photo)])
        gradients = tape.gradient(loss, model.trainable_variables)
        assert all(np.isfinite(g).all() for g in gradients)
        assert np.abs(gradients[0]).max() > 0


def test_save_and_load_in_safe_mode(tmp_path, random_generator):
    model = vgg.activation_network(width=WIDTH, dilated=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    photo = random_photo(random_generator, 1, 19, 23)
    for a, b in zip(model(photo), loaded(photo), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("blocks", [(), (0,), (6,), (5, 4), (4, 4)])
def test_wrong_blocks_are_refused(blocks):
    with pytest.raises(ValueError, match=r"`blocks` must be .* Received: blocks="):
        vgg.activation_network(width=WIDTH, blocks=blocks)


@pytest.mark.parametrize("width", [0.0, -1.0, 1.5, float("nan")])
def test_a_wrong_width_is_refused(width):
    with pytest.raises(ValueError, match=r"`width` must be in \(0, 1\]\. Received"):
        vgg.scaled(64, width)


def test_scaled_rounds_and_never_reaches_zero():
    assert [vgg.scaled(64, w) for w in (1.0, 0.125, 0.02, 0.001)] == [64, 8, 1, 1]
    with pytest.raises(ValueError, match="`block` must be 1 to 5"):
        vgg.convolution_names(6)

"""`DenseCRF` in batches, in graphs of any size, and after saving and loading."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF

MODES = ["lattice", "fast", "dense"]
SIGNATURE = (
    tf.TensorSpec([None, None, 3], tf.uint8),
    tf.TensorSpec([None, None, None], tf.float32),
)


@pytest.fixture
def case(exact):
    """A photo of 21 x 26, an odd and an even side, and energies of three labels."""
    photo = exact.smooth_photo(21, 26)
    return photo, exact.noisy_unary(photo, 3)


def layers_of(height: int, width: int) -> np.ndarray:
    """Two layers of regions that overlap: squares of 5 pixels and bands, int32 [2, H, W]."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(y // 5) * 100 + x // 5, (x + y) // 9]).astype(np.int32)


@pytest.mark.parametrize("mode", MODES)
def test_one_trace_serves_every_size_and_number_of_labels(exact, mode):
    crf, traces = DenseCRF(mode=mode), []

    @tf.function(input_signature=SIGNATURE)
    def refine(photo, unary):
        traces.append(photo.shape)
        return crf(photo, unary)

    for height, width, labels in ((12, 17, 2), (17, 12, 5), (1, 9, 3), (1, 1, 2)):
        photo = exact.smooth_photo(height, width)
        unary = exact.noisy_unary(photo, labels)
        q = refine(photo, unary)
        assert q.shape == unary.shape
        np.testing.assert_allclose(q, DenseCRF(mode=mode)(photo, unary), atol=1e-4)
    assert len(traces) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("regions", [False, True])
def test_a_batch_is_its_photos_one_by_one(exact, mode, regions):
    photos = np.stack([exact.smooth_photo(21, 26, seed) for seed in range(3)])
    unaries = np.stack([exact.noisy_unary(photo, 3, seed) for seed, photo in enumerate(photos)])
    more = [np.stack([np.roll(layers_of(21, 26), k, axis=-1) for k in range(3)])] if regions else []
    crf = DenseCRF(mode=mode)
    together = crf(photos, unaries, *more)
    assert together.shape == unaries.shape
    for k, q in enumerate(together):
        alone = crf(photos[k], unaries[k], *(x[k] for x in more))
        np.testing.assert_allclose(q, alone, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fill", [0, 255])
def test_padding_changes_nothing(case, mode, fill):
    photo, unary = case
    height, width = photo.shape[:2]
    regions = layers_of(height, width)
    share = tf.nn.softmax(-0.5 * unary).numpy()
    places = [(0, 0), (3, 5)]
    photos = np.full((2, 30, 33, 3), fill, np.uint8)
    unaries = np.full((2, 30, 33, 3), fill, np.float32)
    ids, shares = np.zeros((2, 2, 30, 33), np.int32), np.zeros((2, 30, 33, 3), np.float32)
    valid = np.zeros((2, 30, 33), bool)
    inside = []
    for k, (top, left) in enumerate(places):
        window = (slice(top, top + height), slice(left, left + width))
        inside.append(window)
        photos[k][window], unaries[k][window], valid[k][window] = photo, unary, True
        ids[k][:, *window], shares[k][window] = regions, share
    crf = DenseCRF(mode=mode)
    padded = crf(photos, unaries, ids, shares, valid)
    expected = crf(photo, unary, regions, share)
    for q, window in zip(padded.numpy(), inside, strict=True):
        np.testing.assert_allclose(q[window], expected, atol=1e-4)
        # Nothing is known of a padded pixel, but it is no reason for a NaN.
        np.testing.assert_allclose(q.sum(axis=-1), 1.0, atol=1e-4)


def test_padding_alone_is_undecided(case):
    q = DenseCRF()(*case, valid=np.zeros(case[0].shape[:2], bool))
    np.testing.assert_allclose(q, np.full(q.shape, 1 / 3), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_regions_of_any_integer_type(case, dtype):
    regions = layers_of(*case[0].shape[:2]) % 100
    expected = DenseCRF()(*case, regions)
    np.testing.assert_array_equal(DenseCRF()(*case, regions.astype(dtype)), expected)


@pytest.mark.parametrize("mode", MODES)
def test_config_describes_the_layer(case, mode):
    settings = {
        "spatial_sigma": 2.0,
        "spatial_weight": 1.5,
        "bilateral_sigma": 30.0,
        "color_sigma": 9.0,
        "bilateral_weight": 4.0,
        "region_weight": 0.5,
        "region_max_cost": 3.0,
        "iterations": 4,
    }
    layer = DenseCRF(**settings, mode=mode, name="refine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is DenseCRF
    assert copy.get_config() == layer.get_config()
    assert {**layer.get_config(), **settings, "mode": mode} == layer.get_config()
    np.testing.assert_array_equal(copy(*case), layer(*case))
    assert np.abs(layer(*case) - DenseCRF(mode=mode)(*case)).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_saved_model_gives_the_same_numbers(case, tmp_path, mode):
    module = tf.Module()
    module.crf = DenseCRF(mode=mode)
    signature = (*SIGNATURE, tf.TensorSpec([None, None, None], tf.int32))
    module.refine = tf.function(lambda *inputs: module.crf(*inputs), input_signature=signature)
    inputs = (*case, layers_of(*case[0].shape[:2]))
    expected = module.refine(*inputs)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.refine(*inputs), expected)


@pytest.mark.parametrize("mode", MODES)
def test_keras_model_gives_the_same_numbers(case, tmp_path, mode):
    photo, unary = keras.Input((None, None, 3), dtype="uint8"), keras.Input((None, None, 3))
    model = keras.Model([photo, unary], DenseCRF(mode=mode, iterations=3)(photo, unary))
    assert model.output.shape == (None, None, None, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    batch = [array[None] for array in case]
    np.testing.assert_array_equal(loaded(batch), model(batch))


@pytest.mark.parametrize("mode", MODES)
def test_in_a_pipeline(case, mode):
    crf = DenseCRF(mode=mode)
    dataset = tf.data.Dataset.from_tensors(case).repeat(3)
    dataset = dataset.map(crf, num_parallel_calls=2, deterministic=True)
    expected = crf(*case)
    results = list(dataset)
    assert len(results) == 3
    for q in results:
        np.testing.assert_allclose(q, expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_float32_under_every_precision_policy(case, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        q = DenseCRF()(*case)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert q.dtype == tf.float32
    np.testing.assert_allclose(q, DenseCRF()(*case), atol=1e-5)

"""What `DenseCRF` refuses, and odd photos that it does not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF

MODES = ["lattice", "fast", "dense"]
WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])

PHOTO = np.zeros((6, 7, 3), np.uint8)
UNARY = np.zeros((6, 7, 2), np.float32)
REGIONS = np.zeros((1, 6, 7), np.int32)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "photo",
    [
        noise(1, 1),
        noise(1, 40),
        noise(40, 1),
        noise(2, 2),
        noise(24, 31),
        np.full((24, 31, 3), 77, np.uint8),
        np.zeros((5, 3, 3), np.uint8),
        np.full((5, 3, 3), 255, np.uint8),
    ],
    ids=["1x1", "1x40", "40x1", "2x2", "noise", "constant", "black", "white"],
)
def test_odd_photos_give_probabilities(photo, mode):
    generator = np.random.default_rng(1)
    unary = generator.exponential(2.0, (*photo.shape[:2], 3)).astype(np.float32)
    everything = np.zeros((1, *photo.shape[:2]), np.int32)
    crf = DenseCRF(mode=mode)
    for regions in (None, everything):
        q = crf(photo, unary, regions).numpy()
        assert q.shape == unary.shape
        assert np.isfinite(q).all()
        assert q.min() >= 0
        np.testing.assert_allclose(q.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_huge_energies_give_probabilities(mode):
    unary = np.zeros((6, 7, 2), np.float32)
    unary[..., 0], unary[:3, :, 1] = 1e6, -1e6
    q = DenseCRF(mode=mode)(PHOTO, unary, REGIONS).numpy()
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=-1), 1.0, atol=1e-5)
    assert (q.argmax(axis=-1) == 1).all()


@WRAPS
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((PHOTO.astype(np.float32), UNARY), "`photo` must"),
        ((PHOTO[..., 0], UNARY), "`photo` must"),
        ((PHOTO[..., :2], UNARY), "`photo` must"),
        ((PHOTO, UNARY[:5]), "`unary` must"),
        ((PHOTO, UNARY[None]), "`unary` must"),
        ((PHOTO[None], np.zeros((2, 6, 7, 2), np.float32)), "`unary` must"),
        ((PHOTO, UNARY[..., :1]), "`unary` must"),
        ((PHOTO, UNARY, REGIONS[:, :5]), "`regions` must"),
        ((PHOTO, UNARY, REGIONS[0]), "`regions` must"),
        ((PHOTO, UNARY, REGIONS.astype(np.float32)), "`regions` must"),
        ((PHOTO, UNARY, REGIONS, UNARY[:5]), "`region_probabilities` must"),
        ((PHOTO, UNARY, REGIONS, UNARY[..., :1]), "`region_probabilities` must"),
        ((PHOTO[None], UNARY[None], None, None, np.ones((1, 5, 7), bool)), "`valid` must"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_shapes_and_types_are_refused(inputs, message, wrap):
    with pytest.raises(ValueError, match=message) as caught:
        wrap(DenseCRF())(*inputs)
    assert "Received:" in str(caught.value)


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed[(0,) * array.ndim] = value
    return changed


VALUES = pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((PHOTO, with_value(UNARY, np.nan)), "`unary` must"),
        ((PHOTO, with_value(UNARY, np.inf)), "`unary` must"),
        ((PHOTO[None], with_value(UNARY, -np.inf)[None]), "`unary` must"),
        ((PHOTO, UNARY, with_value(REGIONS, -1)), "`regions` must"),
        ((PHOTO, UNARY, with_value(REGIONS.astype(np.int64), 2**32)), "`regions` must"),
        ((PHOTO, UNARY, REGIONS, with_value(UNARY, np.nan)), "`region_probabilities` must"),
        (
            (PHOTO[None], UNARY[None], None, None, np.eye(6, 7, dtype=bool)[None]),
            "`valid` must",
        ),
    ],
    ids=["nan", "inf", "-inf", "negative id", "large id", "nan P", "no rectangle"],
)


@VALUES
def test_wrong_values_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        DenseCRF()(*inputs)


@VALUES
def test_wrong_values_stop_a_graph_with_the_same_message(inputs, message):
    refine = tf.function(DenseCRF())
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        refine(*inputs)


def test_sizes_known_only_at_run_time_are_compared():
    crf = DenseCRF()
    signature = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None] * 3, tf.float32)]
    refine = tf.function(lambda photo, unary: crf(photo, unary), input_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`unary` must"):
        refine(PHOTO, UNARY[:5])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`unary` must"):
        refine(PHOTO, UNARY[..., :1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spatial_sigma", -3.0),
        ("spatial_sigma", 0.0),
        ("bilateral_sigma", float("nan")),
        ("color_sigma", float("inf")),
        ("spatial_weight", -1.0),
        ("bilateral_weight", float("nan")),
        ("region_weight", -1.0),
        ("region_max_cost", 0.0),
        ("iterations", -1),
        ("iterations", 2.5),
        ("mode", "best"),
    ],
)
def test_wrong_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must") as caught:
        DenseCRF(**{name: value})
    assert "Received:" in str(caught.value)


BATCH = {
    "photo": tf.TensorSpec([None, None, None, 3], tf.uint8),
    "unary": tf.TensorSpec([None, None, None, None], tf.float32),
}


def test_batches_of_different_sizes_are_refused():
    crf = DenseCRF(iterations=1)
    traced = tf.function(
        lambda photo, unary: crf(photo, unary), input_signature=list(BATCH.values())
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="one batch size"):
        traced(np.stack([PHOTO] * 2), np.stack([UNARY] * 3))
    with pytest.raises(ValueError, match="`regions` must have the size"):
        crf(np.stack([PHOTO] * 2), np.stack([UNARY] * 2), np.stack([REGIONS] * 3))


def test_an_empty_batch_stays_empty():
    q = DenseCRF()(np.zeros((0, 6, 7, 3), np.uint8), np.zeros((0, 6, 7, 2), np.float32))
    assert q.shape == (0, 6, 7, 2)


@pytest.mark.parametrize("size", [(6, 1), (1, 7), (6, 8)])
def test_a_valid_map_of_another_size_is_refused_where_sizes_are_unknown(size):
    crf = DenseCRF(iterations=1)
    specs = [
        tf.TensorSpec([None, None, 3], tf.uint8),
        tf.TensorSpec([None, None, None], tf.float32),
        tf.TensorSpec([None, None], tf.bool),
    ]
    traced = tf.function(lambda p, u, v: crf(p, u, valid=v), input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`valid` must be True"):
        traced(PHOTO, UNARY, np.ones(size, bool))

"""SGD against Caffe's update written out: decay inside momentum, none on biases, rate factors."""

import keras
import numpy as np
import pytest

from wsss_tf.training.optimizer import CaffeGradients, freeze_blocks, global_norm, sgd

RATES, BOUNDARIES = [0.1, 0.01], [2]


def model_with_two_layers():
    layers = [
        keras.Input((3,)),
        keras.layers.Dense(4, name="old"),
        keras.layers.Dense(2, name="new"),
    ]
    model = keras.Sequential(layers)
    for variable in model.variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    return model


def caffe_by_hand(weights, gradients, steps, *, decay, factor):
    """Caffe's SGDSolver in float64: history = momentum * history + rate * (grad + decay * w)."""
    weights, history = weights.astype(np.float64), 0.0
    for step in range(steps):
        rate = RATES[0] if step < BOUNDARIES[0] else RATES[1]
        history = 0.9 * history + rate * factor * (gradients + decay * weights)
        weights = weights - history
    return weights


def test_four_steps_equal_caffe():
    model = model_with_two_layers()
    start = {v.path: v.numpy() for v in model.trainable_variables}
    optimizer = sgd(learning_rates=RATES, boundaries=BOUNDARIES, momentum=0.9)
    caffe = CaffeGradients(model, weight_decay=5e-2, new_layers=("new",), new_layer_rate=10.0)
    gradients = [np.full(v.shape, 0.1, np.float32) for v in caffe.variables]
    for _ in range(4):
        optimizer.apply(caffe(gradients), caffe.variables)
    for variable, gradient in zip(caffe.variables, gradients, strict=True):
        layer, kind = variable.path.split("/")[-2:]
        expected = caffe_by_hand(
            start[variable.path],
            gradient,
            4,
            decay=5e-2 if kind == "kernel" else 0.0,
            factor=10.0 if layer == "new" else 1.0,
        )
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5)


def test_the_rate_falls_at_the_boundary_itself():
    optimizer = sgd(learning_rates=RATES, boundaries=BOUNDARIES, momentum=0.0)
    variable = keras.Variable(np.zeros(1), name="v")
    seen = []
    for _ in range(4):
        before = variable.numpy().copy()
        optimizer.apply([np.ones(1, np.float32)], [variable])
        seen.append(float((before - variable.numpy())[0]))
    np.testing.assert_allclose(seen, [0.1, 0.1, 0.01, 0.01], rtol=1e-5)


def test_rates_and_boundaries_must_fit():
    with pytest.raises(ValueError, match="one more entry"):
        sgd(learning_rates=[0.1], boundaries=[5], momentum=0.9)


def test_frozen_blocks_leave_the_trainable_variables():
    layers = [keras.layers.Dense(2, name=f"block{i}_conv1") for i in (1, 2, 3)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    freeze_blocks(model, 2)
    assert [v.path.split("/")[-2] for v in model.trainable_variables] == ["block3_conv1"] * 2


def test_the_norm_is_that_of_all_gradients_and_shows_nan():
    gradients = [np.array([3.0], np.float32), np.array([[4.0]], np.float32)]
    assert float(global_norm(gradients)) == pytest.approx(5.0)
    assert np.isnan(float(global_norm([*gradients, np.array([np.nan], np.float32)])))

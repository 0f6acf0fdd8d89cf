"""Checkpoints: everything in one file, equal bytes for equal contents, and no silent mismatch."""

import keras
import numpy as np
import pytest

from wsss_tf.errors import CheckpointError
from wsss_tf.training.checkpoint import load_checkpoint, read_header, save_checkpoint
from wsss_tf.training.optimizer import sgd


def network(units=3, seed=0):
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(
            units, name="dense", kernel_initializer=keras.initializers.GlorotUniform(seed=seed)
        ),
        keras.layers.Dropout(0.5, seed=seed, name="drop"),
    ]
    return keras.Sequential(layers, name="net")


def trained(seed=0):
    model = network(seed=seed)
    optimizer = sgd(learning_rates=[0.1], boundaries=[], momentum=0.9)
    optimizer.build(model.trainable_variables)
    gradients = [keras.ops.ones_like(variable) for variable in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    model(np.ones((2, 4), np.float32), training=True)  # Moves the dropout's seed state.
    return model, optimizer


def test_round_trip_restores_weights_seed_states_and_momentum(tmp_path):
    model, optimizer = trained()
    save_checkpoint(tmp_path / "c.npz", model, optimizer, step=7, state={"best": 0.5})
    other, other_optimizer = network(seed=1), sgd(learning_rates=[0.1], boundaries=[], momentum=0.9)
    other_optimizer.build(other.trainable_variables)
    header = load_checkpoint(tmp_path / "c.npz", other, other_optimizer)
    assert header["step"] == 7
    assert header["state"] == {"best": 0.5}
    for ours, theirs in zip(
        [*model.variables, *optimizer.variables],
        [*other.variables, *other_optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(model(x, training=True), other(x, training=True))


def test_equal_contents_give_equal_bytes(tmp_path):
    for name in "ab":
        save_checkpoint(tmp_path / name, *trained(), step=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_inference_loads_the_model_alone(tmp_path):
    model, optimizer = trained()
    save_checkpoint(tmp_path / "c.npz", model, optimizer, step=1)
    other = network(seed=1)
    load_checkpoint(tmp_path / "c.npz", other)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_another_width_is_refused_before_anything_is_assigned(tmp_path):
    save_checkpoint(tmp_path / "c.npz", trained()[0], step=1)
    other = network(units=5)
    before = other.get_weights()[0].copy()
    with pytest.raises(CheckpointError, match=r"dense/kernel` must have shape \(4, 5\)"):
        load_checkpoint(tmp_path / "c.npz", other)
    np.testing.assert_array_equal(before, other.get_weights()[0])


@pytest.mark.parametrize("message", ["lacks", "unknown"])
def test_missing_and_extra_variables_are_refused(tmp_path, message):
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")])
    models = (small, network()) if message == "lacks" else (network(), small)
    save_checkpoint(tmp_path / "c.npz", models[0], step=1)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "c.npz", models[1])


def test_absent_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "c.npz"
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_header(path)
    save_checkpoint(path, trained()[0], step=1)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        read_header(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".npy").replace(path)
    with pytest.raises(CheckpointError, match="damaged"):
        read_header(path)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a wsss-tf checkpoint"):
        read_header(path)


def test_a_flipped_byte_in_the_weights_is_seen(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, trained()[0], step=1)
    content = bytearray(path.read_bytes())
    kernel = trained()[0].get_weights()[0].tobytes()
    content[content.index(kernel)] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, network())

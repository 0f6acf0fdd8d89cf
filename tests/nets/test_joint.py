"""The joint network gives what its two parts give, whatever they have in common."""

import numpy as np
import pytest

from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.joint import equal_blocks, joint_network
from wsss_tf.nets.vgg import activation_network, convolution_names

WIDTH = 0.125


def networks(*, shared, blocks=(4, 5), dilated=False):
    """Two networks whose first `shared` blocks agree; the other seeds differ."""
    activations = activation_network(width=WIDTH, blocks=blocks, dilated=dilated)
    cams = cam_network(3, width=WIDTH, seed=1)
    for block in range(1, min(shared, blocks[-1]) + 1):
        for name in convolution_names(block):
            cams.get_layer(name).set_weights(activations.get_layer(name).get_weights())
    return activations, cams


@pytest.fixture
def photo(rng):
    return rng.integers(0, 256, (1, 33, 47, 3)).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shared", "blocks"),
    [(0, (4, 5)), (4, (4, 5)), (5, (4, 5)), (2, (5,)), (4, (4,)), (4, (1, 3, 5))],
)
def test_joint_network_gives_what_its_parts_give(photo, shared, blocks):
    activations, cams = networks(shared=shared, blocks=blocks)
    joint = joint_network(activations, cams)(photo)
    apart = activations(photo)
    apart = apart if isinstance(apart, list) else [apart]
    for ours, theirs in zip(joint["activations"], apart, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(joint["cams"], cams(photo)["cams"])


def test_shared_blocks_are_in_the_model_once():
    activations, cams = networks(shared=4)
    joint = joint_network(activations, cams)
    kernels = {id(weight.value) for weight in joint.weights}
    own = len(convolution_names(5)) * 2  # Kernels and biases of the one block that differs.
    assert len(kernels) == len(cams.weights) + own


def test_equal_blocks_counts_the_leading_ones_alone():
    activations, cams = networks(shared=5)
    assert equal_blocks(activations, cams, last=5) == 5
    kernel, bias = cams.get_layer("block3_conv2").get_weights()
    cams.get_layer("block3_conv2").set_weights([kernel, bias + 1e-6])
    assert equal_blocks(activations, cams, last=5) == 2


def test_a_dilated_block_is_another_one():
    activations, cams = networks(shared=5, dilated=True)
    assert equal_blocks(activations, cams, last=5) == 4

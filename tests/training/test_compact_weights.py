"""The compact weights that ship: they fit the backbone, and objects excite them."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.data.scenes import render_scene
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import COMPACT, load_backbone
from wsss_tf.priors.foreground import foreground_probability


def test_file_is_small():
    assert COMPACT.stat().st_size < 1_000_000


@pytest.mark.parametrize("dilated", [False, True], ids=["plain", "dilated"])
def test_objects_are_brighter_than_their_background(dilated):
    scenes = [render_scene(1, index, size=96) for index in range(40)]
    photos = np.stack([scene.photo for scene in scenes])
    objects = np.stack([scene.labels for scene in scenes]) > 0
    network = activation_network(width=0.125, dilated=dilated)
    load_backbone(network, "compact")
    activations = network(photos)
    foreground = np.asarray(foreground_probability(activations, (96, 96)))
    assert foreground[objects].mean() > 3 * foreground[~objects].mean()
    matrix = ConfusionMatrix(2)
    matrix.update(objects.astype(np.uint8), (foreground > 0.5).astype(np.uint8))
    assert matrix.miou() > 0.6
    # Blocks 4 and 5 weigh about the same in the sum.
    means = [np.mean(block) for block in activations]
    assert 0.4 < means[0] / means[1] < 2.5

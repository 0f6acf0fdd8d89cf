"""Views of a photo: which, and the mean over them against a loop in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.priors import Views, mean_over_views
from wsss_tf.priors.views import scaled_size


def resized(maps, size):
    """Bilinear, pixel centres at half-integers, in float64, one pixel at a time."""
    height, width = maps.shape[:2]
    found = np.zeros((*size, maps.shape[2]))
    for y in range(size[0]):
        for x in range(size[1]):
            row = min(max((y + 0.5) * height / size[0] - 0.5, 0), height - 1)
            column = min(max((x + 0.5) * width / size[1] - 0.5, 0), width - 1)
            top, left = int(row), int(column)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            down, along = row - top, column - left
            upper = (1 - along) * maps[top, left] + along * maps[top, right]
            lower = (1 - along) * maps[bottom, left] + along * maps[bottom, right]
            found[y, x] = (1 - down) * upper + down * lower
    return found


def halved(maps):
    """A stand-in for a network, not symmetric: every other pixel, less its left neighbour."""
    maps = np.asarray(maps, np.float64)
    shifted = np.concatenate([np.zeros_like(maps[:, :, :1]), maps[:, :, :-1]], axis=2)
    return (maps - 0.5 * shifted)[:, ::2, ::2]


def mean_by_loops(photo, scales, flip, *, size=None, finish=lambda maps: maps):
    """The mean over views, view by view."""
    total, count = 0.0, 0
    for scale in sorted(scales, reverse=True):
        for mirrored in (False, True)[: 1 + flip]:
            height, width = (max(int(side * scale + 0.5), 1) for side in photo.shape[:2])
            seen = resized(photo, (height, width))
            seen = seen[:, ::-1] if mirrored else seen
            maps = halved(seen[None])[0]
            maps = maps[:, ::-1] if mirrored else maps
            size = size or maps.shape[:2]
            total, count = total + finish(resized(maps, size)), count + 1
    return total / count


def network(photo):
    shifted = tf.pad(photo[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0]])
    return [(photo - 0.5 * shifted)[:, ::2, ::2]]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.5,), (0.5, 1.0, 1.75)])
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 10, 3)])
def test_mean_matches_a_loop_over_views(random_generator, shape, scales, flip, wrap):
    photo = random_generator.uniform(0, 255, shape).astype("float32")
    views = Views(scales, flip)

    def run(photo):
        in_own_grid = mean_over_views(photo, views, network)[0]
        (in_given,) = mean_over_views(photo, views, network, size=(5, 4), finish=tf.nn.softmax)
        return in_own_grid, in_given

    signature = [tf.TensorSpec([None, None, None, 3])]
    run = wrap(run, input_signature=signature) if wrap is tf.function else run
    found, finished = run(tf.constant(photo)[None])
    np.testing.assert_allclose(found[0], mean_by_loops(photo, scales, flip), atol=1e-3)
    expected = mean_by_loops(photo, scales, flip, size=(5, 4), finish=softmax)
    np.testing.assert_allclose(finished[0], expected, atol=1e-3)
    np.testing.assert_allclose(tf.reduce_sum(finished, axis=-1), 1.0, rtol=1e-5)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_views_are_seen_from_the_largest_down(random_generator):
    sizes = []

    def seen(photo):
        sizes.append(tuple(photo.shape[1:3]))
        return [photo]

    photo = random_generator.uniform(0, 1, (2, 8, 6, 3)).astype("float32")
    (found,) = mean_over_views(photo, Views((0.25, 1.0, 1.5), flip=True), seen)
    assert sizes == [(12, 9)] * 2 + [(8, 6)] * 2 + [(2, 2)] * 2
    assert found.shape == (2, 12, 9, 3)
    assert len(Views((0.25, 1.0, 1.5), flip=True)) == 6


def test_the_plain_view_is_what_the_network_gives(random_generator):
    photo = tf.constant(random_generator.uniform(0, 255, (1, 9, 5, 3)), tf.float32)
    for alone in (Views(), Views((1,)), Views((1.0,), flip=False)):
        assert alone == Views()
        (found,) = mean_over_views(photo, alone, network)
        np.testing.assert_array_equal(found, network(photo)[0])


def test_a_graph_looks_at_one_view_after_the_other():
    signature = [tf.TensorSpec([None, None, None, 3])]

    def graph_of(views):
        graph = tf.function(lambda photo: mean_over_views(photo, views, network), signature)
        return graph.get_concrete_function().graph

    operations = graph_of(Views((0.5, 1.0), flip=True)).get_operations()
    assert sum(bool(operation.control_inputs) for operation in operations) >= 3
    assert not any(operation.control_inputs for operation in graph_of(Views()).get_operations())


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((1, 1), 0.25, (1, 1)),
        ((3, 500), 0.5, (2, 250)),
        ((375, 500), 0.75, (281, 375)),
        ((5, 4), 0.7, (4, 3)),
        ((4096, 4096), 4.0, (16384, 16384)),
    ],
)
def test_scaled_sizes(size, scale, expected):
    assert tuple(np.asarray(scaled_size(size, scale))) == expected


@pytest.mark.parametrize(
    "scales", [(), (0.2, 1.0), (1.0, 4.5), (1.0, 0.5), (1.0, 1.0), (float("nan"),)], ids=str
)
def test_wrong_scales_are_named(scales):
    with pytest.raises(ValueError, match=r"`scales` must be one or more factors in 0\.25\.\.4, "):
        Views(scales)

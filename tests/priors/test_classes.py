"""Class probabilities (Eq. 2 to 5) against loops, and the label maps they become."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.priors import Fusion, class_probabilities, label_map, scaled_cams

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def probabilities_by_loops(cams, foreground, tags, fusion):
    """CAMs at the size of the photo already; float64, one photo, pixel and class at a time."""
    batch, height, width, num_tags = cams.shape
    a, result = fusion.alpha, np.zeros((batch, height, width, num_tags + 1))
    for b in range(batch):
        tagged = [k for k in range(num_tags) if tags[b, k]]
        peaks = {k: max(0.0, float(cams[b, :, :, k].max())) for k in tagged}
        for i in range(height):
            for j in range(width):
                f, scores, maps = float(foreground[b, i, j]), np.zeros(num_tags + 1), []
                for k in tagged:
                    m = max(0.0, float(cams[b, i, j, k])) / peaks[k] if peaks[k] else 0.0
                    maps.append(m)
                    if fusion.combination == "linear":
                        inside = m > fusion.cam_threshold
                        scores[k + 1] = a * f * inside + (1 - a) * m
                    elif m > 0:
                        scores[k + 1] = m ** (1 - a) * f**a
                if fusion.background == "constant":
                    scores[0] = fusion.background_score
                else:
                    unclaimed = 1 - (sum(maps) / len(maps) if maps else 0.0)
                    scores[0] = a * (1 - f) + (1 - a) * unclaimed
                if not scores[1:].any():
                    scores[0] = 1.0
                result[b, i, j] = scores / scores.sum()
    return result


@WRAPS
@pytest.mark.parametrize("combination", ["linear", "geometric"])
@pytest.mark.parametrize("background", ["fused", "constant"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_probabilities_match_loops(random_generator, combination, background, alpha, wrap):
    fusion = Fusion(combination, alpha, 0.35, background, 0.15)
    cams = random_generator.normal(size=(4, 5, 6, 3)).astype("float32")
    cams[1, :, :, 1] = -1.0  # A tagged class without any evidence.
    foreground = random_generator.random((4, 5, 6)).astype("float32")
    foreground[:, 0, :3], foreground[:, 1, :3] = 0.0, 1.0
    tags = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]], "float32")
    probabilities = wrap(class_probabilities)(cams, foreground, tags, fusion)
    expected = probabilities_by_loops(cams, foreground, tags, fusion)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(np.sum(probabilities, axis=-1), 1.0, atol=1e-6)
    absent = np.broadcast_to(tags[:, None, None, :] == 0, probabilities[..., 1:].shape)
    np.testing.assert_array_equal(probabilities[..., 1:][absent], 0.0)
    np.testing.assert_array_equal(probabilities[3, ..., 0], 1.0)


def test_paper_by_hand():
    # One pixel on the CAM, one beside it; P_f says half and nothing.
    cams = np.array([[[[2.0, 9.0], [0.2, 9.0]]]], "float32")
    foreground = np.array([[[0.5, 0.0]]], "float32")
    probabilities = class_probabilities(cams, foreground, np.array([[1, 0]]))
    # P_1 = .5 .5 + .5 1 = .75 and .5 .1 = .05; P_0 = .5 .5 + .5 0 = .25 and .5 1 + .5 .9 = .95.
    np.testing.assert_allclose(probabilities[0, 0], [[0.25, 0.75, 0], [0.95, 0.05, 0]], atol=1e-6)


def test_cams_are_scaled_class_by_class_after_resizing(random_generator):
    cams = random_generator.normal(size=(2, 3, 4, 2)).astype("float32") * [1.0, 1000.0]
    cams[1, :, :, 0] = -3.0
    maps = scaled_cams(cams, (9, 7)).numpy()
    assert maps.shape == (2, 9, 7, 2)
    np.testing.assert_allclose(maps.max(axis=(1, 2)), [[1, 1], [0, 1]])
    assert maps.min() == 0.0
    # Scaling maps that are scaled already changes nothing.
    np.testing.assert_allclose(scaled_cams(maps, (9, 7)), maps, atol=1e-6)


def labels_of(probabilities, cams, tags, wrap=lambda f: f):
    """Label map of one photo given as nested lists."""
    arrays = [np.array([values], "float32") for values in (probabilities, cams, tags)]
    return wrap(label_map)(*arrays)[0].numpy().tolist()


def test_label_map_is_the_arg_max(random_generator):
    probabilities = random_generator.random((2, 5, 6, 4)).astype("float32")
    cams = random_generator.random((2, 2, 2, 3)).astype("float32")
    labels = label_map(probabilities, cams, np.ones((2, 3)))
    assert labels.dtype == tf.uint8
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=-1))


@WRAPS
def test_a_tagged_class_without_pixels_takes_its_cam(wrap):
    probabilities = [[[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]]
    cams = [[[1.0, 5.0], [0.5, 5.0], [0.1, 5.0]]]  # 100 %, 50 % and 10 % of the maximum.
    assert labels_of(probabilities, cams, [1, 0], wrap) == [[1, 1, 0]]
    assert labels_of(probabilities, cams, [0, 0], wrap) == [[0, 0, 0]]


def test_of_several_fall_backs_the_more_probable_wins():
    probabilities = [[[0.6, 0.1, 0.3], [0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.9, 0.0, 0.1]]]
    cams = [[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]]
    assert labels_of(probabilities, cams, [1, 1]) == [[2, 1, 1, 0]]  # A tie goes to the lower id.


def test_a_fall_back_may_not_take_the_last_pixels_of_a_label():
    # Class 1 holds one pixel and background two; the CAM of class 2 is everywhere.
    probabilities = [[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]]
    cams = [[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]]
    # Each keeps the pixel where it is most probable.
    assert labels_of(probabilities, cams, [1, 1]) == [[0, 1, 2]]


def test_a_fall_back_with_nothing_else_stays_without_a_mask():
    probabilities = [[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]]
    cams = [[[0.0, 0.0], [1.0, 1.0]]]
    assert labels_of(probabilities, cams, [1, 1]) == [[0, 1]]
    assert labels_of(probabilities, [[[0.0, -1.0], [1.0, -1.0]]], [1, 1]) == [[0, 1]]


@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_every_label_that_won_pixels_keeps_some(random_generator, size):
    for _ in range(30):
        logits = random_generator.normal(size=(1, *size, 5)) + [3, 0, 0, 0, 0]
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        cams = random_generator.normal(size=(1, 2, 2, 4))
        labels = label_map(probabilities, cams, np.ones((1, 4))).numpy()
        assert set(probabilities.argmax(axis=-1).ravel()) <= set(labels.ravel())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"combination": "sum"}, "`combination` must be one of linear, geometric"),
        ({"background": "none"}, "`background` must be one of fused, constant"),
        ({"alpha": 1.1}, r"`alpha` must be in 0\.\.1"),
        ({"cam_threshold": -0.1}, "`cam_threshold` must be"),
        ({"background_score": float("nan")}, "`background_score` must be"),
    ],
)
def test_fusion_checks_its_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        Fusion(**fields)


def test_tags_have_no_background_column():
    cams, foreground = np.ones((1, 2, 2, 3), "float32"), np.ones((1, 4, 4), "float32")
    with pytest.raises(ValueError, match="Background has no column"):
        class_probabilities(cams, foreground, np.ones((1, 4)))

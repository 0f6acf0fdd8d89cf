"""The oracle itself: what a reader can work out by hand."""

from __future__ import annotations

import numpy as np


def test_two_pixels_by_hand(exact):
    photo = np.zeros((1, 2, 3), np.uint8)
    unary = np.array([[[0.0, 1.0], [2.0, 0.0]]])
    # Neighbours of one colour, kernel [[1, k], [k, 1]]: both row sums are 1 + k.
    k = np.exp(-0.5 / 80**2)
    start = np.exp(-unary) / np.exp(-unary).sum(axis=-1, keepdims=True)
    logits = -unary[0, 0] + 10 * (start[0, 0] + k * start[0, 1]) / (1 + k)
    expected = np.exp(logits) / np.exp(logits).sum()
    q = exact.dense_crf(photo, unary, spatial_weight=0.0, iterations=1)
    np.testing.assert_allclose(q[0, 0], expected, rtol=1e-12)


def test_no_weight_leaves_softmax(exact):
    photo = exact.smooth_photo(5, 7)
    unary = exact.noisy_unary(photo, 3)
    q = exact.dense_crf(photo, unary, spatial_weight=0.0, bilateral_weight=0.0)
    np.testing.assert_allclose(q, np.exp(exact.log_softmax(-unary.astype(float))), rtol=1e-12)


def test_region_message_sees_rows_and_adds_to_the_logits(exact):
    unary = exact.noisy_unary(exact.smooth_photo(4, 3), 2).reshape(12, 2)
    reward = np.array([[3.0, 0.0]])
    seen = []

    def message(log_q):
        seen.append(np.exp(log_q))
        return reward

    kernels = [(2.0, np.eye(12))]
    q = exact.mean_field(unary, kernels, iterations=1, region_message=message)
    start = np.exp(exact.log_softmax(-unary.astype(float)))
    np.testing.assert_allclose(seen, [start])
    expected = np.exp(exact.log_softmax(-unary + 2 * start + reward))
    np.testing.assert_allclose(q, expected, rtol=1e-12)

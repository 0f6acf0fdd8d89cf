"""Mode `dense` against exact mean field, and its graph, gradients and degenerate photos."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf.block_regions import BlockRegions
from wsss_tf.crf.groups import cut, group_sums, grow_tree
from wsss_tf.crf.higher_order import RegionTerm
from wsss_tf.crf.low_resolution import dense_mean_field
from wsss_tf.crf.pooling import mean_rows, side_of_blocks, spatial_kernel, sum_blocks
from wsss_tf.crf.settings import CrfSettings

WIDE = CrfSettings()
NARROW = CrfSettings(bilateral_sigma=10.0, color_sigma=5.0)


@tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None] * 3)])
def in_graph(photo, unary):
    """One trace for every size and number of labels."""
    return dense_mean_field(photo, unary, WIDE)


@pytest.fixture(scope="module")
def case(exact):
    photo = exact.smooth_photo(30, 34)
    return photo, exact.noisy_unary(photo, 4)


@pytest.mark.parametrize("settings", [WIDE, NARROW], ids=["wide", "narrow"])
def test_small_photos_are_nearly_exact(case, exact, settings):
    # 1,020 pixels are blocks of their own, and the iterations' groups hold one each.
    expected = exact.dense_crf(
        *case, bilateral_sigma=settings.bilateral_sigma, color_sigma=settings.color_sigma
    )
    assert exact.total_variation(dense_mean_field(*case, settings), expected) < 1e-3


@pytest.mark.parametrize("side", [2, 3, 4])
def test_larger_blocks_are_close(case, exact, side, monkeypatch):
    # As few blocks as if the photo were larger. The patches are not much wider than blocks of 4,
    # and a shorter spatial kernel would see the difference: the errors are those of a hard case.
    monkeypatch.setattr("wsss_tf.crf.low_resolution.pooling.side_of_blocks", lambda *_: side)
    q = dense_mean_field(*case, WIDE)
    assert exact.total_variation(q, exact.dense_crf(*case)) < 0.03


@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_counts_iterations(case, exact, iterations):
    q = dense_mean_field(*case, CrfSettings(iterations=iterations))
    assert exact.total_variation(q, exact.dense_crf(*case, iterations=iterations)) < 1e-3


@pytest.mark.parametrize("weights", [(0.0, 10.0), (3.0, 0.0), (0.0, 0.0)])
def test_kernels_of_weight_0_are_left_out(case, exact, weights):
    named = dict(zip(("spatial_weight", "bilateral_weight"), weights, strict=True))
    q = dense_mean_field(*case, CrfSettings(**named))
    assert exact.total_variation(q, exact.dense_crf(*case, **named)) < 1e-3


@pytest.mark.parametrize("tolerance", [0.0, 1.0])
@pytest.mark.parametrize("side", [1, 3])
def test_regions_agree_with_the_region_term(case, side, tolerance, random_generator):
    photo, _ = case
    probabilities = random_generator.dirichlet(np.ones(4), photo.shape[:2]).astype(np.float32)
    blocks = np.add.outer(10 * (np.arange(30) // 6), np.arange(34) // 6).astype(np.int32)
    regions = np.stack([blocks, 7 * (blocks // 20), np.zeros_like(blocks)])
    term = RegionTerm(regions, probabilities, tolerance=tolerance)
    settings = dataclasses.replace(WIDE, region_tolerance=tolerance)
    blocks = BlockRegions(regions, probabilities, tf.constant(side), settings)
    # What a block knows: all its pixels have one Q, and regions that end at the edge of a block.
    q = random_generator.dirichlet(np.ones(4) * 0.2, (10, 12)).astype(np.float32)
    if side == 1:
        q = probabilities
    pixels = q.repeat(side, 0).repeat(side, 1)[:30, :34].reshape(-1, 4)
    q = q.reshape(-1, 4)
    for progress in (0.1, 0.9):
        expected = term.message(pixels, progress)
        found = blocks.to_blocks(q, tf.constant(progress))
        expected = tf.reshape(expected, [30, 34, 4])[::side, ::side]
        np.testing.assert_allclose(found, tf.reshape(expected, [-1, 4]), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(blocks.to_pixels(q), term.message(pixels, 1.0), rtol=1e-3, atol=1e-5)


DEGENERATE = {"1x1": (1, 1), "1xN": (1, 40), "Nx1": (40, 1), "5x7": (5, 7), "130x170": (130, 170)}


@pytest.mark.parametrize("size", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize("content", ["constant", "noise", "two colours"])
def test_probabilities_of_any_photo(size, content, random_generator):
    photo = np.full((*size, 3), 255, np.uint8)
    if content == "noise":
        photo = random_generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    if content == "two colours":
        photo[: size[0] // 2] = 0
    unary = 20 * random_generator.random((*size, 3), dtype=np.float32)
    q = in_graph(photo, unary).numpy()
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=-1), 1.0, atol=1e-5)


def test_a_kernel_narrower_than_a_level_stays_finite(case):
    settings = CrfSettings(color_sigma=1e-3, bilateral_sigma=1e-3, spatial_sigma=1e-3)
    assert np.isfinite(dense_mean_field(*case, settings)).all()


def test_graph_equals_eager(case):
    np.testing.assert_allclose(in_graph(*case), dense_mean_field(*case, WIDE), atol=1e-5)


def test_gradients_are_those_of_differences(case):
    photo, unary = case
    photo, unary = photo[:8, :9], tf.constant(unary[:8, :9])
    settings = CrfSettings(iterations=3)

    def score(unary):
        return tf.reduce_sum(dense_mean_field(photo, unary, settings)[2:5, 3:6, 0])

    with tf.GradientTape() as tape:
        tape.watch(unary)
        value = score(unary)
    gradient = tape.gradient(value, unary).numpy()
    assert np.isfinite(gradient).all()
    for place in [(3, 4, 0), (0, 8, 1), (7, 0, 2)]:
        step = np.zeros(unary.shape, np.float32)
        step[place] = 0.05
        difference = (score(unary + step) - score(unary - step)) / 0.1
        np.testing.assert_allclose(gradient[place], difference, rtol=0.05, atol=1e-4)


def test_groups_hold_each_block_once(random_generator):
    from wsss_tf.crf.pooling import pooled_blocks

    photo = random_generator.integers(0, 256, (47, 53, 3), dtype=np.uint8)
    blocks = pooled_blocks(photo, tf.constant(2), 80.0, 13.0)
    tree = grow_tree(blocks)
    number = blocks.counts.shape[0]
    values = random_generator.random((number, 2), dtype=np.float32)
    for groups in (cut(tree, 1), cut(tree, 100), cut(tree, 3072)):
        sums = group_sums(tf.constant(values), tree, groups)
        assert sums.shape[0] == groups.counts.shape[0]
        np.testing.assert_allclose(tf.reduce_sum(sums, 0), values.sum(0), rtol=1e-4)
        assert float(tf.reduce_sum(groups.counts)) == 47 * 53


def test_spatial_kernel_is_that_of_pixels_summed_over_blocks():
    place = np.arange(11.0)
    kernel = np.exp(-0.5 * ((place[:, None] - place) / 3.0) ** 2)
    scale = kernel.sum(axis=1) ** -0.5
    kernel *= scale[:, None] * scale
    summed = np.stack([kernel[:, i : i + 4].sum(axis=1) for i in (0, 4, 8)], axis=1)
    found = spatial_kernel(tf.constant(11), tf.constant(4), 3.0)
    np.testing.assert_allclose(found, summed, rtol=1e-5)
    means = np.stack([summed[i : i + 4].mean(axis=0) for i in (0, 4, 8)])
    np.testing.assert_allclose(mean_rows(found, tf.constant(4)), means, rtol=1e-5)


def test_sums_of_blocks(random_generator):
    values = random_generator.random((5, 7, 2), dtype=np.float32)
    found = sum_blocks(tf.constant(values), tf.constant(3)).numpy()
    assert found.shape == (2, 3, 2)
    np.testing.assert_allclose(found[1, 2], values[3:, 6:].sum((0, 1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "side"), [((1, 1), 1), ((100, 100), 1), ((375, 500), 4), ((1500, 2000), 7)]
)
def test_blocks_grow_with_the_photo(size, side):
    assert int(side_of_blocks(tf.constant(size), 4.0)) == side

"""`DenseCRF` against exact mean field on small photos, and what must hold of it exactly."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.crf import DenseCRF

MODES = ["lattice", "fast", "dense"]
# The default weights settle nearly every pixel; weaker ones leave more for methods to differ in.
WEAK = {
    "spatial_sigma": 2.0,
    "spatial_weight": 1.0,
    "bilateral_sigma": 10.0,
    "color_sigma": 30.0,
    "bilateral_weight": 4.0,
}
KERNELS = {"default": {}, "weak": WEAK, "spatial": {"bilateral_weight": 0.0}}
# Mean total variation to exact mean field, and the share of labels that agree. Measured over four
# scenes: .003 and .998, .009 and .992, .0002 and .9997. Where the evidence for a whole patch is
# balanced, the least error decides it: such scenes (one in ten) are not among those below.
ALLOWED = {"lattice": (0.005, 0.996), "fast": (0.015, 0.988), "dense": (0.001, 0.999)}


def eagerly(function):
    return function


@pytest.fixture
def case(exact):
    """A photo of 30 x 40 and energies of four labels."""
    photo, unary, _ = exact.scene(30, 40, 4)
    return photo, unary


def probabilities(crf, *inputs, **named):
    """Marginals as float64, after checking that they are probabilities."""
    q = np.asarray(crf(*inputs, **named), np.float64)
    assert np.isfinite(q).all()
    assert q.min() >= 0
    np.testing.assert_allclose(q.sum(axis=-1), 1.0, atol=1e-5)
    return q


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("seed", [0, 2])
def test_close_to_exact_mean_field(exact, mode, kernels, seed):
    photo, unary, _ = exact.scene(48, 64, 4, seed)
    expected = exact.dense_crf(photo, unary, **KERNELS[kernels])
    q = probabilities(DenseCRF(mode=mode, **KERNELS[kernels]), photo, unary)
    variation, agreement = ALLOWED[mode]
    assert exact.total_variation(q, expected) < variation
    assert (q.argmax(axis=-1) == expected.argmax(axis=-1)).mean() > agreement


@pytest.mark.parametrize("wrap", [eagerly, tf.function], ids=["eager", "graph"])
def test_spatial_kernel_alone_is_nearly_exact(exact, case, wrap):
    named = {"spatial_sigma": 2.5, "spatial_weight": 4.0, "bilateral_weight": 0.0}
    q = probabilities(wrap(DenseCRF(mode="lattice", **named)), *case)
    # The convolution ends at three sigmas, with 0.3 % of the kernel beyond.
    assert exact.total_variation(q, exact.dense_crf(*case, **named)) < 1e-3


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_iterations_are_those_of_the_oracle(exact, case, iterations):
    q = probabilities(DenseCRF(mode="lattice", iterations=iterations), *case)
    expected = exact.dense_crf(*case, iterations=iterations)
    assert exact.total_variation(q, expected) < (ALLOWED["lattice"][0] if iterations else 1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_no_weight_leaves_softmax(exact, case, mode):
    crf = DenseCRF(spatial_weight=0.0, bilateral_weight=0.0, mode=mode)
    expected = np.exp(exact.log_softmax(-case[1].astype(float)))
    np.testing.assert_allclose(probabilities(crf, *case), expected, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_swapped_labels_swap_the_result(case, mode):
    photo, unary = case
    crf, order = DenseCRF(mode=mode), [2, 0, 3, 1]
    expected = probabilities(crf, photo, unary)[..., order]
    np.testing.assert_allclose(probabilities(crf, photo, unary[..., order]), expected, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_only_differences_of_energies_count(case, mode):
    photo, unary = case
    shift = np.linspace(-5, 5, 30 * 40, dtype=np.float32).reshape(30, 40, 1)
    crf = DenseCRF(mode=mode)
    # Energies near 10 carry 1e-6 of rounding, which ten updates of weight 13 enlarge.
    np.testing.assert_allclose(
        probabilities(crf, photo, unary + shift), probabilities(crf, photo, unary), atol=1e-3
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("turn", [np.flipud, np.fliplr, lambda x: np.swapaxes(x, 0, 1)])
def test_a_turned_photo_turns_the_result(exact, case, mode, turn):
    crf = DenseCRF(mode=mode)
    q = probabilities(crf, *(np.ascontiguousarray(turn(array)) for array in case))
    # Lattice and grids lie differently on the turned photo: twice the distance to exact.
    expected = turn(probabilities(crf, *case))
    assert exact.total_variation(q, expected) < 2 * ALLOWED[mode][0]


@pytest.mark.parametrize("mode", MODES)
def test_colors_are_what_joins_pixels(mode):
    photo = np.zeros((16, 24, 3), np.uint8)
    photo[:, 12:] = 200
    unary = np.ones((16, 24, 2), np.float32)
    unary[7, 3, 0] = unary[7, 20, 1] = 0.0
    # One pixel of each half has an opinion, and its half follows.
    q = probabilities(DenseCRF(spatial_weight=0.0, mode=mode), photo, unary)
    assert (q[:, :10, 0] > 0.5).all()
    assert (q[:, 14:, 1] > 0.5).all()


@pytest.mark.parametrize("mode", MODES)
def test_no_region_weight_is_no_region(case, mode):
    photo, unary = case
    regions = np.zeros((2, 30, 40), np.int32)
    regions[1, :, 20:] = 2**31 - 1
    with_regions = DenseCRF(region_weight=0.0, mode=mode)(photo, unary, regions)
    np.testing.assert_allclose(with_regions, DenseCRF(mode=mode)(photo, unary), atol=1e-5)


# The product over a region of uncertain pixels is nearly 0: a tolerance for any dissent.
REGION_SETTINGS = {
    "spatial_weight": 0.1,
    "bilateral_weight": 0.1,
    "region_weight": 5.0,
    "region_tolerance": 1.0,
    "region_start": 0.0,
}


@pytest.mark.parametrize("mode", MODES)
def test_a_region_pulls_its_pixels_to_one_label(mode):
    photo = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    share = np.full((16, 20, 2), 0.5, np.float32)
    regions = np.zeros((1, 16, 20), np.int32)
    regions[0, 4:12, 5:15] = 7
    inside = regions[0] == 7
    share[inside] = (0.2, 0.8)
    share[8, 8] = (0.7, 0.3)
    crf = DenseCRF(**REGION_SETTINGS, mode=mode)
    nothing_known = np.full_like(share, 0.5)
    without = probabilities(crf, photo, -np.log(share), regions, nothing_known)
    pulled = probabilities(crf, photo, -np.log(share), regions, share)
    assert without[8, 8, 1] < 0.5 < pulled[8, 8, 1]
    assert (pulled[inside][:, 1] > without[inside][:, 1]).all()


@pytest.mark.parametrize("mode", MODES)
def test_region_probabilities_are_softmax_of_the_energies_by_default(case, mode):
    photo, unary = case
    regions = np.arange(30 * 40, dtype=np.int32).reshape(1, 30, 40) // 100
    crf = DenseCRF(**REGION_SETTINGS, mode=mode)
    share = tf.nn.softmax(-unary)
    expected = crf(photo, unary, regions)
    np.testing.assert_allclose(crf(photo, unary, regions, share), expected, atol=1e-5)
    other = crf(photo, unary, regions, np.roll(share, 1, axis=-1))
    assert np.abs(other - expected).max() > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "wrap"),
    [("lattice", tf.function), ("fast", tf.function), ("dense", tf.function), ("fast", eagerly)],
)
def test_gradient_is_that_of_finite_differences(exact, mode, wrap):
    photo, unary, _ = exact.scene(5, 6, 3)
    regions = np.arange(30, dtype=np.int32).reshape(1, 5, 6) // 10
    crf = DenseCRF(mode=mode, bilateral_weight=2.0, spatial_weight=1.0, iterations=3)
    weights = np.random.default_rng(0).normal(size=unary.shape).astype(np.float32)

    def score(energies):
        return tf.reduce_sum(weights * crf(photo, energies, regions))

    @wrap
    def gradient_of(energies):
        with tf.GradientTape() as tape:
            tape.watch(energies)
            total = score(energies)
        return tape.gradient(total, energies)

    gradient = gradient_of(tf.constant(unary)).numpy()
    assert np.isfinite(gradient).all()
    step, score = 1e-2, tf.function(score)
    for place in [(0, 0, 0), (2, 3, 1), (4, 5, 2), (1, 4, 0)]:
        change = np.zeros_like(unary)
        change[place] = step
        difference = (score(unary + change) - score(unary - change)) / (2 * step)
        # Rounding of a float32 sum over a step of 0.01, and the curvature within it.
        assert gradient[place] == pytest.approx(float(difference), abs=3e-3)


@pytest.mark.real
@pytest.mark.parametrize(
    ("mode", "variation", "agreement"),
    [("lattice", 0.0045, 0.996), ("fast", 0.007, 0.994), ("dense", 0.01, 0.99)],
)
def test_close_to_exact_mean_field_on_a_real_photo(exact, real, mode, variation, agreement):
    with np.load(real / "crf" / "oracle_2007_000346.npz") as file:
        photo, unary, expected = (file[key] for key in ("image", "unary", "exact_10"))
    q = probabilities(DenseCRF(mode=mode), photo, unary)
    # The project's goals; pydensecrf's variation is .0042.
    assert exact.total_variation(q, expected) < variation
    assert (q.argmax(axis=-1) == expected.argmax(axis=-1)).mean() > agreement

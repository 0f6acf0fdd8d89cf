"""scikit-image's regions: about as many as asked for, whatever the photo."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from wsss_tf.regions import alternatives
from wsss_tf.regions.alternatives import felzenszwalb_regions, slic_regions

FUNCTIONS = [felzenszwalb_regions, slic_regions]


@pytest.fixture
def photo():
    """Four rows of four flat fields with a little noise: uint8 [80, 120, 3]."""
    random = np.random.default_rng(0)
    fields = np.kron(random.integers(20, 230, (4, 4, 3)), np.ones((20, 30, 1), int))
    return (fields + random.integers(0, 8, fields.shape)).astype(np.uint8)


@pytest.mark.parametrize("find", FUNCTIONS)
@pytest.mark.parametrize("n", [4, 16, 60, 200])
def test_about_n_regions(photo, find, n):
    labels = find(photo, n)
    assert labels.dtype == np.int32
    assert labels.shape == (80, 120)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert 0.75 * n <= labels.max() + 1 <= 1.25 * n
    np.testing.assert_array_equal(labels, find(photo, n))


def test_fields_are_found(photo):
    labels = felzenszwalb_regions(photo, 16)
    assert labels.max() + 1 in (16, 17)
    for y in range(0, 80, 20):
        for x in range(0, 120, 30):
            assert len(np.unique(labels[y + 3 : y + 17, x + 3 : x + 27])) == 1


@pytest.mark.parametrize("find", FUNCTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (12, 17), (3, 200)])
@pytest.mark.parametrize("kind", ["constant", "noise"])
def test_odd_photos_get_an_answer(find, shape, kind):
    random = np.random.default_rng(0)
    photo = random.integers(0, 1 if kind == "constant" else 256, (*shape, 3)).astype(np.uint8)
    for n in (1, 2, 25, 10_000):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            labels = find(photo, n)
        assert labels.shape == shape
        assert set(np.unique(labels)) == set(range(labels.max() + 1))


@pytest.mark.parametrize("find", FUNCTIONS)
def test_a_large_photo_is_worked_reduced(photo, find, monkeypatch):
    monkeypatch.setattr(alternatives, "_MAX_PIXELS", 2400)
    seen = []
    for name in ("felzenszwalb", "slic"):
        original = getattr(alternatives, name)

        def spy(image, original=original, **options):
            seen.append(image.shape[:2])
            return original(image, **options)

        monkeypatch.setattr(alternatives, name, spy)
    labels = find(photo, 16)
    assert set(seen) == {(40, 60)}
    assert labels.shape == (80, 120)
    np.testing.assert_array_equal(labels[::2, ::2], labels[1::2, 1::2])


@pytest.mark.parametrize("find", FUNCTIONS)
@pytest.mark.parametrize(
    ("photo", "n", "named"),
    [
        (np.zeros((4, 4), np.uint8), 5, "`photo`"),
        (np.zeros((4, 4, 4), np.uint8), 5, "`photo`"),
        (np.zeros((4, 4, 3), np.float32), 5, "`photo`"),
        (np.zeros((0, 4, 3), np.uint8), 5, "`photo`"),
        (np.zeros((4, 4, 3), np.uint8), 0, "`n`"),
    ],
)
def test_bad_input_is_refused(find, photo, n, named):
    with pytest.raises(ValueError, match=named):
        find(photo, n)

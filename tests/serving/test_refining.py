"""The CRF of a bundle: at its own size, with the regions that it takes, or a clear refusal."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from wsss_tf.errors import BundleError, WsssError
from wsss_tf.serving import Segmenter
from wsss_tf.serving.refining import Refiner


@pytest.fixture
def with_crf(tiny, tmp_path):
    return tiny.write_bundle(tmp_path / "crf", crf=tiny.crf_model(False))


@pytest.fixture
def with_regions(tiny, tmp_path):
    return tiny.write_bundle(tmp_path / "regions", crf=tiny.crf_model(True), regions=True)


def blocks(tiny, height, width, block):
    return np.repeat(tiny.noise(height, width), block, axis=0).repeat(block, axis=1)


def test_the_crf_has_the_last_word(tiny, with_crf):
    photos = [tiny.noise(20, 30), tiny.noise(7, 9)]
    for photo, found in zip(photos, Segmenter(with_crf, crf=True)(photos), strict=True):
        np.testing.assert_array_equal(found.labels, (tiny.expected(photo) + 1) % 3)
    for photo, found in zip(photos, Segmenter(with_crf)(photos), strict=True):
        np.testing.assert_array_equal(found.labels, tiny.expected(photo))


def test_it_works_on_reduced_photos_and_is_enlarged(tiny, with_crf):
    photo = blocks(tiny, 16, 10, 16)  # 256 x 160, four pixels of the CRF's grid a block.
    (found,) = Segmenter(with_crf, crf=True)([photo])
    assert found.labels.shape == (256, 160)
    np.testing.assert_array_equal(
        found.labels[8::16, 8::16], (tiny.expected(photo) + 1)[8::16, 8::16] % 3
    )


def test_regions_are_found_and_given(tiny, with_regions, monkeypatch):
    from wsss_tf.regions import RegionMethod

    def left_and_right(self, photo, size):
        assert (self.method, self.counts) == ("slic", (4,))
        layer = np.zeros(size, np.int32)
        layer[:, size[1] // 2 :] = 1
        return layer[None]

    monkeypatch.setattr(RegionMethod, "layers", left_and_right)
    photo = tiny.noise(20, 30)
    (found,) = Segmenter(with_regions, crf=True)([photo])
    moved = np.where(np.arange(30) < 15, 1, 2)  # See `crf_model`.
    np.testing.assert_array_equal(found.labels, (tiny.expected(photo) + moved) % 3)


def test_real_regions_fit_the_crf(tiny, with_regions):
    photo = blocks(tiny, 10, 12, 16)  # Larger than the CRF's grid.
    (found,) = Segmenter(with_regions, crf=True, regions=True)([photo])
    assert found.error is None
    assert found.labels.shape == photo.shape[:2]


def test_regions_can_be_left_out(tiny, with_regions, monkeypatch):
    monkeypatch.setitem(sys.modules, "wsss_tf.regions", None)  # No packages are needed for none.
    photo = tiny.noise(20, 30)
    (found,) = Segmenter(with_regions, crf=True, regions=False)([photo])
    np.testing.assert_array_equal(found.labels, (tiny.expected(photo) + 1) % 3)


def test_regions_that_the_crf_does_not_take_are_refused(tiny, with_crf):
    with pytest.raises(ValueError, match="`regions` must be False or None"):
        Segmenter(with_crf, crf=True, regions=True)
    assert Segmenter(with_crf, crf=True, regions=False)


def test_missing_packages_are_named(with_regions, monkeypatch):
    monkeypatch.setitem(sys.modules, "wsss_tf.regions", None)
    with pytest.raises(WsssError, match=r'pip install "wsss-tf\[regions\]"'):
        Segmenter(with_regions, crf=True)
    assert Segmenter(with_regions)  # Not needed without the CRF.


def test_settings_of_no_regions_are_refused(tiny, with_regions):
    tiny.edit(with_regions, lambda about: about["crf"]["region_settings"].update(method="x"))
    with pytest.raises(BundleError, match="region_settings"):
        Segmenter(with_regions, crf=True)


def test_a_file_that_takes_something_else_is_refused(tiny, with_crf):
    tiny.edit(with_crf, lambda about: about["crf"].update(regions=True))
    with pytest.raises(BundleError, match="must take"):
        Segmenter(with_crf, crf=True)


def test_a_photo_on_which_it_fails_is_an_error(tiny, with_crf, monkeypatch):
    given = Refiner.given
    monkeypatch.setattr(
        Refiner, "given", lambda self, photo: {**given(self, photo), "other": np.zeros(1)}
    )
    (found,) = Segmenter(with_crf, crf=True)([tiny.noise(5, 5)])
    assert "The CRF failed" in str(found.error)

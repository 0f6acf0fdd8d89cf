"""A bundle that `wsss-tf export` writes, served: the label maps of the run's own `Predictor`.

Beside one test of resizing all of this folder that needs TensorFlow, to train and to export.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image

from wsss_tf.images import read_photo
from wsss_tf.serving import Segmenter, open_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="no TensorFlow"),
]


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    from wsss_tf.export.bundle import export_bundle
    from wsss_tf.export.contract import Parts

    out = tmp_path_factory.mktemp("exported") / "bundle"
    # What untrained weights answer is near a tie anywhere, which is no matter of this test.
    export_bundle(tiny_run, out, Parts(onnx=True), photos=2, force=True)
    return out


@pytest.fixture(scope="module")
def photos(tiny_run):
    """One as it is, and one that is reduced before the network."""
    photo = read_photo(next((tiny_run.data_root / "images").glob("val_*")))
    larger = Image.fromarray(photo).resize((1300, 900), Image.Resampling.BICUBIC)
    return [photo, np.asarray(larger)]


def test_it_gives_the_label_maps_of_the_run(tiny_run, exported, photos):
    from wsss_tf.training import Predictor

    predictor = Predictor(tiny_run, crf=False)
    for photo, found in zip(photos, Segmenter(exported)(photos), strict=True):
        assert np.mean(found.labels == predictor(photo)) > 0.995


def test_its_crf_runs(exported, photos):
    assert open_bundle(exported).contract.crf is not None
    (found,) = Segmenter(exported, crf=True)(photos[:1])
    assert found.error is None
    assert found.labels.shape == photos[0].shape[:2]

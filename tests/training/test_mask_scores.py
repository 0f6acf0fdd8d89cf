"""Scores of many settings of the masks at once, against a mask maker of its own for each."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import CrfSettings, MasksSettings, RegionSettings
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.masks import MaskMaker
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.training import (
    mask_maker,
    mask_scores,
    open_run_data,
    score_masks,
    score_masks_of_many,
)
from wsss_tf.training.mask_makers import groups_of
from wsss_tf.training.regions import region_source

CRF = CrfSettings(mode="fast", iterations=2)
REGIONS = CRF.model_copy(update={"regions": RegionSettings(method="slic", counts=(4, 12))})
OTHERS = CRF.model_copy(update={"regions": RegionSettings(method="slic", counts=(9,))})
FOREGROUND = MasksSettings(kind="foreground", scaling="centred")
MULTI_CLASS = MasksSettings(kind="multi_class")
VIEWS = {"scales": (0.5, 1.0), "flip": True}


def changed(settings, **change):
    return settings.model_copy(update=change)


PLAIN = [
    FOREGROUND,
    changed(FOREGROUND, blocks=(4,), crf=REGIONS),
    changed(FOREGROUND, blocks=(5,), scaling="min_max"),
    changed(MULTI_CLASS, blocks=(3, 5), alpha=0.0),
    changed(MULTI_CLASS, crf=CRF),
    changed(MULTI_CLASS, blocks=(5,), crf=OTHERS),
]
SEVERAL = [
    changed(MULTI_CLASS, **VIEWS, combination="geometric"),
    changed(MULTI_CLASS, **VIEWS, blocks=(4,)),
    changed(FOREGROUND, **VIEWS, blocks=(5,)),
]
ALL = [*PLAIN[:2], *SEVERAL, *PLAIN[2:]]


@pytest.fixture(scope="module")
def run(tiny_run):
    """A trained run that keeps no regions: other tests read it, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_scores, "can_keep_regions", lambda run: False)
        yield tiny_run


@pytest.fixture(scope="module")
def dataset(run):
    """3 photos to score with."""
    return open_run_data(run, "val")


@pytest.fixture
def looks(monkeypatch):
    """A row for every time that the networks run."""
    found, looked = [], MaskMaker._looked

    def counted(self, photo):
        counter = tf.numpy_function(lambda: np.int32(found.append(1) or 0), [], tf.int32)
        with tf.control_dependencies([counter]):
            return looked(self, tf.identity(photo))

    monkeypatch.setattr(MaskMaker, "_looked", counted)
    return found


def alone(run, dataset, settings, photos):
    """The confusion matrix of one settings, by a maker of its own, called for every photo."""
    maker = tf.function(mask_maker(run, dataset.labels, settings), reduce_retracing=True)
    regions = region_source(run, settings.crf, keep=False)
    foreground = settings.kind == "foreground"
    matrix = ConfusionMatrix(2 if foreground else dataset.labels.num_classes)
    for photo in photos:
        pixels, tags = read_photo(photo.path), dataset.labels.tag_vector(photo.tags)
        layers = None if regions is None else tf.constant(regions(pixels, pixels.shape[:2]))
        mask = maker(tf.constant(pixels), tf.constant(tags), layers).numpy()
        truth = read_label_map(dataset.truth("val")[photo.id])
        if foreground:
            truth = np.where(truth == 255, 255, truth > 0).astype(np.uint8)
        matrix.update(truth, mask)
    return matrix.counts


def test_many_settings_get_the_scores_of_each_alone(run, dataset, looks):
    photos = dataset.split("val")
    found = dict(score_masks_of_many(run, dataset, "val", ALL))
    assert len(looks) == len(photos) * (1 + 4)  # Four views in place of one for SEVERAL.
    assert list(found) == [*PLAIN, *SEVERAL]
    for settings, scoring in found.items():
        expected = alone(run, dataset, settings, photos)
        np.testing.assert_array_equal(scoring.confusion.counts, expected, str(settings))
        assert scoring.ids == [photo.id for photo in photos]
        assert scoring.about["scales"] == list(settings.scales)
        assert scoring.about["crf"] == (settings.crf and settings.crf.model_dump(mode="json"))
    different = {scoring.confusion.counts.tobytes() for scoring in found.values()}
    assert len(different) == len(ALL)


def test_one_settings_is_the_case_of_one(run, dataset):
    settings, photos = PLAIN[3], dataset.split("val")[1:]
    scoring = score_masks(run, dataset, "val", settings=settings, photos=photos)
    expected = alone(run, dataset, settings, photos)
    np.testing.assert_array_equal(scoring.confusion.counts, expected)


def test_a_group_s_scores_come_before_the_next_group_s_masks(run, dataset, looks):
    photos = dataset.split("val")[:2]
    plain = changed(FOREGROUND, blocks=(2,))
    given = [plain, changed(plain, flip=True), changed(plain, blocks=(1,)), plain]
    scores = score_masks_of_many(run, dataset, "val", given, photos=photos)
    assert [next(scores)[0], len(looks)] == [plain, 2]
    assert [next(scores)[0], len(looks)] == [given[2], 2]
    assert [next(scores)[0], len(looks)] == [given[1], 6]
    assert next(scores, None) is None  # What is there twice is scored once.


@pytest.mark.parametrize(
    "change",
    [{"side": 64}, {"flip": True}, {"scales": (0.5,)}, {"activations": "dilated"}],
    ids=lambda change: next(iter(change)),
)
def test_settings_that_look_otherwise_are_apart(change):
    other = changed(MULTI_CLASS, **change)
    assert groups_of([MULTI_CLASS, other, FOREGROUND], []) == [(MULTI_CLASS, FOREGROUND), (other,)]


def test_a_crf_looks_at_a_large_photo_reduced(dataset):
    photo = dataset.split("val")[0]
    given = [MULTI_CLASS, changed(MULTI_CLASS, crf=CRF)]
    assert groups_of(given, [photo, replace(photo, width=1024)]) == [tuple(given)]
    assert groups_of(given, [photo, replace(photo, width=1025)]) == [(given[0],), (given[1],)]

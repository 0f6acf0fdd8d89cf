"""The masks that predictions are scored with."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_tf.data import check_truth, open_dataset, truth_maps, truth_pairs
from wsss_tf.errors import DataError, DataProblems


@pytest.fixture
def scored(write_folder, build):
    """A data set with the classes cat (8) and dog (12) of VOC, and the masks that are given."""

    def make(masks):
        rows = [(f"images/{name}.png", "val", "dog") for name in "abcde"]
        root = write_folder(rows, {f"masks/{name}.png": mask for name, mask in masks.items()})
        settings = build.settings(
            label_space="voc", keep=["cat", "dog"], train_split="val", eval_split="val"
        )
        return open_dataset(settings, root=root)

    return make


def ids(value: int, shape=(12, 16)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[0] = value
    return mask


def test_pairs_have_the_ids_of_the_kept_classes(scored, build):
    values = dict(zip("abcde", (0, 8, 12, 20, 255), strict=True))
    dataset = scored({name: build.label_map(ids(value)) for name, value in values.items()})
    check_truth(dataset, "val")
    pairs = list(truth_pairs(dataset, "val"))
    assert [name for name, _, _ in pairs] == list("abcde")
    # sofa (20) is not kept: neither background nor wrong, but ignored.
    assert [int(truth[0, 0]) for _, _, truth in pairs] == [0, 1, 2, 255, 255]
    for _, photo, truth in pairs:
        np.testing.assert_array_equal(photo, build.noise())
        assert truth.dtype == np.uint8
        assert truth.shape == photo.shape[:2]
        assert (truth[1:] == 0).all()


def test_the_foreground_is_every_class_kept_or_not(scored, build):
    values = dict(zip("abcde", (0, 8, 12, 20, 255), strict=True))
    dataset = scored({name: build.label_map(ids(value)) for name, value in values.items()})
    found = list(truth_maps(dataset, "val", foreground=True))
    assert [int(truth[0, 0]) for truth in found] == [0, 1, 1, 1, 255]
    for truth in found:
        assert truth.dtype == np.uint8
        assert (truth[1:] == 0).all()


def test_some_photos_of_a_split_need_no_other_masks(scored, build):
    dataset = scored({"d": build.label_map(ids(12)), "b": build.label_map(ids(20))})
    photos = [dataset.split("val")[row] for row in (3, 1)]
    check_truth(dataset, "val", photos)
    for foreground, expected in ((False, [2, 255]), (True, [1, 1])):
        found = truth_maps(dataset, "val", photos, foreground=foreground)
        assert [int(truth[0, 0]) for truth in found] == expected
    with pytest.raises(DataProblems) as caught:
        check_truth(dataset, "val")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("foreground", [False, True])
def test_an_unknown_id_is_never_foreground(scored, build, foreground):
    dataset = scored({"a": build.label_map(ids(33))})
    with pytest.raises(DataError, match="the ids 33"):
        list(truth_maps(dataset, "val", dataset.split("val")[:1], foreground=foreground))


def test_all_bad_masks_come_at_once(scored, build):
    dataset = scored(
        {
            "a": build.label_map(ids(8)),
            "b": build.label_map(ids(8, (16, 12))),
            "c": build.encoded(build.noise()),
            "d": build.label_map(ids(33)),
        }
    )
    with pytest.raises(DataProblems) as caught:
        check_truth(dataset, "val")
    b, c, d, e = caught.value.problems
    assert "b.png: must have the size of its photo as displayed, 16 x 12. Received: 12 x 16" in b
    assert "c.png" in c
    assert "RGB" in c
    assert "d.png: must hold ids of the label space and 255. Received: the ids 33" in d
    assert "e.png: does not exist. Scoring needs the mask of e.png" in e
    with pytest.raises(DataError, match=r"b\.png: must have the size"):
        list(truth_pairs(dataset, "val"))

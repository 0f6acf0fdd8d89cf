"""Label spaces: names, ids, the palette, and the errors."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from wsss_tf import labels
from wsss_tf.labels import COCO, IGNORE, SCENES, UNKNOWN, VOC, YOUTUBE_OBJECTS, LabelSpace

PETS = LabelSpace(("background", "cat", "dog"))


def test_sizes_of_the_built_in_spaces():
    assert (VOC.num_classes, VOC.num_tags) == (21, 20)
    assert (COCO.num_classes, COCO.num_tags) == (81, 80)
    assert (YOUTUBE_OBJECTS.num_classes, YOUTUBE_OBJECTS.num_tags) == (11, 10)
    assert (SCENES.num_classes, SCENES.num_tags) == (9, 8)


@pytest.mark.parametrize(
    ("space", "name", "index"),
    [
        (VOC, "background", 0),
        (VOC, "aeroplane", 1),
        (VOC, "cat", 8),
        (VOC, "tvmonitor", 20),
        (COCO, "person", 1),
        (COCO, "stop sign", 12),
        (COCO, "hair drier", 79),
        (COCO, "toothbrush", 80),
        (YOUTUBE_OBJECTS, "aeroplane", 1),
        (YOUTUBE_OBJECTS, "train", 10),
        (SCENES, "star", 8),
    ],
)
def test_published_ids(space, name, index):
    assert space.index(name) == index
    assert space.tags[index - 1] == name if index else space.names[0] == "background"


@pytest.mark.parametrize("name", ["voc", "coco", "youtube_objects", "scenes"])
def test_label_space_by_name(name):
    assert labels.label_space(name) is getattr(labels, name.upper())


def test_unknown_label_space_names_the_valid_ones():
    with pytest.raises(ValueError, match=r"'voc', 'coco'.*Received: name='pascal'"):
        labels.label_space("pascal")


def test_palette_is_the_voc_colour_map():
    palette = labels.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    known = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        8: (64, 0, 0),
        15: (192, 128, 128),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    assert {index: tuple(palette[index].tolist()) for index in known} == known
    assert len({tuple(colour) for colour in palette.tolist()}) == 256
    palette[0] = 9
    assert labels.palette()[0].tolist() == [0, 0, 0]  # A caller's change stays the caller's.


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "must start with 'background'"),
        (("cat", "background"), "must start with 'background'"),
        (("background", ""), r"names\[1\]=''"),
        (("background", " cat"), r"names\[1\]=' cat'"),
        (("background", 3), r"names\[1\]=3"),
        (("background", "cat", "dog", "cat"), r"not repeat a name. Received twice: \['cat'\]"),
        (("background", *map(str, range(254))), "at most 254 names.*255 names"),
    ],
)
def test_bad_names_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        LabelSpace(names)


def test_largest_label_space_leaves_the_reserved_ids_free():
    largest = LabelSpace(("background", *map(str, range(253))))
    assert largest.num_classes == UNKNOWN
    assert largest.ids_from(largest)[253] == 253


def test_label_space_is_a_frozen_value():
    assert LabelSpace(["background", "cat", "dog"]) == PETS
    assert hash(pickle.loads(pickle.dumps(PETS))) == hash(PETS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PETS.names = ()


@pytest.mark.parametrize(
    ("name", "near"), [("airplane", "aeroplane"), ("Dog", "dog"), ("tv-monitor", "tvmonitor")]
)
def test_nearest_name(name, near):
    assert VOC.nearest(name) == near
    with pytest.raises(ValueError, match=f"name='{name}'. Did you mean '{near}'"):
        VOC.index(name)


def test_name_near_nothing_lists_the_classes():
    assert PETS.nearest("xylophone") is None
    with pytest.raises(ValueError, match="has: background, cat, dog"):
        PETS.index("xylophone")
    with pytest.raises(ValueError, match="has: 81 names"):
        COCO.index("qqq")


def test_tag_vector_has_no_background_column():
    vector = PETS.tag_vector(["dog", "dog"])
    assert vector.dtype == np.float32
    assert vector.tolist() == [0.0, 1.0]
    assert PETS.tag_vector([]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["dgo"], "name='dgo'. Did you mean 'dog'"),
        (["background"], "Received: 'background'. Drop it"),
        ("dog", "must be a list of names. Received: names='dog'"),
    ],
)
def test_bad_tags_are_refused(tags, message):
    with pytest.raises(ValueError, match=message):
        PETS.tag_vector(tags)


def test_keep_keeps_its_own_order():
    expected = ("background", "cat", "dog", "sheep")
    assert VOC.keep(["sheep", "dog", "cat", "dog"]).names == expected
    assert VOC.keep(["background", "sheep", "cat", "dog"]).names == expected


def test_keep_refuses_unknown_and_empty():
    with pytest.raises(ValueError, match="name='shep'. Did you mean 'sheep'"):
        VOC.keep(["cat", "shep"])
    with pytest.raises(ValueError, match="at least one foreground class"):
        VOC.keep(["background"])


def test_ids_from_maps_every_id_of_a_mask():
    kept = VOC.keep(["dog", "cat"])
    mask = np.array([[0, 8, 12], [15, 255, 21]], np.uint8)
    converted = kept.ids_from(VOC)[mask]
    assert converted.dtype == np.uint8
    assert converted.tolist() == [[0, 1, 2], [IGNORE, IGNORE, UNKNOWN]]


def test_ids_from_itself_is_the_identity():
    table = COCO.ids_from(COCO)
    assert table[:81].tolist() == list(range(81))
    assert set(table[81:255].tolist()) == {UNKNOWN}
    assert table[255] == IGNORE


def test_ids_from_refuses_a_space_without_the_class():
    with pytest.raises(ValueError, match="name='aeroplane'. Did you mean 'airplane'"):
        VOC.ids_from(COCO)


def test_from_tags_sorts_and_drops_repeats():
    assert labels.from_tags(["dog", "cat", "dog"]).names == ("background", "cat", "dog")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([], "at least one tag"),
        (["background", "cat"], "must not have 'background'"),
        ([""], r"names\[1\]=''"),
        ("cat", "must be a list of names"),
    ],
)
def test_from_tags_refuses(tags, message):
    with pytest.raises(ValueError, match=message):
        labels.from_tags(tags)

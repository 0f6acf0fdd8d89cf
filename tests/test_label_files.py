"""The data files of label spaces against the definitions of others, written out here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from wsss_tf import labels
from wsss_tf.data.scene_canvas import random_light
from wsss_tf.data.scene_objects import draw_object
from wsss_tf.nets.fully_connected import voc_synsets

# PASCAL VOC 2012 development kit, VOCcode/VOCinit.m: VOCopts.classes.
VOCINIT = """
    'aeroplane' 'bicycle' 'bird' 'boat' 'bottle' 'bus' 'car' 'cat' 'chair' 'cow' 'diningtable' 'dog'
    'horse' 'motorbike' 'person' 'pottedplant' 'sheep' 'sofa' 'train' 'tvmonitor'
"""

# The categories of COCO's instances_*.json, 2014 and 2017: id and name.
COCO_CATEGORIES = """
    1 person, 2 bicycle, 3 car, 4 motorcycle, 5 airplane, 6 bus, 7 train, 8 truck, 9 boat,
    10 traffic light, 11 fire hydrant, 13 stop sign, 14 parking meter, 15 bench, 16 bird, 17 cat,
    18 dog, 19 horse, 20 sheep, 21 cow, 22 elephant, 23 bear, 24 zebra, 25 giraffe, 27 backpack,
    28 umbrella, 31 handbag, 32 tie, 33 suitcase, 34 frisbee, 35 skis, 36 snowboard,
    37 sports ball, 38 kite, 39 baseball bat, 40 baseball glove, 41 skateboard, 42 surfboard,
    43 tennis racket, 44 bottle, 46 wine glass, 47 cup, 48 fork, 49 knife, 50 spoon, 51 bowl,
    52 banana, 53 apple, 54 sandwich, 55 orange, 56 broccoli, 57 carrot, 58 hot dog, 59 pizza,
    60 donut, 61 cake, 62 chair, 63 couch, 64 potted plant, 65 bed, 67 dining table, 70 toilet,
    72 tv, 73 laptop, 74 mouse, 75 remote, 76 keyboard, 77 cell phone, 78 microwave, 79 oven,
    80 toaster, 81 sink, 82 refrigerator, 84 book, 85 clock, 86 vase, 87 scissors, 88 teddy bear,
    89 hair drier, 90 toothbrush
"""
# The gaps: categories of a list of 91 that no instance has.
COCO_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}

# The folders of YouTube-Objects (Prest et al. 2012).
YOUTUBE_OBJECTS = "aeroplane bird boat car cat cow dog horse motorbike train"

# ILSVRC-2012 in the order of classifiers: the WordNet ids of its list, torchvision's names.
SYNSETS = Path(__file__).with_name("ilsvrc2012_synsets.txt")


def test_voc_is_that_of_the_development_kit():
    names = re.findall(r"'(\w+)'", VOCINIT)
    assert len(names) == 20
    assert labels.VOC.names == ("background", *names)


def test_coco_is_that_of_the_annotation_files():
    pairs = [one.strip().split(" ", 1) for one in COCO_CATEGORIES.split(",")]
    categories = {int(number): name for number, name in pairs}
    assert set(categories) == set(range(1, 91)) - COCO_GAPS
    assert len(categories) == 80
    assert labels.coco_categories() == categories
    assert labels.COCO.names == ("background", *categories.values())


def test_coco_has_the_classes_of_the_papers_table():
    text = resources.files("wsss_tf.reports").joinpath("published.json").read_text("utf-8")
    table = json.loads(text)["coco"]["columns"][0]["iou"]
    assert list(table) == list(labels.COCO.names)


def test_youtube_objects_are_its_folders_under_vocs_names():
    names = YOUTUBE_OBJECTS.split()
    assert len(names) == 10
    assert labels.YOUTUBE_OBJECTS.names == ("background", *names)
    assert labels.VOC.keep(names) == labels.YOUTUBE_OBJECTS


def test_every_class_of_scenes_can_be_drawn_and_no_other():
    assert labels.SCENES.num_classes == 9
    rng = np.random.default_rng(0)
    for name in labels.SCENES.tags:
        draw_object(name, rng, pixels=32, light=random_light(rng))
    with pytest.raises(KeyError):
        draw_object("background", rng, pixels=32, light=random_light(rng))


def test_ilsvrc_rows_are_those_of_its_list():
    rows = [line.split(" ", 1) for line in SYNSETS.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1000
    ids = [row[0] for row in rows]
    assert ids == sorted(set(ids))
    rows[134][1] = "crane"  # A bird; torchvision calls it so, as 517 is a crane too.
    found = [synset for group in voc_synsets().values() for synset in group]
    assert len(found) == 241
    for synset in found:
        assert [synset.wordnet_id, synset.name] == rows[synset.row]


@pytest.mark.parametrize("name", ["voc", "coco", "youtube_objects", "scenes"])
def test_a_file_says_where_its_names_are_from(name):
    text = resources.files("wsss_tf.labels").joinpath(f"{name}.json").read_text("utf-8")
    content = json.loads(text)
    assert set(content) - {"category_ids"} == {"source", "names"}
    assert content["source"]
    assert labels.label_space(name).names == tuple(content["names"])
    assert labels.label_space(name) is getattr(labels, name.upper())


def test_no_file_is_read_before_a_label_space_is_asked_for():
    source = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) "
        "if event == 'open' else None)\n"
        "import wsss_tf.cli.main, wsss_tf.config, wsss_tf.labels as labels\n"
        "before = [path for path in opened if path.endswith('.json')]\n"
        "labels.VOC, labels.VOC, labels.label_space('voc')\n"
        "after = [path for path in opened if path.endswith('.json')]\n"
        "print(len(before), [path.split('/')[-1] for path in after])\n"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 ['voc.json']\n", "")


@pytest.mark.parametrize("name", ["voc", "Voc", "PASCAL", "__path2__"])
def test_the_module_has_no_other_names(name):
    with pytest.raises(AttributeError, match=name):
        getattr(labels, name)

"""The scene generator: same bits from a seed, tags that agree with the masks, varied scenes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from wsss_tf.data.scene_backgrounds import GROUNDS
from wsss_tf.data.scene_canvas import random_light
from wsss_tf.data.scene_objects import OBJECTS, draw_object
from wsss_tf.data.scenes import render_clutter, render_object, render_scene
from wsss_tf.labels import SCENES

SIZE = 48


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(0, index, size=SIZE) for index in range(120)]


def test_same_bits_in_another_process(scenes):
    script = (
        "import hashlib, sys; from wsss_tf.data.scenes import render_scene; "
        f"s = render_scene(0, 7, size={SIZE}); "
        "print(hashlib.sha256(s.photo.tobytes() + s.labels.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    here = hashlib.sha256(scenes[7].photo.tobytes() + scenes[7].labels.tobytes()).hexdigest()
    assert other.stdout.strip() == here, other.stderr


def test_scenes_do_not_depend_on_what_was_drawn_before(scenes):
    again = render_scene(0, 3, size=SIZE)
    np.testing.assert_array_equal(again.photo, scenes[3].photo)
    np.testing.assert_array_equal(again.labels, scenes[3].labels)


def test_seed_and_index_give_other_scenes(scenes):
    digests = {scene.photo.tobytes() for scene in scenes}
    assert len(digests) == len(scenes)
    assert render_scene(1, 0, size=SIZE).photo.tobytes() not in digests


def test_tags_are_the_classes_in_the_mask(scenes):
    for scene in scenes:
        ids = [label for label in np.unique(scene.labels) if label]
        assert scene.tags == tuple(SCENES.names[label] for label in ids)
        assert 1 <= len(scene.tags) <= 3
        assert scene.photo.shape == (SIZE, SIZE, 3)
        assert scene.photo.dtype == scene.labels.dtype == np.uint8


def test_every_class_stays_in_sight(scenes):
    for scene in scenes:
        counts = np.bincount(scene.labels.ravel())
        assert counts[counts > 0].min() >= 0.02 * SIZE**2


def test_every_class_and_number_of_tags_is_frequent(scenes):
    names = Counter(name for scene in scenes for name in scene.tags)
    assert set(names) == set(SCENES.tags) == set(OBJECTS)
    assert min(names.values()) > 15
    assert min(Counter(len(scene.tags) for scene in scenes).values()) > 20


def test_objects_occlude_one_another():
    """In some scenes two classes touch along a longer border than objects side by side would."""
    touching = 0
    for index in range(30):
        labels = render_scene(2, index, size=SIZE).labels.astype(int)
        right, left = labels[:, 1:], labels[:, :-1]
        touching += int(((right != left) & (right > 0) & (left > 0)).sum() > 5)
    assert touching >= 5


def test_photo_shows_the_object_where_the_mask_is():
    """The colour steps at the border of the mask, and nowhere else as often."""
    at_border, elsewhere = [], []
    for index in range(40):
        scene = render_scene(3, index, size=96)
        step = np.abs(np.diff(scene.photo.astype(int), axis=1)).max(-1)
        border = np.diff(scene.labels.astype(int), axis=1) != 0
        at_border.append(step[border].mean())
        elsewhere.append(step[~border].mean())
    assert np.mean(at_border) > 2 * np.mean(elsewhere)


@pytest.mark.parametrize("name", OBJECTS)
def test_object_is_whole_and_antialiased(name, random_generator):
    light = random_light(random_generator)
    colour, alpha = draw_object(name, random_generator, pixels=40, light=light)
    assert colour.shape == (3, 40, 40)
    assert alpha.shape == (40, 40)
    assert colour.dtype == alpha.dtype == np.float32
    assert 0.15 < alpha.mean() < 0.9
    assert ((alpha > 0) & (alpha < 1)).any()
    assert (colour <= alpha + 1e-6).all()
    assert alpha[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0


def test_shape_not_colour_makes_the_class():
    """A class comes in all hues: the mean colours of two classes differ less than their spread."""
    rng = np.random.default_rng(4)
    means = {}
    for name in ("cactus", "fish"):
        drawn = [draw_object(name, rng, pixels=24, light=random_light(rng)) for _ in range(40)]
        means[name] = np.array([c.sum((1, 2)) / a.sum() for c, a in drawn])
    between = np.abs(means["cactus"].mean(0) - means["fish"].mean(0))
    assert (between < means["cactus"].std(0)).all()


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("size", [32, 41])
def test_ground_is_an_image_with_texture(ground, size, random_generator):
    image = GROUNDS[ground](random_generator, size)
    assert image.shape == (3, size, size)
    assert np.isfinite(image).all()
    assert image.std() > 0.01


def test_grounds_differ():
    means = [render_clutter(0, index, size=32).mean((0, 1)) for index in range(40)]
    assert np.std(means, axis=0).min() > 20


def test_single_objects_cover_all_classes():
    drawn = [render_object(0, index, size=40) for index in range(80)]
    assert {name for _, name in drawn} == set(SCENES.tags)
    photo, name = render_object(0, 5, size=40)
    np.testing.assert_array_equal(photo, drawn[5][0])
    assert name == drawn[5][1]


@pytest.mark.parametrize("render", [render_scene, render_object, render_clutter])
@pytest.mark.parametrize(
    ("seed", "index", "size", "message"),
    [(-1, 0, 64, "0 or more"), (0, -1, 64, "0 or more"), (0, 0, 8, "at least 32")],
)
def test_arguments_out_of_range_are_refused(render, seed, index, size, message):
    with pytest.raises(ValueError, match=message):
        render(seed, index, size=size)

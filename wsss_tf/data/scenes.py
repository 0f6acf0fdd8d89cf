"""Generated scenes: photos of textured objects that hide one another, with exact masks.

A scene is a pure function of (seed, index). `render_scene` makes photos to segment, `render_object`
photos of one large object, as ImageNet has them, on which the compact backbone is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from wsss_tf.data.scene_backgrounds import random_ground
from wsss_tf.data.scene_canvas import random_light
from wsss_tf.data.scene_clutter import add_clutter
from wsss_tf.data.scene_objects import draw_object
from wsss_tf.labels import label_space

MIN_SIZE = 32
_SCENE_STREAM, _OBJECT_STREAM, _CLUTTER_STREAM = 0, 1, 2
# Shares of the photo and of the object itself that stay in sight, whatever comes to lie in front.
_VISIBLE_OF_PHOTO, _VISIBLE_OF_OBJECT = 0.02, 0.4
_OBJECTS_IN_SCENE = ((1, 2, 3, 4), (0.3, 0.35, 0.25, 0.1))
_MAX_TAGS = 3


@dataclass(frozen=True)
class Scene:
    """One photo with its exact truth.

    Attributes:
        photo: uint8 [s, s, 3] RGB.
        labels: uint8 [s, s], ids of `labels.SCENES`.
        tags: the foreground classes that are in `labels`, in the order of their ids; 1 to 3.
    """

    photo: np.ndarray
    labels: np.ndarray
    tags: tuple[str, ...]


def render_scene(seed: int, index: int, *, size: int) -> Scene:
    """Renders scene `index` of the series `seed`, the same bits every time.

    Args:
        seed, index: 0 or more; every pair is another scene.
        size: side of the square photo in pixels, at least 32. Objects are 0.32 to 0.64 of it.

    Raises:
        ValueError: one of the three is out of range.
    """
    rng = _generator(seed, index, size, _SCENE_STREAM)
    light = random_light(rng)
    image = add_clutter(rng, random_ground(rng, size))
    labels = np.zeros((size, size), np.uint8)
    kinds = rng.choice(label_space("scenes").num_tags, size=_MAX_TAGS, replace=False) + 1
    count = rng.choice(_OBJECTS_IN_SCENE[0], p=_OBJECTS_IN_SCENE[1])
    parts = np.zeros((size, size), np.uint8)
    areas: list[int] = []
    for number in range(count):
        # A fourth object is a second one of a class that is there already.
        label = kinds[number % _MAX_TAGS]
        pixels = round(size * rng.uniform(0.32, 0.64))
        drawn = draw_object(label_space("scenes").names[label], rng, pixels=pixels, light=light)
        corner = _find_place(rng, drawn[1] >= 0.5, parts, areas)
        if corner is None:
            continue
        colour, alpha = (_on_photo(patch, corner, size) for patch in drawn)
        image = _lay(image, colour, alpha, light)
        inside = alpha >= 0.5
        areas.append(int(inside.sum()))
        parts[inside] = len(areas)
        labels[inside] = label
    tags = tuple(label_space("scenes").names[label] for label in np.unique(labels) if label)
    return Scene(_photograph(rng, image, light), labels, tags)


def render_object(seed: int, index: int, *, size: int) -> tuple[np.ndarray, str]:
    """Renders one large object on clutter, the same bits every time.

    Args:
        seed, index, size: as in `render_scene`; the photos are others than its.

    Returns:
        uint8 [size, size, 3] RGB, and the object's class; classes are equally frequent.
    """
    rng = _generator(seed, index, size, _OBJECT_STREAM)
    light = random_light(rng)
    image = add_clutter(rng, random_ground(rng, size))
    name = label_space("scenes").names[1 + rng.integers(label_space("scenes").num_tags)]
    pixels = round(size * rng.uniform(0.3, 0.75))
    drawn = draw_object(name, rng, pixels=pixels, light=light)
    y, x = rng.uniform(-0.08, 1.08, 2) * (size - pixels)
    colour, alpha = (_on_photo(patch, (round(y), round(x)), size) for patch in drawn)
    return _photograph(rng, _lay(image, colour, alpha, light), light), name


def render_clutter(seed: int, index: int, *, size: int) -> np.ndarray:
    """Renders a ground and clutter without any object: uint8 [size, size, 3] RGB."""
    rng = _generator(seed, index, size, _CLUTTER_STREAM)
    light = random_light(rng)
    return _photograph(rng, add_clutter(rng, random_ground(rng, size)), light)


def _generator(seed, index, size, stream):
    if seed < 0 or index < 0:
        raise ValueError(
            f"`seed` and `index` must be 0 or more. Received: seed={seed}, index={index}."
        )
    if size < MIN_SIZE:
        raise ValueError(
            f"`size` must be at least {MIN_SIZE} pixels. Received: size={size}. "
            "Objects are not recognisable in smaller photos."
        )
    return np.random.default_rng([seed, stream, index])


def _find_place(rng, shape, parts, areas):
    """Draws a place for a new object in front that leaves every earlier one in sight, or None."""
    size, pixels = parts.shape[0], shape.shape[0]
    for _ in range(12):
        y, x = (round(start) for start in rng.uniform(-0.15, 1.15, 2) * (size - pixels))
        inside = _on_photo(shape, (y, x), size)
        left = np.bincount(parts[~inside], minlength=len(areas) + 1)[1:]
        needed = np.maximum(_VISIBLE_OF_PHOTO * size**2, _VISIBLE_OF_OBJECT * np.array(areas))
        if inside.sum() >= _VISIBLE_OF_PHOTO * size**2 and (left >= needed).all():
            return y, x
    # A scene has one object at least: the first one is always in sight in the middle.
    return None if areas else ((size - pixels) // 2,) * 2


def _on_photo(patch, corner, size):
    """Puts a patch [..., p, p] on an empty photo [..., size, size]; what lies outside is cut."""
    full = np.zeros((*patch.shape[:-2], size, size), patch.dtype)
    source, target = [], []
    for start in corner:
        first, end = max(start, 0), min(start + patch.shape[-1], size)
        target.append(slice(first, end))
        source.append(slice(first - start, end - start))
    full[..., target[0], target[1]] = patch[..., source[0], source[1]]
    return full


def _lay(image, colour, alpha, light):
    """Lays an object on the photo: first its soft shadow, away from the light, then itself."""
    size = image.shape[-1]
    reach = round(0.1 * size)
    padded = Image.fromarray((np.pad(alpha, reach, mode="edge") * 255).astype(np.uint8))
    shadow = np.asarray(padded.filter(ImageFilter.GaussianBlur(0.025 * size)), np.float32)
    x, y = (reach + round(0.07 * size * axis) for axis in light.direction[:2])
    shadow = shadow[y : y + size, x : x + size] * np.float32(0.5 / 255)
    return image * (1 - shadow) * (1 - alpha) + colour


def _photograph(rng, image, light):
    """Adds what a camera adds: uneven light, a tint, grain; uint8 [s, s, 3]."""
    axis = np.linspace(-1, 1, image.shape[-1], dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    fall = 1 + 0.12 * (x * light.direction[0] + y * light.direction[1]) - 0.05 * (x * x + y * y)
    image = image * (light.tint * rng.uniform(0.95, 1.15)) * fall
    grain = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0.008, 0.03))
    photo = (np.clip(image + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(photo.transpose(1, 2, 0))

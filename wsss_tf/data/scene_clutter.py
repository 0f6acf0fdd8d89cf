"""Distractors strewn over a ground: leaves, pebbles, twigs, soft blobs. All of it is background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from wsss_tf.data.scene_backgrounds import from_image, to_image
from wsss_tf.data.scene_canvas import SUPERSAMPLE, blend, hsv


def add_clutter(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """Strews a random amount of clutter: float32 [3, s, s] in 0..1 -> the same."""
    size = ground.shape[-1]
    image = to_image(ground)
    if rng.random() < 0.5:
        _blobs(image, rng, size)
        image = image.filter(ImageFilter.GaussianBlur(size * 0.012))
    fine = image.resize((size * SUPERSAMPLE,) * 2, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(fine, "RGBA")
    mean = ground.mean((1, 2), keepdims=True)
    for kind in rng.choice(len(_KINDS), size=2, replace=False):
        for _ in range(int(rng.integers(0, 9))):
            colour = hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.95))
            # Mixed with the ground's own colour, as dust and light do outdoors.
            colour = blend(colour, mean, rng.uniform(0.2, 0.7))
            place = rng.uniform(0, fine.width, 2)
            _KINDS[kind](draw, rng, place, fine.width, colour)
    return from_image(fine.reduce(SUPERSAMPLE))


def _fill(colour, alpha=255):
    return (*(np.clip(colour, 0, 1) * 255).astype(int).ravel().tolist(), int(alpha))


def _points(place, along, across, turn):
    cos, sin = np.cos(turn), np.sin(turn)
    x = place[0] + along * cos - across * sin
    y = place[1] + along * sin + across * cos
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _leaf(draw, rng, place, side, colour):
    length, turn = side * rng.uniform(0.03, 0.07), rng.uniform(0, 2 * np.pi)
    t = np.linspace(0, np.pi, 9)
    half = np.sin(t) ** 1.3 * length * rng.uniform(0.3, 0.5)
    along = -np.cos(t) * length
    outline = (np.concatenate([along, along[::-1]]), np.concatenate([half, -half[::-1]]))
    draw.polygon(_points(place + side * 0.008, *outline, turn), fill=(0, 0, 0, 70))
    draw.polygon(_points(place, *outline, turn), fill=_fill(colour))
    draw.line(_points(place, along, 0 * along, turn), fill=_fill(colour * 0.6), width=2)
    for start in (-0.4, 0.0, 0.4):
        for side_of in (-1, 1):
            vein = (np.array([start, start + 0.3]) * length, np.array([0, side_of * 0.28]) * length)
            draw.line(_points(place, *vein, turn), fill=_fill(colour * 0.75), width=1)


def _pebble(draw, rng, place, side, colour):
    radius = side * rng.uniform(0.015, 0.045)
    t = np.linspace(0, 2 * np.pi, 14)[:-1]
    wobble = 1 + 0.15 * np.sin(2 * t + rng.uniform(0, 6)) + 0.08 * np.sin(3 * t + rng.uniform(0, 6))
    along, across = np.cos(t) * wobble * radius, np.sin(t) * wobble * radius * 0.75
    draw.polygon(_points(place + radius * 0.3, along, across, 0), fill=(0, 0, 0, 70))
    for shrink, light in ((1.0, 0.6), (0.85, 0.8), (0.6, 0.95), (0.3, 1.1)):
        centre = place - radius * 0.35 * (1 - shrink)
        draw.polygon(
            _points(centre, along * shrink, across * shrink, 0), fill=_fill(colour * light)
        )


def _twig(draw, rng, place, side, colour):
    t = np.linspace(-1, 1, 12)
    length, bend = side * rng.uniform(0.06, 0.2), side * rng.uniform(-0.05, 0.05)
    points = _points(place, t * length, bend * (1 - t * t), rng.uniform(0, np.pi))
    width = max(1, int(side * rng.uniform(0.003, 0.012)))
    draw.line(
        [(x + width, y + width) for x, y in points], fill=(0, 0, 0, 60), width=width, joint="curve"
    )
    draw.line(points, fill=_fill(colour * 0.7), width=width, joint="curve")


def _blob(draw, rng, place, side, colour):
    radius = side * rng.uniform(0.02, 0.08)
    for step in range(6):
        reach = radius * (1 - step / 6)
        edge = (*(place - reach).tolist(), *(place + reach).tolist())
        draw.ellipse(edge, fill=_fill(colour, 38))


def _blobs(image, rng, size):
    """Large things far out of focus."""
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(0, size, 2)
        a, b = size * rng.uniform(0.06, 0.2, 2)
        colour = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.9))
        draw.ellipse((x - a, y - b, x + a, y + b), fill=_fill(colour, rng.integers(30, 110)))


_KINDS = (_leaf, _pebble, _twig, _blob)

"""Textured grounds and clutter of the scenes: all of it is background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from wsss_tf.data.scene_canvas import blend, colour, hsv


def noise(
    rng: np.random.Generator, size: int, cells, *, octaves: int = 3, persistence: float = 0.5
):
    """Smooth noise of several octaves, float32 [size, size], about -1..1.

    Args:
        cells: grid cells across the image in the first octave, one number or (down, across).
        octaves: each next one has twice the cells, up to one a pixel.
        persistence: strength of an octave relative to the one before.
    """
    down, across = cells if isinstance(cells, tuple) else (cells, cells)
    total, strength, power = np.zeros((size, size), np.float32), 1.0, 0.0
    for octave in range(octaves):
        shape = [min(int(n * 2**octave) + 2, size + 2) for n in (down, across)]
        grid = Image.fromarray(rng.uniform(-1, 1, shape).astype(np.float32))
        edge = (1.0, 1.0, shape[1] - 1.0, shape[0] - 1.0)
        total += strength * np.asarray(
            grid.resize((size, size), Image.Resampling.BICUBIC, box=edge)
        )
        power += strength**2
        strength *= persistence
    return total * np.float32(1.6 / np.sqrt(power))


def to_image(ground: np.ndarray) -> Image.Image:
    """float32 [3, h, w] in 0..1 -> a Pillow RGB image; values beyond are clipped."""
    return Image.fromarray((np.clip(ground, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))


def from_image(image: Image.Image) -> np.ndarray:
    """A Pillow RGB image -> float32 [3, h, w] in 0..1."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), np.float32) / 255


def random_ground(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draws one textured ground, or two that meet at a horizon: float32 [3, size, size] in 0..1."""
    if rng.random() < 0.5:
        return np.clip(GROUNDS[rng.choice(list(GROUNDS))](rng, size), 0, 1)
    far = GROUNDS[rng.choice(["sky", "hills", "bokeh", "wall"])](rng, size)
    near = GROUNDS[rng.choice(["grass", "sea", "sand", "wood", "stone", "snow", "weave"])](
        rng, size
    )
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    line = rng.uniform(0.3, 0.65) + 0.03 * noise(rng, size, (1, 4))[:1]
    # Darker towards the viewer: a cheap depth cue that makes the two planes one place.
    near = near * (1.1 - 0.25 * rows)
    weight = np.clip((rows - line) * size * 0.7 + 0.5, 0, 1)
    return np.clip(blend(far, near, weight), 0, 1)


def _ramp(size):
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / np.float32(size)
    return rows, columns


def _sky(rng, size):
    rows, _ = _ramp(size)
    hue = float(rng.choice([0.57, 0.6, 0.04, 0.75, 0.52]))
    top = hsv(hue + rng.uniform(-0.03, 0.03), rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.95))
    low = hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.1, 0.35), rng.uniform(0.8, 1.0))
    clouds = np.clip(noise(rng, size, (4, 2), octaves=4) * 1.3 - rng.uniform(-0.2, 0.6), 0, 1)
    return blend(blend(top, low, rows), colour(0.97, 0.96, 0.95), 0.8 * clouds)


def _hills(rng, size):
    rows, _ = _ramp(size)
    image = _sky(rng, size)
    hue = rng.uniform(0.2, 0.65)
    for depth in range(3):
        ridge = 0.2 + 0.13 * depth + 0.1 * noise(rng, size, (1, 3 + depth), octaves=3)[:1]
        wooded = hsv(hue, 0.2 + 0.12 * depth, 0.75 - 0.14 * depth)
        grain = 1 + 0.08 * noise(rng, size, size // 4, octaves=1)
        image = blend(image, wooded * grain, np.clip((rows - ridge) * size * 0.5 + 0.5, 0, 1))
    return image


def _grass(rng, size):
    hue = rng.uniform(0.14, 0.36)
    blades = noise(rng, size, (size / 6, size / 2), octaves=1)
    patches = noise(rng, size, 4)
    tone = np.clip(0.5 + 0.25 * patches + 0.28 * blades, 0, 1)
    bright = hsv(hue - 0.02, rng.uniform(0.4, 0.7), rng.uniform(0.6, 0.85))
    return blend(hsv(hue, 0.65, 0.25), bright, tone)


def _sea(rng, size):
    rows, columns = _ramp(size)
    hue = rng.uniform(0.46, 0.64)
    swell = noise(rng, size, (10, 3), octaves=3, persistence=0.6)
    wave = np.sin((rows**0.7 * rng.uniform(70, 110)) + 2.5 * swell + columns * rng.uniform(-4, 4))
    deep, light = hsv(hue, 0.7, 0.4), hsv(hue - 0.04, 0.4, 0.8)
    image = blend(deep, light, 0.45 + 0.22 * wave + 0.2 * swell)
    return blend(image, colour(1, 1, 1), 0.7 * np.clip(wave * 0.6 + swell - 0.9, 0, 1))


def _sand(rng, size):
    rows, columns = _ramp(size)
    warp = noise(rng, size, 3)
    turn = rng.uniform(-0.6, 0.6)
    ripple = np.sin((rows + turn * columns) * rng.uniform(40, 80) + 3 * warp)
    grain = noise(rng, size, size, octaves=1)
    base = hsv(rng.uniform(0.05, 0.13), rng.uniform(0.2, 0.5), rng.uniform(0.65, 0.9))
    return base * (0.95 + 0.07 * ripple + 0.06 * warp + 0.05 * grain)


def _wood(rng, size):
    rows, columns = _ramp(size)
    if rng.random() < 0.5:
        rows, columns = columns, rows
    count = int(rng.integers(3, 7))
    plank = np.floor(columns * count).astype(int)
    shade, shift = rng.uniform(0.8, 1.1, count + 1), rng.uniform(0, 9, count + 1)
    warp = noise(rng, size, (3, 2))
    rings = np.sin((columns * 2 + shift[plank].astype(np.float32)) * 22 + 3.5 * warp + rows * 3)
    base = hsv(rng.uniform(0.03, 0.1), rng.uniform(0.3, 0.65), rng.uniform(0.45, 0.8))
    gap = np.abs((columns * count) % 1.0 - 0.5) > 0.47
    tone = shade[plank].astype(np.float32) * (
        1 + 0.12 * rings + 0.05 * noise(rng, size, size // 2, octaves=1)
    )
    return base * (tone * (1 - 0.5 * gap)).astype(np.float32)


def _stone(rng, size):
    """Paving: the cell of the nearest of some jittered grid points, dark where two are as near."""
    count = int(rng.integers(4, 7))
    rows, columns = _ramp(size)
    centres = np.stack(list(np.mgrid[-1 : count + 1, -1 : count + 1]), -1).reshape(-1, 2)
    centres = (centres + 0.5 + rng.uniform(-0.35, 0.35, centres.shape)) / count
    shades = rng.uniform(0.75, 1.1, len(centres))
    first, second = np.full((2, size, size), 4, np.float32)
    tone = np.zeros((size, size), np.float32)
    for (y, x), shade in zip(centres.tolist(), shades.tolist(), strict=True):
        distance = (rows - y) ** 2 + (columns - x) ** 2
        np.copyto(tone, np.float32(shade), where=distance < first)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    joint = np.clip((np.sqrt(second) - np.sqrt(first)) * count * 6, 0.45, 1)
    base = hsv(rng.random(), rng.uniform(0.03, 0.2), rng.uniform(0.5, 0.75))
    return base * (tone + 0.1 * noise(rng, size, 12)) * joint


def _weave(rng, size):
    rows, columns = _ramp(size)
    count = rng.uniform(6, 14)
    hue = rng.random()
    first = hsv(hue, rng.uniform(0.15, 0.5), rng.uniform(0.4, 0.85))
    second = hsv(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.15, 0.5), rng.uniform(0.5, 0.9))
    turn = rng.uniform(0, np.pi)
    along = (rows * np.cos(turn) + columns * np.sin(turn)) * count
    across = (columns * np.cos(turn) - rows * np.sin(turn)) * count
    check = 0.5 * ((along % 1 < 0.5).astype(np.float32) + (across % 1 < 0.5))
    thread = 1 + 0.08 * np.sin((rows + columns) * size * 1.6) + 0.06 * noise(rng, size, 4)
    return blend(first, second, check) * thread


def _snow(rng, size):
    drift = noise(rng, size, (4, 2), octaves=4)
    tint = hsv(float(rng.choice([0.6, 0.9, 0.08])), rng.uniform(0.05, 0.2), 0.92)
    grain = noise(rng, size, size, octaves=1)
    return tint * (0.93 + 0.1 * drift + 0.04 * grain)


def _bokeh(rng, size):
    """City lights out of focus."""
    hue = rng.random()
    base = blend(hsv(hue, 0.5, 0.15), hsv(hue + 0.1, 0.4, 0.4), 0.5 + 0.4 * noise(rng, size, 2))
    layer = to_image(base)
    draw = ImageDraw.Draw(layer, "RGBA")
    for _ in range(int(rng.integers(12, 30))):
        x, y, radius = rng.uniform(0, size, 2).tolist() + [size * rng.uniform(0.015, 0.07)]
        lamp = hsv(rng.random(), rng.uniform(0.2, 0.8), 1.0).ravel() * 255
        fill = (*lamp.astype(int).tolist(), int(rng.integers(40, 120)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    layer = layer.filter(ImageFilter.GaussianBlur(size * 0.012))
    return from_image(layer)


def _wall(rng, size):
    """Old plaster: stains of several scales, a few courses of bricks showing through."""
    rows, columns = _ramp(size)
    stain = noise(rng, size, 3, octaves=5, persistence=0.65)
    base = hsv(rng.random(), rng.uniform(0.05, 0.4), rng.uniform(0.55, 0.9))
    count = rng.uniform(9, 15)
    course = np.floor(rows * count)
    joint = (np.abs(rows * count % 1 - 0.5) > 0.4) | (
        np.abs((columns * count / 2.2 + 0.5 * (course % 2)) % 1 - 0.5) > 0.46
    )
    bricks = hsv(0.03, 0.5, 0.6) * np.where(joint, 0.7, 1.0)
    bare = np.clip(stain * 3 - rng.uniform(1.5, 4), 0, 1)
    return blend(base * (1 + 0.12 * stain), bricks, bare)


GROUNDS = {
    "sky": _sky,
    "hills": _hills,
    "grass": _grass,
    "sea": _sea,
    "sand": _sand,
    "wood": _wood,
    "stone": _stone,
    "weave": _weave,
    "snow": _snow,
    "bokeh": _bokeh,
    "wall": _wall,
}

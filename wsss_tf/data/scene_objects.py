"""The eight kinds of object in the scenes.

Shape, texture and relief tell them apart; colours are drawn alike for all.
"""

from __future__ import annotations

import math

import numpy as np

from wsss_tf.data.scene_canvas import (
    Canvas,
    Light,
    blend,
    box,
    capsule,
    circle,
    colour,
    convex,
    ellipse,
    hsv,
)

WHITE = colour(0.96, 0.95, 0.92)
PANE = colour(0.35, 0.5, 0.62)
DARK = colour(0.10, 0.09, 0.11)


def draw_object(name: str, rng: np.random.Generator, *, pixels: int, light: Light):
    """Draws one object at a random turn.

    Args:
        name: one of `OBJECTS`.
        rng: drawn from for colours, proportions and turn.
        pixels: side of the result, the object's diameter.
        light: the scene's light.

    Returns:
        Alpha times colour float32 [3, pixels, pixels], and alpha float32 [pixels, pixels].
    """
    draw, turn = OBJECTS[name]
    canvas = Canvas(
        pixels,
        angle=rng.uniform(-turn, turn),
        mirror=rng.random() < 0.5,
        aspect=rng.uniform(0.9, 1.1),
    )
    draw(canvas, rng, *_colours(rng))
    return canvas.finish(light, gloss=rng.uniform(0.05, 0.35))


def _colours(rng):
    """A main colour, a light or contrasting second, an accent."""
    hue = rng.random()
    main = hsv(hue, rng.uniform(0.4, 0.95), rng.uniform(0.55, 0.95))
    second = hsv(hue + rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.0))
    if rng.random() < 0.5:
        second = blend(second, WHITE, 0.75)
    accent = hsv(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.6, 1.0))
    return main, second, accent


def _ball(canvas, rng, main, second, accent):
    """A beach ball: sectors around a tilted pole, with a cap."""
    u, v = canvas.u / 0.96, canvas.v / 0.96
    z = np.sqrt(np.maximum(1.0 - u * u - v * v, 0.0))
    tilt, turn = rng.uniform(0.3, 1.2), rng.uniform(0, 2 * np.pi)
    pole_y = v * math.cos(tilt) + z * math.sin(tilt)
    pole_z = z * math.cos(tilt) - v * math.sin(tilt)
    sector = np.sin(np.arctan2(u, pole_z) * int(rng.integers(2, 5)) + turn)
    albedo = blend(main, second, sector > 0)
    albedo = blend(albedo, DARK, 0.5 * (np.abs(sector) < 0.09))
    albedo = blend(albedo, accent, np.abs(pole_y) > 0.93)
    canvas.paint(circle(canvas.u, canvas.v, 0, 0, 0.96), albedo, bevel=0.96)


def _boat(canvas, rng, main, second, accent):
    """A sailing boat: a planked hull, a mast, two striped sails."""
    u, v = canvas.u, canvas.v
    top = rng.uniform(0.2, 0.3)
    planks = np.sin((v - top) * 32)
    canvas.paint(
        box(u, v, 0, (top - 0.9) / 2, (0.045, (top + 0.9) / 2)), blend(DARK, main, 0.3), bevel=0.05
    )
    stripes = np.sin((v + 0.15 * u) * rng.uniform(14, 20)) > 0.3
    cloth = blend(second, blend(second, accent, 0.7), stripes)
    reach = rng.uniform(0.6, 0.72)
    main_sail = convex(u, v, [(0.07, -0.88), (0.07, top - 0.1), (reach, top - 0.1)])
    jib = convex(u, v, [(-0.07, -0.72), (-0.07, top - 0.1), (-reach + 0.05, top - 0.1)])
    canvas.paint(main_sail, cloth, bevel=0.3)
    canvas.paint(jib, cloth, bevel=0.25)
    hull = convex(u, v, [(-0.95, top), (0.95, top), (0.6, 0.72), (-0.52, 0.72)])
    wood = blend(main, DARK, 0.45 * (planks > 0.75))
    wood = blend(wood, second, np.abs(v - top - 0.07) < 0.04)
    canvas.paint(hull, wood, bevel=0.28, lift=0.05, bump=0.012 * planks)


def _cactus(canvas, rng, main, second, accent):
    """A column cactus: two bent arms, ribs, rows of pale spines, often a flower."""
    u, v = canvas.u, canvas.v
    radius, arm = rng.uniform(0.26, 0.31), rng.uniform(0.15, 0.18)

    def limb(start, end, width, x, lift):
        ribs = np.cos((u - x) / width * 7.5)
        spines = (np.sin(v * 42) > 0.55) & (ribs > 0.8)
        skin = blend(main * 0.62, main, 0.5 + 0.5 * ribs)
        canvas.paint(
            capsule(u, v, start, end, width),
            blend(skin, WHITE, 0.85 * spines),
            bevel=width,
            lift=lift,
            bump=0.02 * ribs,
        )

    for side in (-1, 1):
        joint, tip = rng.uniform(0.0, 0.4), rng.uniform(0.3, 0.55)
        x = side * 0.62
        limb((0, joint), (x, joint), arm, 0, 0)
        limb((x, joint), (x, joint - tip), arm, x, 0.02)
    limb((0, 0.95 - radius), (0, radius - 0.9), radius, 0, 0.08)
    if rng.random() < 0.6:
        petals = np.hypot(u, v + 0.86) - 0.09 - 0.04 * np.cos(5 * np.arctan2(u, v + 0.86))
        canvas.paint(petals, accent, bevel=0.1, lift=0.3)


def _fish(canvas, rng, main, second, accent):
    """A fish: overlapping scales, a striped tail and fins, an eye."""
    u, v = canvas.u, canvas.v
    depth = rng.uniform(0.42, 0.52)
    rays = blend(accent, accent * 0.6, np.sin(np.arctan2(v, u + 0.3) * 26) > 0.3)
    tail = np.maximum(
        convex(u, v, [(-0.4, 0), (-0.93, -0.4), (-0.93, 0.4)]), 0.12 - np.hypot(u + 1.0, v)
    )
    fin = convex(u, v, [(-0.3, -0.25), (0.4, -0.3), (-0.15, -depth - 0.25)])
    belly = convex(u, v, [(-0.1, 0.3), (0.3, 0.3), (-0.05, depth + 0.2)])
    for part in (tail, fin, belly):
        canvas.paint(part, rays, bevel=0.1)
    row = np.floor(v / 0.13)
    across = ((u / 0.17 + 0.5 * (row % 2)) % 1.0) - 0.5
    scale = np.hypot(across * 0.17, v - row * 0.13) / 0.13
    skin = blend(blend(main, second, np.clip(v / depth, 0, 1)), DARK, 0.55 * (scale > 0.86))
    head = u > 0.42
    skin = np.where(head, main * 0.85, skin)
    skin = blend(skin, DARK, 0.7 * (np.abs(np.hypot(u - 0.1, v) - 0.34) < 0.02) * (u > 0.3))
    body = ellipse(u, v, 0.14, 0, (0.78, depth))
    canvas.paint(body, skin, bevel=depth, bump=0.02 * np.where(head, 0, np.minimum(scale, 1)))
    canvas.paint(circle(u, v, 0.6, -0.1, 0.1), WHITE, bevel=0.1, lift=depth)
    canvas.paint(circle(u, v, 0.62, -0.1, 0.055), DARK, bevel=0.06, lift=depth + 0.02)


def _house(canvas, rng, main, second, accent):
    """A house: brick wall, tiled gable roof, door, windows with bars, chimney."""
    u, v = canvas.u, canvas.v
    half, eaves = rng.uniform(0.5, 0.6), rng.uniform(-0.15, 0.0)
    course = np.floor(v / 0.12)
    joint = (np.abs((v / 0.12) % 1.0 - 0.5) > 0.38) | (
        np.abs((u / 0.24 + 0.5 * (course % 2)) % 1.0 - 0.5) > 0.44
    )
    brick = blend(second, second * 0.55, joint)
    canvas.paint(box(u, v, -0.35, -0.45, (0.09, 0.25)), brick * 0.8, bevel=0.04)
    canvas.paint(box(u, v, 0, (eaves + 0.76) / 2, (half, (0.76 - eaves) / 2)), brick, bevel=0.06)
    tile = np.floor((v - eaves) / 0.13)
    wave = np.abs(((u / 0.18 + 0.5 * (tile % 2)) % 1.0) - 0.5)
    edge = ((v - eaves) / 0.13) % 1.0 + 0.6 * wave
    roof = convex(u, v, [(-half - 0.24, eaves), (half + 0.24, eaves), (0, -0.85)])
    canvas.paint(
        roof, blend(main, main * 0.45, edge > 0.98), bevel=0.12, lift=0.12, bump=-0.05 * edge
    )
    door = float(rng.choice([-0.25, 0.0, 0.25]))
    canvas.paint(box(u, v, door, 0.53, (0.13, 0.23)), accent * 0.8, bevel=0.04, lift=0.05)
    for x in (door - 0.36, door + 0.36):
        if abs(x) < half - 0.08:
            bars = (
                (np.abs(u - x) < 0.02)
                | (np.abs(v - 0.28) < 0.02)
                | (box(u, v, x, 0.28, (0.1, 0.1)) > -0.025)
            )
            pane = blend(PANE, WHITE, bars)
            canvas.paint(box(u, v, x, 0.28, (0.12, 0.12)), pane, bevel=0.03, lift=0.05)


def _mushroom(canvas, rng, main, second, accent):
    """A toadstool: a domed cap with pale spots, gills under it, a fibrous stem."""
    u, v = canvas.u, canvas.v
    width, rim = rng.uniform(0.22, 0.3), rng.uniform(0.0, 0.1)
    stem = np.abs(u) - width * (1.0 + 0.35 * np.maximum(v - 0.45, 0) / 0.5)
    fibres = np.sin(u * 60 + 2 * np.sin(v * 9))
    pale = blend(WHITE, second, 0.35)
    stalk = np.maximum(stem, np.abs(v - 0.45) - 0.47)
    canvas.paint(stalk, blend(pale, pale * 0.7, fibres > 0.5), bevel=width, bump=0.008 * fibres)
    gills = blend(pale * 0.85, pale * 0.4, np.sin(u / (1.2 - v) * 50) > 0)
    canvas.paint(ellipse(u, v, 0, rim, (0.88, 0.17)), gills, bevel=0.17)
    cap = np.maximum(ellipse(u, v, 0, rim, (0.95, 0.9)), v - rim - 0.09 * (1 - u * u))
    albedo = main
    for turn in (np.arange(3) * 2.1 + rng.uniform(0, 2)).tolist():
        for out, size in ((0.3, 0.14), (0.72, 0.11)):
            angle = turn + out * 2.4
            x, y = out * math.cos(angle), rim - 0.4 + 0.42 * out * math.sin(angle)
            spot = ellipse(u, v, x, y, (size * 1.1, size * rng.uniform(0.7, 1.0)))
            albedo = blend(albedo, pale, spot < 0)
    canvas.paint(cap, albedo, bevel=0.7, lift=0.1)


def _rocket(canvas, rng, main, second, accent):
    """A rocket: a metal cylinder with bands and rivets, nose cone, fins, porthole, flame."""
    u, v = canvas.u, canvas.v
    radius = rng.uniform(0.3, 0.36)
    flicker = 0.05 * np.sin(u * 40)
    for size, glow in ((1.0, hsv(0.05, 0.9, 1.0)), (0.6, hsv(0.14, 0.7, 1.0))):
        flame = convex(u, v, [(-0.2 * size, 0.55), (0.2 * size, 0.55), (0.0, 0.6 + 0.38 * size)])
        canvas.paint(flame + flicker * size, glow, bevel=0.1, lift=0.05)
    for side in (-1, 1):
        fin = convex(
            u, v, [(side * 0.2, 0.05), (side * 0.2, 0.6), (side * 0.66, 0.74), (side * 0.62, 0.45)]
        )
        canvas.paint(fin, main * 0.9, bevel=0.06)
    hull = np.maximum(ellipse(u, v, 0, 0.05, (radius, 1.0)), v - 0.62)
    bands = np.abs((v + 0.02) % 0.4 - 0.2) < 0.02
    rivets = (np.abs((v + 0.02) % 0.4 - 0.13) < 0.022) & (np.cos(u * 45) > 0.4)
    metal = blend(blend(second, WHITE, 0.25), DARK, 0.65 * bands + 0.5 * rivets)
    metal = np.where(v < -0.46, main, metal)
    metal = np.where(v > 0.48, DARK + 0.15, metal)
    canvas.paint(hull, metal, bevel=radius, lift=0.08)
    canvas.paint(circle(u, v, 0, -0.18, 0.17), accent, bevel=0.06, lift=radius + 0.05)
    canvas.paint(circle(u, v, 0, -0.18, 0.11), PANE * 0.8, bevel=0.11, lift=radius + 0.05)


def _star(canvas, rng, main, second, accent):
    """A star of five or six points with sharp ridges, like folded foil, and glitter on it."""
    u, v = canvas.u, canvas.v
    points, waist = int(rng.integers(5, 7)), rng.uniform(0.42, 0.52)
    sector = math.pi / points
    angle = np.abs((np.arctan2(u, -v) + sector) % (2 * sector) - sector)
    length = np.hypot(u, v)
    x, y = length * np.cos(angle), length * np.sin(angle)
    tip, notch = 0.98, (waist * math.cos(sector), waist * math.sin(sector))
    edge = math.hypot(notch[1], tip - notch[0])
    distance = ((x - tip) * notch[1] + y * (tip - notch[0])) / edge
    glitter = rng.random(u.shape, np.float32)
    albedo = blend(main, WHITE, 0.7 * (glitter > 0.95))
    albedo = blend(albedo, second, 0.8 * ((distance > -0.1) & (distance < -0.05)))
    # A straight slope to the rim: the bump carries the whole relief, the bevel none.
    canvas.paint(distance, albedo, bevel=0.001, bump=-0.9 * distance)


_ANY, _TILTED, _UPRIGHT = math.pi, 1.2, 0.5
OBJECTS = {
    "ball": (_ball, _ANY),
    "boat": (_boat, _UPRIGHT),
    "cactus": (_cactus, _UPRIGHT),
    "fish": (_fish, _TILTED),
    "house": (_house, _UPRIGHT),
    "mushroom": (_mushroom, _UPRIGHT),
    "rocket": (_rocket, _TILTED),
    "star": (_star, _ANY),
}

"""The drawing board of the scene generator: distances to shapes, relief, and light on it.

Shapes are signed distances (negative inside) on a grid three times finer than the photo. A part of
an object is a distance, a colour and a bevel; the bevels make a height field, and one directional
light shades all of it.

Colours are float32 [3, 1, 1] and images [3, h, w] in 0..1 throughout the generator: numpy is much
faster with the channels first.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

SUPERSAMPLE = 3


@dataclass(frozen=True)
class Light:
    """One directional light; x to the right, y down, z to the viewer, of length 1."""

    direction: tuple[float, float, float]
    ambient: float
    tint: np.ndarray


def random_light(rng: np.random.Generator) -> Light:
    """Draws a light from above, from the left or the right, from near noon to low sun."""
    azimuth = rng.uniform(-1.1, 1.1)
    height = rng.uniform(0.6, 1.1)
    direction = (
        float(np.sin(azimuth) * np.cos(height)),
        float(-np.cos(azimuth) * np.cos(height)),
        float(np.sin(height)),
    )
    tint = 1.0 + rng.uniform(-0.07, 0.07) * colour(1.0, 0.1, -1.0)
    return Light(direction, rng.uniform(0.35, 0.55), tint)


def colour(red: float, green: float, blue: float) -> np.ndarray:
    """A colour as float32 [3, 1, 1]."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1)


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """A colour float32 [3, 1, 1] in 0..1; the hue wraps around."""
    return colour(*colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def blend(first, second, weight):
    """Mixes two colours or images; `weight`, [h, w] or a number in 0..1, is the second's share."""
    return first + (second - first) * np.asarray(weight, np.float32)


def circle(u, v, x: float, y: float, radius: float):
    """Distance to a disc."""
    return np.hypot(u - x, v - y) - radius


def ellipse(u, v, x: float, y: float, radii: tuple[float, float]):
    """Distance to an ellipse, exact on its edge and scaled by its smaller radius inside."""
    return (np.hypot((u - x) / radii[0], (v - y) / radii[1]) - 1.0) * min(radii)


def box(u, v, x: float, y: float, half: tuple[float, float]):
    """Distance to an upright box, exact inside."""
    return np.maximum(np.abs(u - x) - half[0], np.abs(v - y) - half[1])


def capsule(u, v, start: tuple[float, float], end: tuple[float, float], radius: float):
    """Distance to a thick segment with round ends."""
    du, dv = end[0] - start[0], end[1] - start[1]
    along = ((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(u - start[0] - along * du, v - start[1] - along * dv) - radius


def convex(u, v, corners: list[tuple[float, float]]):
    """Distance to a convex polygon, exact inside; corners in either order."""
    centre = np.mean(corners, axis=0)
    distance = None
    for (x, y), (other_x, other_y) in zip(corners, corners[1:] + corners[:1], strict=True):
        normal = np.array([other_y - y, x - other_x], np.float64)
        normal /= np.hypot(*normal)
        if normal @ (centre - (x, y)) > 0:
            normal = -normal
        side = (u - x) * np.float32(normal[0]) + (v - y) * np.float32(normal[1])
        distance = side if distance is None else np.maximum(distance, side)
    return distance


class Canvas:
    """One object in the making, on a square grid; parts are painted back to front.

    Attributes:
        u, v: float32 [n, n], the object's own axes, v downwards; all of it is in the unit disc.
        rgb: float32 [3, n, n] albedo.
        height: float32 [n, n].
        covered: bool [n, n].
    """

    def __init__(self, pixels: int, *, angle: float, mirror: bool, aspect: float):
        axis = ((np.arange(pixels * SUPERSAMPLE) + 0.5) / (pixels * SUPERSAMPLE) * 2 - 1) * 1.03
        x, y = axis[None, :].astype(np.float32), axis[:, None].astype(np.float32)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u = (cos * x + sin * y) * np.float32(aspect)
        self.u = -u if mirror else u
        self.v = (cos * y - sin * x) / np.float32(aspect)
        self.step = float(axis[1] - axis[0])
        self.rgb = np.zeros((3, *self.u.shape), np.float32)
        self.height = np.zeros(self.u.shape, np.float32)
        self.covered = np.zeros(self.u.shape, bool)

    def paint(self, distance, albedo, *, bevel: float = 0.1, lift: float = 0.0, bump=0.0) -> None:
        """Adds a part.

        Args:
            distance: float [n, n], negative inside the part.
            albedo: float32 [3, 1, 1] or [3, n, n] in 0..1.
            bevel: width of the rounded rim; the part's full radius makes it a ball or a cylinder.
            lift: height added to the whole part.
            bump: float [n, n], fine relief.
        """
        inside = distance < 0
        rim = np.clip(1.0 + distance / np.float32(bevel), 0.0, 1.0)
        height = np.float32(bevel) * np.sqrt(1.0 - rim * rim) + (bump + np.float32(lift))
        np.copyto(self.height, height, where=inside)
        np.copyto(self.rgb, albedo, where=inside)
        self.covered |= inside

    def finish(self, light: Light, *, gloss: float) -> tuple[np.ndarray, np.ndarray]:
        """Shades and reduces to photo pixels: alpha times colour [3, p, p], and alpha [p, p]."""
        slope_y, slope_x = np.gradient(self.height, np.float32(self.step))
        length = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1.0)
        x, y, z = light.direction
        facing = np.maximum((z - slope_x * x - slope_y * y) * length, 0.0)
        # Half-way vector between the light and the viewer at (0, 0, 1).
        half = [float(part / np.sqrt(2.0 + 2.0 * z)) for part in (x, y, z + 1.0)]
        shine = np.maximum((half[2] - slope_x * half[0] - slope_y * half[1]) * length, 0.0)
        shine = shine**24 * np.float32(gloss)
        shading = np.float32(light.ambient) + np.float32(1.1 - light.ambient) * facing
        rgb = (self.rgb * shading + shine) * self.covered
        return reduce(np.clip(rgb, 0.0, 1.0)), reduce(self.covered.astype(np.float32))


def reduce(fine):
    """Averages cells of 3x3: [..., 3p, 3p] -> [..., p, p]."""
    rows = sum(fine[..., i::SUPERSAMPLE, :] for i in range(SUPERSAMPLE))
    return sum(rows[..., i::SUPERSAMPLE] for i in range(SUPERSAMPLE)) / np.float32(SUPERSAMPLE**2)

"""The presets of crisp boundaries: what trades time for quality."""

from __future__ import annotations

from dataclasses import dataclass

# Raised when the same photo may get other regions than before: kept ones are then found anew.
ALGORITHM = 1


@dataclass(frozen=True)
class SpectralScale:
    """A graph of pixels whose slow modes are sought.

    Attributes:
        scale: the photo is worked at 1/scale of its size.
        radius: of the affinity's neighbourhood, in worked pixels.
        codes: at most so many cells of each feature space carry the joint density.
        eigenvectors: of the affinity, the constant one included.
        nodes: the eigenproblem is reduced until it has no more.
    """

    scale: int
    radius: int
    codes: int
    eigenvectors: int
    nodes: int


_PRESETS = {
    "fast": (SpectralScale(scale=3, radius=3, codes=256, eigenvectors=32, nodes=1500),),
    "default": (
        SpectralScale(scale=3, radius=3, codes=256, eigenvectors=32, nodes=1500),
        SpectralScale(scale=4, radius=3, codes=256, eigenvectors=32, nodes=1000),
    ),
    "accurate": (
        SpectralScale(scale=2, radius=5, codes=384, eigenvectors=50, nodes=6000),
        SpectralScale(scale=4, radius=3, codes=256, eigenvectors=32, nodes=6000),
    ),
}
PRESETS = tuple(_PRESETS)


def spectral_scales(preset: str) -> tuple[SpectralScale, ...]:
    """The scales of a preset, finest first.

    Raises:
        ValueError: there is none of that name.
    """
    if preset not in _PRESETS:
        raise ValueError(
            f"`preset` must be one of {', '.join(PRESETS)}. Received: preset={preset!r}."
        )
    return _PRESETS[preset]

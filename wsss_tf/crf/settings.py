"""The parameters of the dense CRF."""

from __future__ import annotations

import dataclasses
import math
from numbers import Integral, Real
from typing import Any

MODES = ("lattice", "fast", "dense")


@dataclasses.dataclass(frozen=True)
class CrfSettings:
    """Parameters of the CRF, each named and explained as an argument of `DenseCRF`.

    Raises:
        ValueError: for a parameter out of range.
    """

    spatial_sigma: float = 3.0
    spatial_weight: float = 3.0
    bilateral_sigma: float = 80.0
    color_sigma: float = 13.0
    bilateral_weight: float = 10.0
    region_weight: float = 1.0
    region_max_cost: float | None = None
    region_tolerance: float = 1.0
    region_start: float = 0.0
    iterations: int = 10

    def __post_init__(self) -> None:
        for name in ("spatial_sigma", "bilateral_sigma", "color_sigma"):
            self._require(name, self._number(name) > 0, "positive")
        for name in ("spatial_weight", "bilateral_weight", "region_weight"):
            self._require(name, self._number(name) >= 0, "0 or more")
        if self.region_max_cost is not None:
            self._require("region_max_cost", self._number("region_max_cost") > 0, "positive")
        for name in ("region_tolerance", "region_start"):
            self._require(name, 0 <= self._number(name) <= 1, "in [0, 1]")
        self._require("iterations", self._whole() >= 0, "a whole number, 0 or more")

    def _number(self, name: str) -> float:
        """The value of a field, which a NumPy scalar may be, as a finite Python float."""
        value: Any = getattr(self, name)
        number = isinstance(value, Real) and not isinstance(value, bool)
        self._require(name, number and math.isfinite(value), "a finite number")
        object.__setattr__(self, name, float(value))
        return float(value)

    def _whole(self) -> int:
        value: Any = self.iterations
        if isinstance(value, bool) or not isinstance(value, Integral):
            return -1
        object.__setattr__(self, "iterations", int(value))
        return int(value)

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"`{name}` must be {rule}. Received: {name}={getattr(self, name)!r}.")

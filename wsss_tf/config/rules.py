"""The base of all settings, their number types, and how a rule over several keys is reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

_INT32 = 2**31 - 1  # Seeds and steps travel through int32 tensors.

Count = Annotated[int, Field(ge=1, le=_INT32)]
Seed = Annotated[int, Field(ge=0, le=_INT32)]
Side = Annotated[int, Field(ge=16, le=4096)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]
# Strict types would refuse YAML's lists here; their items stay strict.
AsTuple = Field(strict=False)


def _ascending(scales: tuple[float, ...]) -> tuple[float, ...]:
    if list(scales) != sorted(set(scales)):
        raise ValueError("must ascend and name each scale once")
    return scales


# The range of `priors.Views`, and few enough to wait for.
Scales = Annotated[
    tuple[Annotated[float, Field(ge=0.25, le=4.0)], ...],
    AsTuple,
    Field(min_length=1, max_length=8),
    AfterValidator(_ascending),
]


class Settings(BaseModel):
    """A frozen section of a recipe: unknown keys, other types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)


class Broken(NamedTuple):
    """A rule over several keys that does not hold: which key, what it must be, what it is."""

    keys: tuple[str | int, ...]
    reason: str
    received: Any


def report(title: str, broken: Sequence[Broken]) -> None:
    """Raises one `pydantic.ValidationError` with every broken rule at its own key, if any."""
    if broken:
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("rule", "{reason}", {"reason": rule.reason}),
                loc=rule.keys,
                input=rule.received,
            )
            for rule in broken
        ]
        raise ValidationError.from_exception_data(title, errors)

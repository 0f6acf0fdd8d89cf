"""Validation errors as one line each: "ORIGIN: key.path: reason (Received: ...)"."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

_REASONS = {
    "missing": "is missing and has no default",
    "invalid_key": "keys must be words; put it in quotes",
    "tuple_type": "must be a list, such as [1, 2]",
    "model_type": "must be a section with keys of its own",
    "string_type": "must be a text; put it in quotes",
    "too_short": "must be a list of more items",
    "is_instance_of": "must be a path",
    "bool_type": "must be true or false",
}
_SHOWN = 120


def problem_lines(
    error: ValidationError, model: type[BaseModel], origin: Callable[[str], str]
) -> list[str]:
    """Returns the lines of all errors.

    Args:
        error: what validating `model` raised.
        model: the outermost settings class; its keys are the valid ones.
        origin: gives the file or the override that a dotted key comes from.
    """
    return [_line(item, model, origin) for item in error.errors()]


def nearest_keys(key: str, model: type[BaseModel]) -> list[str]:
    """Returns the valid dotted keys closest to `key`: in its own section, else in any."""
    *section, name = key.split(".")
    known = list(_keys(model))
    prefix = "".join(f"{part}." for part in section)
    siblings = {
        valid.removeprefix(prefix): valid
        for valid in known
        if valid.startswith(prefix) and "." not in valid.removeprefix(prefix)
    }
    close = difflib.get_close_matches(name, siblings, n=1)
    if close:
        return [siblings[close[0]]]
    last = {valid.rsplit(".", 1)[-1] for valid in known}
    elsewhere = difflib.get_close_matches(name, sorted(last), n=1, cutoff=0.8)
    if elsewhere:
        return [valid for valid in known if valid.rsplit(".", 1)[-1] == elsewhere[0]][:3]
    return difflib.get_close_matches(key, known, n=1)


def shown(value: Any) -> str:
    """Returns a value as a recipe would write it, cut short when it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _line(item: Any, model: type[BaseModel], origin: Callable[[str], str]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = nearest_keys(key, model)
        reason = "unknown key" + (f"; did you mean {' or '.join(near)}?" if near else "")
    else:
        reason = _REASONS.get(item["type"]) or _reworded(item["msg"])
    # The input of a missing key is the whole section around it.
    received = "nothing" if item["type"] == "missing" else shown(item["input"])
    return f"{origin(key)}: {key}: {reason} (Received: {received})"


def _reworded(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should", "must")
    return message.replace("Tuple should have", "must have").replace("String should", "must")


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        section = _section(field.annotation)
        if section:
            yield from _keys(section, f"{prefix}{name}.")


def _section(annotation: Any) -> type[BaseModel] | None:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = (_section(part) for part in typing.get_args(annotation))
        return next((part for part in parts if part), None)
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_section else None

"""Recipes from files, packaged or a user's own, with `--set key.path=value` overrides."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wsss_tf.config import yaml_text
from wsss_tf.config.messages import problem_lines, shown
from wsss_tf.config.recipe import Recipe
from wsss_tf.errors import ConfigError

_MAX_BYTES = 1_000_000


def load_recipe(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Returns the validated recipe of a file.

    Args:
        path: a YAML file, or the name of a packaged recipe ("scenes").
        overrides: "key.path=value" texts, the value as YAML; a later one wins. `localize=null`
            drops a section, and a key below a section that is absent adds the section.

    Raises:
        ConfigError: the file cannot be read or is no YAML mapping; else one line for every wrong
            key, type, range, rule and override: "FILE: key.path: reason (Received: ...)".
    """
    file = recipe_path(path)
    content, problems = _read(file)
    problems = [f"{file}: {problem}" for problem in problems]
    overridden: list[str] = []
    for override in overrides:
        try:
            overridden.append(_apply(override, content))
        except ValueError as error:
            problems.append(f"--set {override}: {error}")
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        problems.extend(
            problem_lines(
                error, Recipe, lambda key: "--set" if _touched(key, overridden) else str(file)
            )
        )
    if problems:
        raise ConfigError("\n".join(problems))
    return recipe


def packaged_recipes() -> tuple[str, ...]:
    """Returns the names of the recipes that ship with the package, sorted."""
    return tuple(sorted(path.stem for path in _packaged_folder().glob("*.yaml")))


def recipe_path(name: str | os.PathLike[str]) -> Path:
    """Returns the file itself when `name` is one on disk, else the packaged recipe of that name.

    Raises:
        ConfigError: neither is there.
    """
    path = Path(name)
    packaged = packaged_recipes()
    stem = path.name.removesuffix(".yaml")
    if path.is_file():
        return path
    if path.parent == Path() and stem in packaged:
        return _packaged_folder() / f"{stem}.yaml"
    if path.is_dir():
        inside = path / "recipe.yaml"
        hint = f" Give the file {inside}." if inside.is_file() else ""
        raise ConfigError(f"{path}: a recipe must be a file. Received: a folder.{hint}")
    near = difflib.get_close_matches(stem, packaged, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"{path}: no such file, and no packaged recipe of this name. Packaged are: "
        f"{', '.join(packaged)}.{hint}"
    )


def _packaged_folder() -> Path:
    return Path(str(resources.files("wsss_tf.configs")))


def _read(file: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{file}: is larger than 1 MB; is this a recipe?")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file}: must be UTF-8 text. Received: byte 0x{error.object[error.start]:02x} at "
            f"position {error.start}. Save it as UTF-8."
        ) from error
    try:
        content, problems = yaml_text.parse(text)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error
    if content is None:
        raise ConfigError(f"{file}: is empty. Start from a packaged recipe, such as scenes.")
    if not isinstance(content, dict):
        raise ConfigError(
            f"{file}: must be a mapping, `key: value` lines. Received: {shown(content)}"
        )
    return content, problems


def _apply(override: str, content: dict[str, Any]) -> str:
    """Sets one value in `content` and returns its key; ValueError says what is wrong."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise ValueError("must be key.path=value, such as segment.steps=100")
    value, repeated = yaml_text.parse(text)
    if repeated:
        raise ValueError(repeated[0])
    *sections, name = key.split(".")
    place = content
    for section in sections:
        # What is no section gives way to one; validation then says what that one lacks.
        if not isinstance(place.get(section), dict):
            place[section] = {}
        place = place[section]
    place[name] = value
    return key


def _touched(key: str, overridden: Sequence[str]) -> bool:
    return any(f"{key}.".startswith(f"{o}.") or f"{o}.".startswith(f"{key}.") for o in overridden)

"""What an ablation is to do: the recipe of every set-up, checked before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsss_tf.config import DataSettings, Recipe, load_recipe
from wsss_tf.errors import ConfigError
from wsss_tf.reports.ablation.setups import (
    SETUPS,
    SetUp,
    check_names,
    chosen_setups,
    overrides_of,
)

TABLES = ("4", "5", "6")
# The runs that Tables 4 and 5 are measured on, as far as they go.
MASK_RUNS = {"4": "foreground", "5": "fusion"}
_VIEW = "segment.field_of_view"


@dataclass(frozen=True)
class Plan:
    """An ablation, ready to run.

    Attributes:
        out: its folder.
        base: the multi-class recipe, with the places that the runs share.
        setups: the rows of Table 6.
        recipes: by name of a set-up: those of `setups`, and those of `MASK_RUNS`.
        tables: of `TABLES`, in order.
        mask_photos: how many training photos Table 4 looks at; None for all.
    """

    out: Path
    base: Recipe
    setups: tuple[SetUp, ...]
    recipes: dict[str, Recipe]
    tables: tuple[str, ...]
    mask_photos: int | None = None


def plan_ablation(
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    out: Path,
    setups: Sequence[str] | None = None,
    tables: Sequence[str] = TABLES,
    mask_photos: int | None = None,
) -> Plan:
    """Makes the recipes of an ablation.

    Args:
        recipe: a multi-class recipe, as for `load_recipe`.
        overrides: "key=value", for all set-ups alike. What a set-up is about it says itself, but
            for the field of view: segment.field_of_view=large is then that of every set-up.
        out: the folder; the runs share its scenes, its regions and its activations, unless the
            recipe says where those are.
        setups: names of set-ups; None for all eight.
        tables: of `TABLES`.
        mask_photos: for Table 4, a number of training photos, chosen by the seed.

    Raises:
        ConfigError: the recipe is wrong or not multi-class; an unknown set-up or table.
    """
    check_names("--tables", tables, TABLES)
    if setups is not None and "6" not in tables:
        raise ConfigError("--setups: are the rows of table 6, and --tables leaves it out.")
    if mask_photos is not None and "4" not in tables:
        raise ConfigError("--mask-photos: is of table 4, and --tables leaves it out.")
    base = load_recipe(recipe, overrides)
    if base.masks.kind != "multi_class":
        raise ConfigError(
            f"{recipe}: must be a multi-class recipe, from which the set-ups are made. "
            f"Received: masks.kind={base.masks.kind}. Take scenes or voc_multi_class, or your own."
        )
    view = base.segment.field_of_view if _sets_view(overrides) else None
    chosen = chosen_setups(setups, view) if "6" in tables else ()
    shared = (*overrides, *_places(base.data, out))
    names = [*(setup.name for setup in chosen), *MASK_RUNS.values()]
    recipes = {
        name: load_recipe(recipe, (*shared, *overrides_of(SETUPS[name], base, view)))
        for name in names
    }
    ordered = tuple(table for table in TABLES if table in tables)
    return Plan(out, load_recipe(recipe, shared), chosen, recipes, ordered, mask_photos)


def _sets_view(overrides: Sequence[str]) -> bool:
    return any(override.partition("=")[0].strip() == _VIEW for override in overrides)


def _places(data: DataSettings, out: Path) -> list[str]:
    """Overrides by which all runs share what they read and keep, from whatever folder called."""
    wanted = {"regions_cache": "regions", "activations_cache": "activations"}
    if data.source == "scenes":
        wanted["root"] = "scenes"
    return [
        f"data.{key}={json.dumps(str(out.absolute() / folder), ensure_ascii=False)}"
        for key, folder in wanted.items()
        if key in DataSettings.model_fields and getattr(data, key) is None
    ]

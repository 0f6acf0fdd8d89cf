"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

recipe_argument = click.argument("recipe")
run_argument = click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the recipe, such as segment.steps=100; may be repeated.",
)


def out_option(what: str):
    """`--out DIR`, required."""
    return click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help=what
    )

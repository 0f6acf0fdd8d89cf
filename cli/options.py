"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

recipe_argument = click.argument("recipe")


def _require_run(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    # Here, not in the library alone, so that the answer does not wait for TensorFlow.
    if not (path / "recipe.yaml").is_file():
        raise click.BadParameter(f"{path}: no run here (recipe.yaml is missing). Train one first.")
    return path


run_argument = click.argument(
    "run",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=_require_run,
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the recipe, such as segment.batch_size=2; may be repeated.",
)
crf_option = click.option(
    "--crf/--no-crf",
    default=None,
    help="Sharpen outlines with a dense CRF, or not; by default as the recipe's inference.crf.",
)


def out_option(what: str):
    """`--out DIR`, required."""
    return click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help=what
    )

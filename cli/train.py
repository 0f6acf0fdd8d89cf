"""`wsss-tf train`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import out_option, recipe_argument, set_option
from wsss_tf.cli.start import start_tensorflow


@click.command()
@recipe_argument
@out_option("Run folder; an unfinished run of the same recipe goes on.")
@set_option
def train(recipe: str, out: Path, overrides: tuple[str, ...]) -> None:
    """Train from RECIPE, a YAML file or the name of a packaged recipe, up to the last stage.

    Stages that the run folder holds are kept. Ctrl-C leaves a run that the same command resumes.

    \b
    Example:
      wsss-tf train scenes --out run --set seed=1
    """
    from wsss_tf.config import load_recipe

    loaded = load_recipe(recipe, overrides)  # Before TensorFlow: a mistyped key answers at once.
    start_tensorflow()
    from wsss_tf.training import run_stages

    run_stages(loaded, out)
    click.echo(f"Trained: {out}. Next: wsss-tf evaluate {out}")

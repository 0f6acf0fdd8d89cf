"""`wsss-tf masks`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import out_option, recipe_argument, set_option
from wsss_tf.cli.start import start_tensorflow


@click.command()
@recipe_argument
@out_option("Run folder; `wsss-tf train` goes on from it.")
@set_option
@click.option("--sheet/--no-sheet", default=True, help="Draw OUT/report/masks.png.")
@click.option(
    "--quality/--no-quality",
    default=True,
    help="Measure the masks without truth; draw OUT/report/worst_masks.png.",
)
@click.option(
    "--quality-photos",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Photos measured through the networks.",
)
def masks(
    recipe: str,
    out: Path,
    overrides: tuple[str, ...],
    sheet: bool,
    quality: bool,
    quality_photos: int,
) -> None:
    """Make the training masks of RECIPE, and stop before the segmentation network.

    \b
    Example:
      wsss-tf masks scenes --out run
    """
    from wsss_tf.config import load_recipe

    loaded = load_recipe(recipe, overrides)  # Before TensorFlow: a mistyped key answers at once.
    if loaded.masks.kind == "none":
        raise click.UsageError("This recipe makes no masks: its masks.kind is none.")
    start_tensorflow()
    from wsss_tf.reports import mask_sheet
    from wsss_tf.reports.mask_quality import SHEET, mask_quality
    from wsss_tf.reports.mask_summary import quality_table
    from wsss_tf.training import MASKS, run_stages

    run = run_stages(loaded, out, until=MASKS.name)
    click.echo(f"Masks: {run.stage(MASKS.name)}")
    if sheet:
        click.echo(f"Picture: {mask_sheet(run)}")
    if quality:
        found = mask_quality(run, photos=quality_photos)
        click.echo(quality_table(found))
        if found["worst"]:
            click.echo(f"Worst-looking: {run.stage('report') / SHEET}")

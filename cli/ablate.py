"""`wsss-tf ablate`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import out_option, recipe_argument, set_option
from wsss_tf.cli.start import start_tensorflow


def _names(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


@click.command()
@recipe_argument
@out_option("Folder of the runs and tables; an unfinished ablation goes on.")
@click.option(
    "--setups",
    callback=_names,
    metavar="NAME,...",
    help="Rows of table 6: tags, foreground, foreground_regions, localization, "
    "localization_regions, fusion, fusion_regions_small, fusion_regions_large.  [default: all]",
)
@click.option(
    "--tables",
    callback=_names,
    default="4,5,6",
    show_default=True,
    metavar="N,...",
    help="Which of the paper's tables.",
)
@click.option(
    "--mask-photos",
    type=click.IntRange(min=1),
    help="Score the masks of table 4 on this many training photos, chosen by the seed; "
    "by default on all.",
)
@set_option
def ablate(
    recipe: str,
    out: Path,
    setups: list[str] | None,
    tables: list[str],
    mask_photos: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Measure what each part of the method earns: the paper's tables 4, 5 and 6 for your data.

    \b
    Table 4: foreground masks from each block, on the training photos.
    Table 5: multi-class masks under known tags, without and with fusion.
    Table 6: a network for each of eight set-ups, from tags only to all parts.

    RECIPE is a multi-class one. Pixel labels are read for scores alone. Stages that set-ups share
    are trained once; every run is a run folder, OUT/runs/SETUP. OUT/ablation.csv and .json hold
    the figures. Ctrl-C leaves what the same command goes on from.

    \b
    Example:
      wsss-tf ablate scenes --out ablation
      wsss-tf ablate scenes --out few --setups tags,foreground,fusion
    """
    from wsss_tf.reports.ablation import plan_ablation, text_tables

    plan = plan_ablation(  # Before TensorFlow: a mistyped name answers at once.
        recipe, overrides, out=out, setups=setups, tables=tables, mask_photos=mask_photos
    )
    start_tensorflow()
    from wsss_tf.reports import run_ablation

    click.echo(text_tables(run_ablation(plan)))
    click.echo(f"Written: {out / 'ablation.csv'}, {out / 'ablation.json'}")

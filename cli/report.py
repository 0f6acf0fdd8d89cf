"""`wsss-tf report`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import run_argument
from wsss_tf.cli.start import start_tensorflow


@click.command()
@run_argument
@click.option("--split", help="Split to show; by default the recipe's data.eval_split.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file; by default RUN/report/index.html.",
)
@click.option(
    "--ablation",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of `wsss-tf ablate`, whose tables are added.",
)
def report(run: Path, split: str | None, out: Path | None, ablation: Path | None) -> None:
    """Write what RUN was, how good it is and where it fails, as one HTML file.

    It opens from disk, without a network. A split with pixel labels that nobody has scored yet is
    scored first.

    \b
    Example:
      wsss-tf report run
    """
    start_tensorflow()
    from wsss_tf.reports.html import write_report
    from wsss_tf.training import RunFolder

    written = write_report(RunFolder.existing(run), split=split, out=out, ablation=ablation)
    for problem in written.problems:
        click.echo(f"Missing: {problem}", err=True)
    click.echo(f"Written: {written.path}")

"""`wsss-tf demo`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import out_option, set_option
from wsss_tf.cli.start import start_tensorflow


@click.command()
@out_option("Folder for the three runs, demo.json and demo.png.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed.")
@set_option
def demo(out: Path, seed: int, overrides: tuple[str, ...]) -> None:
    """Train on generated photos in a few minutes: from tags, foreground and multi-class masks.

    \b
    Example:
      wsss-tf demo --out demo
    """
    start_tensorflow()
    from wsss_tf.reports import run_demo

    result = run_demo(out, seed=seed, overrides=overrides)
    ending = "with" if result["crf"] else "without"
    click.echo(f"Mean IoU on unseen scenes, per cent, {ending} a CRF at the end")
    for name, miou in result["miou"].items():
        click.echo(f"  {name:<12}{100 * miou:6.1f}")
    click.echo(f"Picture: {out / 'demo.png'}")

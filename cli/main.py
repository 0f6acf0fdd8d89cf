"""`wsss-tf`: the group of all commands, and what every one does with an error."""

from __future__ import annotations

import logging
import sys

import click

from wsss_tf import __version__
from wsss_tf.cli.ablate import ablate
from wsss_tf.cli.benchmark import benchmark
from wsss_tf.cli.data import data
from wsss_tf.cli.demo import demo
from wsss_tf.cli.doctor import doctor
from wsss_tf.cli.evaluate import evaluate
from wsss_tf.cli.export import export
from wsss_tf.cli.masks import masks
from wsss_tf.cli.predict import predict
from wsss_tf.cli.regions import regions
from wsss_tf.cli.report import report
from wsss_tf.cli.serve import serve
from wsss_tf.cli.signals import GOES_ON, STOPPED
from wsss_tf.cli.train import train
from wsss_tf.errors import WsssError


class _Commands(click.Group):
    """Turns errors that a user can mend into a message and exit status 2, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except WsssError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            resumes = ctx.invoked_subcommand in ("ablate", "demo", "masks", "regions", "train")
            click.echo(GOES_ON if resumes else "Stopped.", err=True)
            ctx.exit(STOPPED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wsss-tf")
@click.option("--verbose", is_flag=True, help="Say more on stderr.")
def main(verbose: bool) -> None:
    """Label every pixel, trained from image tags alone.

    \b
    Example:
      wsss-tf demo --out demo
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


for command in (
    demo, data, train, masks, evaluate, predict, export, serve, benchmark, report, ablate, regions,
    doctor,
):  # fmt: skip
    main.add_command(command)

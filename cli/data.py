"""`wsss-tf data`: data sets made ready and looked over."""

from __future__ import annotations

import click

from wsss_tf.cli.data_check import check
from wsss_tf.cli.data_init import init
from wsss_tf.cli.data_prepare import prepare


@click.group()
def data() -> None:
    """Prepare a data set from its archives, check one, or start a recipe for your own.

    \b
    Example:
      wsss-tf data prepare voc --root archives --out voc
    """


for command in (prepare, check, init):
    data.add_command(command)

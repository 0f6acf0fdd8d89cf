"""Options of prediction from a bundle, for the commands that have it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option(
        "--regions/--no-regions",
        default=None,
        help="With --crf: with its region term, or without.  [default: where it has one]",
    ),
    click.option(
        "--tile",
        type=click.IntRange(min=1),
        metavar="N",
        help="Look at large photos in full, in tiles of N pixels that overlap, not reduced. "
        "N is at most the side that the bundle's network looks at, and 896 or more is best.",
    ),
    click.option(
        "--provider",
        type=click.Choice(["cpu", "cuda", "tensorrt"]),
        help="What runs the network: this or an error.  [default: cpu]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "fp16", "int8"]),
        help="Of the bundle's models.  [default: fp32]",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        help="Photos of one size that run together.  [default: 1 on the CPU, 8 on a GPU]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="For decoding and for the network on the CPU.  [default: one a CPU]",
    ),
)


def bundle_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options above, of which `command` gets those that were given as one dict, `serving`.

    They are keyword arguments of `serving.Segmenter`.
    """
    names = [option(lambda: None).__click_params__[0].name for option in _OPTIONS]  # type: ignore

    @functools.wraps(command)
    def bundled(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in names}
        serving = {name: value for name, value in given.items() if value is not None}
        command(serving=serving, **arguments)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled


def flag(name: str) -> str:
    """`batch_size` as it is written on the command line."""
    return "--" + name.replace("_", "-")

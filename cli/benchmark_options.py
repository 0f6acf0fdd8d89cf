"""What `wsss-tf benchmark` can be told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

_PRECISIONS = ("fp32", "fp16", "int8")
_PROVIDERS = ("cpu", "cuda", "tensorrt")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def _sizes(context: click.Context, parameter: click.Parameter, text: str) -> list[tuple[int, int]]:
    found = [_SIZE.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise click.BadParameter(
            f"must be HEIGHTxWIDTH,HEIGHTxWIDTH,... in pixels, such as 375x500. Received: {text!r}."
        )
    return list(dict.fromkeys((int(size[1]), int(size[2])) for size in found if size))


def _batches(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,3}", part) for part in parts):
        raise click.BadParameter(
            f"must be counts of photos from 1 to 9999, such as 1,4. Received: {text!r}."
        )
    return list(dict.fromkeys(map(int, parts)))


def _some_of(names: tuple[str, ...]) -> Callable[..., list[str]]:
    def parsed(context: click.Context, parameter: click.Parameter, text: str | None) -> list[str]:
        chosen = [part.strip() for part in text.split(",")] if text is not None else []
        if not set(chosen) <= set(names):
            raise click.BadParameter(
                f"must be one or some of {','.join(names)}. Received: {text!r}."
            )
        return list(dict.fromkeys(chosen))

    return parsed


_OPTIONS = (
    click.option(
        "--sizes",
        callback=_sizes,
        default="321x321,375x500",
        show_default=True,
        metavar="HxW,...",
        help="Height x width to which photos are brought. 375x500 is VOC's usual landscape.",
    ),
    click.option(
        "--batches",
        callback=_batches,
        default="1,4",
        show_default=True,
        metavar="N,...",
        help="Photos that are given at once.",
    ),
    click.option(
        "--precisions",
        callback=_some_of(_PRECISIONS),
        metavar="NAME,...",
        help="Of fp32, fp16 and int8.  [default: all that the bundle has]",
    ),
    click.option(
        "--providers",
        callback=_some_of(_PROVIDERS),
        metavar="NAME,...",
        help="Of cpu, cuda and tensorrt; one that cannot be used is an error."
        "  [default: all that can]",
    ),
    click.option(
        "--crf/--no-crf", default=False, show_default=True, help="Rows with the CRF, too."
    ),
    click.option(
        "--regions/--no-regions",
        default=None,
        help="With --crf: with its region term, or without, as SavedModel and server always are."
        "  [default: where it has one]",
    ),
    click.option(
        "--saved-model/--no-saved-model",
        default=None,
        help="Rows of the SavedModel in TensorFlow.  [default: where both are there]",
    ),
    click.option("--server", metavar="URL", help="Time a running TensorFlow Serving of it, too."),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Of every form on the CPU.  [default: one a CPU]",
    ),
    click.option(
        "--repeats",
        type=click.IntRange(min=1),
        default=20,
        show_default=True,
        help="Timed calls of each form in each case, at most.",
    ),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=20.0,
        show_default=True,
        help="No more calls of one after these, but for the first three.",
    ),
    click.option(
        "--json",
        "json_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write all numbers, every call's too, to this file.",
    ),
)


def benchmark_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options above, which `command` gets by their names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command

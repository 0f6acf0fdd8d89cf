"""Arguments that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def _scales(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    if text is None:
        return None
    from pydantic import ValidationError

    from wsss_tf.config import InferenceSettings

    try:
        return InferenceSettings(scales=tuple(float(part) for part in text.split(","))).scales
    except (ValueError, ValidationError):
        raise click.BadParameter(
            "must be 1 to 8 factors in 0.25..4, ascending, such as 0.75,1,1.25. "
            f"Received: {text!r}."
        ) from None


_PREDICTOR_OPTIONS = (
    click.option(
        "--crf/--no-crf",
        default=None,
        help="Sharpen outlines with a dense CRF, or not; by default as the recipe's inference.crf.",
    ),
    click.option(
        "--scales",
        callback=_scales,
        metavar="S,S,...",
        help="Look at each photo in these factors of its size, such as 0.75,1,1.25, and take the "
        "mean; by default as the recipe's inference.scales. Time grows with the sum of squares.",
    ),
    click.option(
        "--flip/--no-flip",
        default=None,
        help="Look at each photo mirrored, too, or not; by default as the recipe's inference.flip.",
    ),
)


def predictor_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--crf`, `--scales` and `--flip`, which `command` gets as one dict named `predictor`.

    Its values are keyword arguments of `training.Predictor`; None is what the recipe says.
    """

    @functools.wraps(command)
    def bundled(
        crf: bool | None, scales: tuple[float, ...] | None, flip: bool | None, **others: Any
    ) -> None:
        command(predictor={"crf": crf, "scales": scales, "flip": flip}, **others)

    for option in reversed(_PREDICTOR_OPTIONS):
        bundled = option(bundled)
    return bundled


def out_option(what: str):
    """`--out DIR`, required."""
    return click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help=what
    )

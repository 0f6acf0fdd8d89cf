"""`wsss-tf regions`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from wsss_tf.cli.options import out_option


def _counts(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(count) for count in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"must be whole numbers with commas between, such as 25,100,400. Received: {text!r}."
        ) from None


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("Folder for the pictures, named after the photos.")
@click.option(
    "--preset",
    default="default",
    show_default=True,
    type=click.Choice(["fast", "default", "accurate"]),
    help="Of crisp regions: quicker or better.",
)
@click.option(
    "--counts",
    default="25,100,400",
    show_default=True,
    metavar="N,N,...",
    callback=_counts,
    help="Regions of each layer, rising; crisp ones lie inside each other.",
)
@click.option(
    "--method",
    default="crisp",
    show_default=True,
    type=click.Choice(["crisp", "felzenszwalb", "slic"]),
    help="Crisp boundaries, or scikit-image's methods.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="How many work at once; by default one a CPU.",
)
def regions(
    photos: tuple[Path, ...],
    out: Path,
    preset: str,
    counts: tuple[int, ...],
    method: str,
    processes: int | None,
) -> None:
    """Part PHOTOS (files or folders) into regions along their boundaries.

    OUT gets, for each photo, <photo>_N.png for each count N (region ids, 16-bit grey),
    <photo>_boundaries.png (grey) and <photo>_outlines.jpg. What OUT holds of the same photo with
    the same options is kept. A photo that cannot be read is reported and the others are done; the
    exit status is then 3.

    \b
    Example:
      wsss-tf regions photos/ --out regions --counts 50,200
    """
    from wsss_tf.requirements import require

    require("regions")
    from tqdm import tqdm

    from wsss_tf.errors import DataError
    from wsss_tf.images import list_photos
    from wsss_tf.regions import RegionMethod, write_regions

    try:
        chosen = RegionMethod(method, preset, counts)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    paths = list_photos(photos)
    written = kept = failed = 0
    # Closed here: Ctrl-C anywhere below ends the processes at once.
    with contextlib.closing(write_regions(paths, out, chosen, processes=processes)) as done:
        for _, outcome in tqdm(done, total=len(paths), desc="regions", unit="photo"):
            if isinstance(outcome, DataError):
                failed += 1
                tqdm.write(f"Error: {outcome}", file=sys.stderr)
            elif outcome:
                written += 1
            else:
                kept += 1
    click.echo(f"{written} photos' regions in {out}; {kept} were there; {failed} photos failed.")
    if failed:
        raise SystemExit(3)

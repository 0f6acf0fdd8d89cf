"""`wsss-tf data prepare`: the data sets that come in archives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsss_tf.cli.options import out_option
from wsss_tf.cli.signals import resumable

if TYPE_CHECKING:
    from wsss_tf.data.prepare.preparation import Request


@click.group()
def prepare() -> None:
    """Make a folder to train on from the archives of a data set.

    --out gets images/, masks/, lists/, tags.csv and data.json: a recipe reads it with
    data.source=prepared. What is written is kept by a second call. Nothing is unpacked elsewhere
    but what is wanted of a compressed tar: into a temporary file, in TMPDIR.

    \b
    Example:
      wsss-tf data prepare voc --root archives --out voc
    """


_OPTIONS = (
    click.option(
        "--root",
        type=click.Path(file_okay=False, path_type=Path),
        required=True,
        help="Folder with the archives, or where they are downloaded to.",
    ),
    out_option("The prepared folder, empty or from an earlier call."),
    click.option("--download", is_flag=True, help="Fetch what is not in --root."),
    click.option("--workers", type=click.IntRange(min=1), help="Threads; by default one a CPU."),
)


_ANY_ARCHIVE = click.option(
    "--any-archive", is_flag=True, help="Take archives whose SHA-256 is not that of the original."
)


def _preparation(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The options that all have, around a function that takes a Request and gives data.json."""

    @functools.wraps(function)
    def prepared(root: Path, out: Path, **options: Any) -> None:
        from wsss_tf.data.prepare.preparation import Request

        names = {"download", "any_archive", "workers"} & options.keys()
        common = {name: options.pop(name) for name in names}
        say = functools.partial(click.echo, err=True)
        with resumable():
            record = function(Request(root, out, say, **common), **options)
        lists = ", ".join(f"{name} {count:,}" for name, count in record["splits"].items())
        counts = f"{record['photos']:,} photos, {record['masks']:,} masks"
        click.echo(f"{click.format_filename(out)}: {counts}; lists: {lists}.")

    for option in reversed(_OPTIONS):
        prepared = option(prepared)
    return prepared


@prepare.command()
@_ANY_ARCHIVE
@_preparation
def voc(request: Request) -> dict[str, Any]:
    """PASCAL VOC 2012, with SBD's masks for train_aug.

    --root has VOCtrainval_11-May-2012.tar and benchmark.tgz (SBD), or what is in them:
    VOCdevkit/VOC2012 and benchmark_RELEASE. Without SBD there is no train_aug. SBD needs scipy.

    \b
    Example:
      wsss-tf data prepare voc --root archives --out voc
    """
    from wsss_tf.data.prepare.voc import prepare_voc

    return prepare_voc(request)


@prepare.command()
@click.option("--year", type=click.Choice(["2014", "2017"]), default="2014", show_default=True)
@_ANY_ARCHIVE
@_preparation
def coco(request: Request, year: str) -> dict[str, Any]:
    """COCO 2014 or 2017: one label a pixel, the smallest object wins.

    --root has train2014.zip, val2014.zip and annotations_trainval2014.zip, or what is in them.
    Needs pycocotools.

    \b
    Example:
      wsss-tf data prepare coco --root archives --out coco
    """
    from wsss_tf.data.prepare.coco import prepare_coco

    return prepare_coco(request, year=int(year))  # type: ignore[arg-type]


@prepare.command("youtube_objects")
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    help="Frames of a class at most, drawn evenly; by default 2,200, as the paper.",
)
@_preparation
def youtube_objects(request: Request, frames: int | None) -> dict[str, Any]:
    """YouTube-Objects, release 1: frames to train on, masked frames to score, no shot in both.

    --root has aeroplane.tar.gz and so on for the ten classes, and youtube_masks.tar.gz, or what is
    in them. The masks are behind a form: --download fetches the frames only.

    \b
    Example:
      wsss-tf data prepare youtube_objects --root archives --out youtube_objects
    """
    from wsss_tf.data.prepare.youtube_objects import FRAMES, prepare_youtube_objects

    return prepare_youtube_objects(request, frames=frames or FRAMES)

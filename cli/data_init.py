"""`wsss-tf data init`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from wsss_tf.cli.signals import resumable


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if value != value:  # A range of click's holds NaN.
        raise click.BadParameter("must be a number from 0 to 0.9. Received: nan.")
    return value


@click.command()
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--out",
    default=Path("recipe.yaml"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The recipe.",
)
@click.option("--force", is_flag=True, help="Replace the recipe.")
@click.option(
    "--write-tags",
    is_flag=True,
    help="Class folders and JSON: write DIR/tags.csv beside the photos.",
)
@click.option(
    "--copy-to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Class folders and JSON: copy the photos into a prepared folder; DIR stays as it is.",
)
@click.option(
    "--val-share",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 0.9),
    callback=_number,
    help="Part of the photos to evaluate, where DIR has no split.",
)
@click.option(
    "--label-space",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "voc", "coco", "youtube_objects", "scenes"]),
    help="Names of the ids in masks; auto: the layout's, or the tags, sorted.",
)
def init(folder: Path, out: Path, force: bool, label_space: str, **making: Any) -> None:
    """Write a commented recipe to train on DIR, with its classes and colours filled in.

    DIR is a tagged folder (tags.csv), a prepared or a VOC folder, one folder per class, or photos
    with a COCO-style JSON, of which the categories serve as tags. The last two need --write-tags or
    --copy-to; a photo in several class folders gets several tags.

    \b
    Example:
      wsss-tf data init photos/ --out recipe.yaml
    """
    from wsss_tf.data.own.layouts import read_layout

    write_tags, copy_to = making["write_tags"], making["copy_to"]
    if write_tags and copy_to:
        raise click.UsageError("--write-tags, --copy-to: give one of the two.")
    if out.suffix.lower() not in (".yaml", ".yml"):
        raise click.UsageError(f"--out must end with .yaml. Received: {out}.")
    if out.exists() and not force:
        raise click.UsageError(f"{out}: exists. Give --force to replace it, or another --out.")
    if copy_to and copy_to.resolve().is_relative_to(folder.resolve()):
        raise click.UsageError(f"--copy-to: must not lie inside {folder}.")
    layout = read_layout(folder)
    if layout.source is not None and (write_tags or copy_to):
        raise click.UsageError(f"{folder} is {layout.title}: it needs no tags and no copy.")
    if layout.name in ("class_folders", "coco_tags"):
        if not write_tags and not copy_to:
            raise click.UsageError(
                f"{folder} is {layout.title}, and training reads a tags.csv. Give --write-tags to "
                "have one written there, or --copy-to NEW to leave the folder as it is."
            )
        if copy_to and label_space != "auto":
            raise click.UsageError(
                "--label-space goes with --write-tags: a copy has the classes of its tags."
            )
        folder = _made(layout, copy_to, making["val_share"])
    from wsss_tf.data.own.recipe import write_recipe

    dataset = write_recipe(out, folder, label_space=label_space)
    photos = ", ".join(f"{split} {len(found):,}" for split, found in dataset.photos.items())
    click.echo(
        f"{click.format_filename(out)}: {dataset.labels.num_tags} classes; photos: {photos}."
    )


def _made(layout: Any, copy_to: Path | None, val_share: float) -> Path:
    """The folder to train on: the same with a tags.csv, or a copy."""
    from wsss_tf.data.own.making import copy_photos, write_tags
    from wsss_tf.data.own.planning import plan

    planned = plan(layout, val_share=val_share)
    if copy_to is None:
        click.echo(f"Written: {click.format_filename(write_tags(layout.root, planned))}")
        return Path(layout.root)
    with resumable():
        return copy_photos(layout.root, copy_to, planned, say=partial(click.echo, err=True))

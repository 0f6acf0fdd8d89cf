"""`wsss-tf data check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_FILE = click.Path(dir_okay=False, path_type=Path)


def _names(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


@click.command()
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--html", "page", type=_FILE, help="Also write one page with thumbnails.")
@click.option("--json", "data", type=_FILE, help="Also write every finding and figure.")
@click.option("--train-split", help="Split to train on; by default guessed: train_aug, train.")
@click.option("--eval-split", help="Split to score; by default guessed: val.")
@click.option("--keep", callback=_names, metavar="NAME,NAME,...", help="Classes to keep.")
@click.option(
    "--label-space",
    type=click.Choice(["auto", "voc", "coco", "youtube_objects", "scenes"]),
    help="Names of the ids in masks; by default the layout's, or the tags, sorted.",
)
@click.option("--deep", is_flag=True, help="Decode every photo, too, not only its header and end.")
def check(folder: Path, page: Path | None, data: Path | None, **options: Any) -> None:
    """Check the photos, tags, lists and masks of DIR: every problem at once.

    DIR is a tagged folder (tags.csv), a prepared or a VOC folder, one folder per class, or photos
    with a COCO-style JSON. Masks are opened here, unlike in training. The exit status is 1 if
    training would fail.

    \b
    Example:
      wsss-tf data check photos/ --html check.html
    """
    for option, path, suffix in (("--html", page, ".html"), ("--json", data, ".json")):
        if path is not None:
            _require_no_data(option, path, suffix, folder)
    from tqdm import tqdm

    from wsss_tf.data.checking import (
        CheckOptions,
        check_folder,
        check_text,
        summary,
        write_page,
    )
    from wsss_tf.files import write_json

    with tqdm(desc="check", unit="photo", disable=None) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = check_folder(folder, CheckOptions(**options), progress=advance)
    click.echo(check_text(found), nl=False)
    if page:
        write_page(found, page)
    if data:
        write_json(data, summary(found))
    if not found.would_train:
        raise SystemExit(1)


def _require_no_data(option: str, path: Path, suffix: str, folder: Path) -> None:
    """Raises UsageError for what could be a photo, a list or a table of what is checked."""
    inside = path.absolute().is_relative_to(folder.absolute())
    if path.suffix.lower() != suffix or (inside and suffix == ".json" and path.exists()):
        raise click.UsageError(
            f"{option} must be a new name that ends with {suffix}, outside of {folder}. "
            f"Received: {path}, whose content would be lost."
        )

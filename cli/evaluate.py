"""`wsss-tf evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import crf_option, run_argument
from wsss_tf.cli.start import start_tensorflow


@click.command()
@run_argument
@click.option("--split", help="Split to score; by default the recipe's data.eval_split.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file; by default RUN/report/evaluate_SPLIT.json, or evaluate_SPLIT_crf.json.",
)
@crf_option
def evaluate(run: Path, split: str | None, out: Path | None, crf: bool | None) -> None:
    """Score RUN against pixel labels: IoU of each class and their mean.

    Pixels labelled 255, and those of classes that the recipe does not keep, are ignored.

    \b
    Example:
      wsss-tf evaluate run --split val
    """
    start_tensorflow()
    from wsss_tf.files import write_json
    from wsss_tf.training import (
        RunFolder,
        evaluate,
        inference_crf,
        iou_table,
        open_run_data,
        scores,
    )

    folder = RunFolder.existing(run)
    split = split or folder.recipe.data.eval_split
    dataset = open_run_data(folder, split)
    settings = inference_crf(folder.recipe, crf)
    ending, words = ("_crf", "with a CRF") if settings else ("", "without a CRF")
    words += " and regions" if settings and settings.regions else ""
    found = scores(evaluate(folder, dataset, split, crf=crf), dataset.labels.names)
    target = out or folder.stage("report") / f"evaluate_{split}{ending}.json"
    photos = len(dataset.photos[split])
    click.echo(iou_table(found))
    click.echo(f"{photos} photos, {words}")
    about = {"split": split, "photos": photos, "crf": settings and settings.model_dump(mode="json")}
    write_json(target, {**about, **found})
    click.echo(f"Written: {target}")

"""`wsss-tf evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wsss_tf.cli.options import predictor_options, run_argument
from wsss_tf.cli.start import start_tensorflow


@click.command()
@run_argument
@click.option("--split", help="Split to score; by default the recipe's data.eval_split.")
@click.option(
    "--masks",
    "of_masks",
    is_flag=True,
    help="Score the masks that photos get from their tags, in place of predictions.",
)
@click.option("--audit", is_flag=True, help="First check that RUN has read no pixel label.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file; one of a line a photo (.jsonl) is written beside it; by default "
    "RUN/report/evaluate_SPLIT.json, evaluate_SPLIT_crf.json or masks_SPLIT.json.",
)
@predictor_options
def evaluate(
    run: Path,
    split: str | None,
    of_masks: bool,
    audit: bool,
    out: Path | None,
    predictor: dict[str, Any],
) -> None:
    """Score RUN against pixel labels: IoU of each class, their mean, and how sure it is.

    Pixels labelled 255, and those of classes that the recipe does not keep, are ignored.

    \b
    Example:
      wsss-tf evaluate run --split val
    """
    _check(of_masks, out, predictor)
    start_tensorflow()
    from wsss_tf.metrics import score_table
    from wsss_tf.training import RunFolder, open_run_data, score_masks, write_scores
    from wsss_tf.training import evaluate as score_predictions
    from wsss_tf.training.audit import require_tags_only

    folder = RunFolder.existing(run)
    split = split or folder.recipe.data.eval_split
    dataset = open_run_data(folder, split)
    audited = require_tags_only(folder, dataset) if audit else None
    if audited:
        click.echo(audited)
    if of_masks:
        scoring = score_masks(folder, dataset, split)
    else:
        scoring = score_predictions(folder, dataset, split, **predictor)
    if audited:
        scoring.about["audit"] = audited.summary()
    target = out or folder.stage("report") / _name(scoring.about)
    found = write_scores(target, scoring)
    click.echo(score_table(found))
    click.echo(_summary(found))
    if folder.recipe.data.keep is not None:
        click.echo(_classes_not_kept(found))
    click.echo(f"Written: {target}")


def _check(of_masks: bool, out: Path | None, predictor: dict[str, Any]) -> None:
    if of_masks and any(value is not None for value in predictor.values()):
        raise click.UsageError("--crf, --scales and --flip are for predictions, not for --masks.")
    if out is not None and out.suffix == ".jsonl":
        raise click.UsageError("--out names the JSON file; its .jsonl is written beside it.")


def _name(about: dict[str, Any]) -> str:
    if about["kind"] == "masks":
        return f"masks_{about['split']}.json"
    return f"evaluate_{about['split']}{'_crf' if about['crf'] else ''}.json"


def _summary(found: dict[str, Any]) -> str:
    """Such as "145 photos, with a CRF and regions"."""
    crf = found["crf"]
    words = "with a CRF" if crf else "without a CRF"
    words += " and regions" if crf and crf["regions"] else ""
    if found["scales"] != [1.0] or found["flip"]:
        words += f", at scales {', '.join(f'{scale:g}' for scale in found['scales'])}"
        words += " and mirrored" if found["flip"] else ""
    of = "masks from tags, " if found["kind"] == "masks" else ""
    return f"{found['photos']} photos, {of}{words}"


def _classes_not_kept(found: dict[str, Any]) -> str:
    if found["classes"] == ["background", "foreground"] and found["kind"] == "masks":
        return "Foreground is every class of the pixel labels, also those that data.keep leaves."
    return "Pixels of classes that data.keep leaves out are ignored."

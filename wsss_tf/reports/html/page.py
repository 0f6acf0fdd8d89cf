"""RUN/report/index.html: what a run was, how good it is, and where it fails, in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from wsss_tf.config import recipe_text
from wsss_tf.data import DataSet
from wsss_tf.errors import WsssError
from wsss_tf.files import write_text
from wsss_tf.reports.html.ablation import read_ablation
from wsss_tf.reports.html.facts import run_facts
from wsss_tf.reports.html.figures import charts
from wsss_tf.reports.html.gallery import Gallery, draw_gallery
from wsss_tf.reports.html.published import published_columns
from wsss_tf.reports.html.quality import Quality, read_quality
from wsss_tf.reports.html.scores import (
    Scores,
    evaluate_command,
    has_truth,
    read_scores,
    score_now,
)
from wsss_tf.reports.html.summary import notes, subtitle, tiles
from wsss_tf.reports.html.tables import colours, score_table
from wsss_tf.training import RunFolder, open_run_data, stages_of

# Of a message: a data set may have thousands of problems.
MOST_LINES = 6


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        path: of the page.
        problems: what it lacks, and the command that mends each.
    """

    path: Path
    problems: tuple[str, ...]


def write_report(
    run: RunFolder,
    *,
    split: str | None = None,
    out: Path | None = None,
    ablation: Path | None = None,
) -> Report:
    """Writes the report of `run`, finished or not; scores the split first if nobody has yet.

    Equal runs give equal bytes. What is missing or damaged is named in the page.

    Args:
        run: the run.
        split: to show; None for the recipe's `data.eval_split`.
        out: of the page; None for RUN/report/index.html.
        ablation: the JSON file of an ablation, whose tables are added.

    Raises:
        DataError: `split` is given and the data have no such split.
        RunError: run.json cannot be read, or the page cannot be written.
    """
    ablation_tables = read_ablation(ablation) if ablation else []
    problems: list[str] = []
    dataset = _opened(run, split, problems)
    split = split or run.recipe.data.eval_split
    missing = [
        stage.name
        for stage in stages_of(run.recipe)
        if not _try(f"Stage {stage.name}", problems, partial(stage.is_done, run))
    ]
    if missing:
        command = "wsss-tf train RUN/recipe.yaml --out RUN"
        problems.append(f"Not finished: {', '.join(missing)}. Go on with: {command}")
    scores = _scores(run, dataset, split, finished=not missing, problems=problems)
    quality = read_quality(run) if run.recipe.masks.kind != "none" else Quality()
    gallery = Gallery()
    if dataset is not None:
        _try(
            "The photos cannot be drawn",
            problems,
            lambda: draw_gallery(gallery, run, dataset, scores, missing=missing),
        )
    problems += scores.problems + quality.problems
    parts = {
        "facts": run_facts(run, dataset),
        "scores": scores,
        "charts": charts(run, scores, quality, problems),
        "quality": quality,
        "gallery": gallery,
        "ablation": ablation_tables,
        "problems": problems,
    }
    target = out or run.stage("report") / "index.html"
    write_text(target, _rendered(run, dataset, parts))
    return Report(target, tuple(problems))


def _opened(run: RunFolder, split: str | None, problems: list[str]) -> DataSet | None:
    found = _try(
        "The data cannot be opened, so there are no photos here",
        problems,
        lambda: open_run_data(run, run.recipe.data.train_split),
    )
    if found is not None and split is not None:
        found.split(split)  # A mistyped split is an error, not a report without scores.
    return found


def _scores(
    run: RunFolder, dataset: DataSet | None, split: str, *, finished: bool, problems: list[str]
) -> Scores:
    """The scores of `split`, made now if there are none although there could be."""
    found = read_scores(run, split)
    if found.predictions or found.problems or not finished or dataset is None:
        return found
    if split not in dataset.photos or not has_truth(dataset, split):
        problems.append(f"No pixel labels for the split {split}: this report has no scores.")
        return found
    words = f"The split {split} cannot be scored. Mend it, then: {evaluate_command(split)}"
    _try(words, problems, lambda: score_now(run, dataset, split))
    return read_scores(run, split)


def _try(words: str, problems: list[str], work: Callable[[], Any]) -> Any:
    """What `work` gives; None, and one more of the problems, where it cannot."""
    try:
        return work()
    except WsssError as error:
        lines = str(error).splitlines()
        more = [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
        problems.append("\n".join([f"{words}: {lines[0]}", *lines[1:MOST_LINES], *more]))
        return None


def _rendered(run: RunFolder, dataset: DataSet | None, parts: dict[str, Any]) -> str:
    folder = resources.files("wsss_tf.reports.html")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
    )
    scores: Scores = parts["scores"]
    names = dataset.labels.names if dataset else ()
    masks = {f"split {split}": one for split, one in scores.masks.items()}
    beside = published_columns(run, scores)
    tables = [
        score_table(caption, columns)
        for caption, columns in (
            (f"Predictions on the split {scores.split}, per cent", scores.predictions | beside),
            ("Masks made from known tags, per cent", masks),
        )
        if columns
    ]
    return environment.get_template("report.html").render(
        parts,
        # Ours, and read from the package: the one text besides drawings that is not escaped.
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),
        title=run.path.resolve().name,
        recipe=recipe_text(run.recipe),
        subtitle=subtitle(run, scores),
        tiles=tiles(scores),
        notes=notes(run, dataset, scores),
        tables=tables,
        sections=_sections(parts),
        legend=list(colours(names).items())[1:],
    )


def _sections(parts: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(id, name, whether it is there) of each section that the page links to."""
    scores, gallery, quality = parts["scores"], parts["gallery"], parts["quality"]
    charts_of = parts["charts"]
    return [
        ("scores", "Scores", bool(scores.predictions or scores.masks)),
        ("photos", "Photos", bool(gallery.strips or gallery.blocks)),
        (
            "masks",
            "Masks without truth",
            bool(quality.facts or quality.sheet or charts_of["masks"]),
        ),
        ("training", "Training", bool(charts_of["training"])),
        ("ablation", "Ablation", bool(parts["ablation"])),
        ("run", "The run", True),
    ]

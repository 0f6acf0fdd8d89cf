"""Runs an ablation: masks without networks first, then a run for every set-up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

import wsss_tf
from wsss_tf.config import recipe_digest
from wsss_tf.data import DataSet, Photo, check_truth, open_dataset, truth_digest
from wsss_tf.files import lock, sha256, write_json, write_text
from wsss_tf.metrics import paired_bootstrap
from wsss_tf.reports.ablation.kept import Scores, kept_scores, scores_path
from wsss_tf.reports.ablation.mask_cases import mask_cases
from wsss_tf.reports.ablation.mask_scoring import mask_scores
from wsss_tf.reports.ablation.plan import MASK_RUNS, Plan
from wsss_tf.reports.ablation.published import SOURCE, is_comparable, published
from wsss_tf.reports.ablation.runs import set_up_run
from wsss_tf.reports.ablation.setups import SETUPS
from wsss_tf.reports.ablation.tables import Row, csv_text
from wsss_tf.reports.folders import require_room
from wsss_tf.training import RunFolder, evaluate
from wsss_tf.training.crf import on_cpu
from wsss_tf.training.loop import CHECKPOINT

_OURS = {"runs", "scenes", "regions", "activations", "scores", "ablation.csv", "ablation.json"}


def run_ablation(plan: Plan) -> list[Row]:
    """Trains and scores what the plan says, and writes ablation.csv and ablation.json.

    Stopped at any moment and called again, it goes on. Stages of equal inputs are trained once, and
    scores of the same network or masks are found once.

    Raises:
        WsssError: the data, their pixel labels, the weights or the folder cannot be used; before
            any training.
        KeyboardInterrupt: the user asked to stop.
    """
    require_room(plan.out, _OURS, what="an ablation")
    with lock(plan.out):
        dataset = open_dataset(plan.base.data, root=plan.base.data.root or plan.out / "scenes")
        photos = _photos(plan, dataset)
        for table in plan.tables:
            check_truth(dataset, _split(plan, table), photos[table])
        rows: list[Row] = []
        for table in ("4", "5"):
            if table in plan.tables:
                rows += _mask_rows(plan, table, dataset, photos[table])
        if "6" in plan.tables:
            rows += _network_rows(plan, dataset)
        if is_comparable(plan.base.data, dataset.labels):
            rows = [replace(row, published=published(row.table, row.name, row.crf)) for row in rows]
        earlier, stages = _earlier(plan)
        everything = _merged(earlier, rows)
        write_text(plan.out / "ablation.csv", csv_text(everything))
        write_json(plan.out / "ablation.json", _summary(plan, dataset, everything, stages))
    return rows


def _split(plan: Plan, table: str) -> str:
    return plan.base.data.train_split if table == "4" else plan.base.data.eval_split


def _photos(plan: Plan, dataset: DataSet) -> dict[str, tuple[Photo, ...]]:
    """The photos of each table, in the order of their split."""
    photos = {table: dataset.split(_split(plan, table)) for table in plan.tables}
    everything = photos.get("4", ())
    if plan.mask_photos is not None and plan.mask_photos < len(everything):
        order = np.random.default_rng(plan.base.seed).permutation(len(everything))
        chosen = sorted(order[: plan.mask_photos].tolist())
        photos["4"] = tuple(everything[index] for index in chosen)
    return photos


def _mask_rows(
    plan: Plan, table: str, dataset: DataSet, photos: tuple[Photo, ...]
) -> Iterator[Row]:
    run = set_up_run(plan, MASK_RUNS[table], "localize" if table == "5" else None)
    cases = list(mask_cases(plan.base, table))
    settings = [case.masks for case in cases]
    found = mask_scores(plan, run, dataset, _split(plan, table), photos, settings)
    for case in cases:
        yield Row(
            **_figures(table, case.name, case.crf, found[case.masks]),
            title=case.name,
            settings=case.settings,
            field_of_view=None,
        )


def _network_rows(plan: Plan, dataset: DataSet) -> Iterator[Row]:
    known: dict[tuple[str, bool], Scores] = {}
    before, truth = None, truth_digest(dataset, plan.base.data.eval_split)
    for setup in plan.setups:
        run = set_up_run(plan, setup.name, "segment")
        # The row that it adds a part to; the one before where that was not asked for.
        reference = setup.over if (setup.over, False) in known else before
        for crf in (False, True)[: 2 if run.recipe.inference.crf else 1]:
            scores = _network_scores(plan, run, dataset, crf, truth=truth)
            ending = "none" if not crf else "regions" if setup.regions else "pairwise"
            yield Row(
                **_figures("6", setup.name, ending, scores),
                **_difference(reference, known.get((reference or "", crf)), scores),
                title=setup.title,
                settings="recipe",
                field_of_view=run.recipe.segment.field_of_view,
            )
            known[setup.name, crf] = scores
        before = setup.name


def _network_scores(
    plan: Plan, run: RunFolder, dataset: DataSet, crf: bool, *, truth: str
) -> Scores:
    split = run.recipe.data.eval_split
    of = {
        "recipe": recipe_digest(run.recipe),
        "checkpoint": sha256(run.stage("segment") / CHECKPOINT),
        "crf": crf,
        "truth": truth,
        "wsss_tf": wsss_tf.__version__,
    }

    def score():
        with on_cpu():
            return evaluate(run, dataset, split, crf=crf)

    scores = kept_scores(scores_path(plan.out / "scores", run.path.name, of), score)
    scores.copy_to(run.stage("report") / f"evaluate_{split}{'_crf' if crf else ''}.json")
    return scores


def _figures(table: str, name: str, crf: str, scores: Scores) -> dict[str, Any]:
    found = scores.result
    return {
        "table": table,
        "name": name,
        "crf": crf,
        "photos": found["photos"],
        "miou": found["miou"],
        "low": found["miou_interval"]["low"],
        "high": found["miou_interval"]["high"],
    }


def _difference(name: str | None, other: Scores | None, scores: Scores) -> dict[str, Any]:
    """How much better than another set-up, on the same photos."""
    if other is None:
        return {}
    interval = paired_bootstrap(other.tallies(), scores.tallies())
    return {
        "previous": name,
        "difference": scores.result["miou"] - other.result["miou"],
        "difference_low": interval.low,
        "difference_high": interval.high,
    }


def _earlier(plan: Plan) -> tuple[list[Row], dict[str, Any]]:
    """Rows and stages that earlier calls with the same recipe left in ablation.json, if any."""
    try:
        earlier = json.loads((plan.out / "ablation.json").read_text(encoding="utf-8"))
        if earlier["recipe_sha256"] != recipe_digest(plan.base):
            return [], {}
        rows = [Row(**row) for row in earlier["rows"]]
        sorted(rows, key=_place)  # Raises for rows that no version writes.
        return rows, dict(earlier["stages"])
    except (OSError, ValueError, KeyError, TypeError):  # None yet, or not of this version.
        return [], {}


def _merged(earlier: list[Row], rows: list[Row]) -> list[Row]:
    """`rows`, and those of earlier calls that are not of the same figure, in the tables' order."""
    new = {_figure(row) for row in rows}
    kept = [row for row in earlier if _figure(row) not in new]
    return sorted([*kept, *rows], key=_place)


def _figure(row: Row) -> tuple[str, ...]:
    return (row.table, row.name, row.settings, row.crf)


def _place(row: Row) -> tuple[str, int]:
    # Within a table rows stay in the order in which they come, set-ups in that of Table 6.
    return (row.table, list(SETUPS).index(row.name) if row.table == "6" else 0)


def _summary(
    plan: Plan, dataset: DataSet, rows: list[Row], earlier: dict[str, Any]
) -> dict[str, Any]:
    runs = {setup.name: RunFolder.existing(plan.out / "runs" / setup.name) for setup in plan.setups}
    stages = {**earlier, **{name: run.record()["stages"] for name, run in runs.items()}}
    return {
        "kind": "ablation",
        "wsss_tf": wsss_tf.__version__,
        "seed": plan.base.seed,
        "recipe_sha256": recipe_digest(plan.base),
        "classes": list(dataset.labels.names),
        "published": SOURCE if is_comparable(plan.base.data, dataset.labels) else None,
        "stages": {name: stages[name] for name in SETUPS if name in stages},
        "rows": [asdict(row) for row in rows],
    }

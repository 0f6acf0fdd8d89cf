"""Runs an ablation: masks without networks first, then a run for every set-up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wsss_tf.config import recipe_digest
from wsss_tf.data import DataSet, Photo, check_truth, open_dataset
from wsss_tf.errors import RunError
from wsss_tf.files import lock, sha256, write_json, write_text
from wsss_tf.metrics import paired_bootstrap
from wsss_tf.reports.ablation.kept import Scores, kept_scores, scores_path
from wsss_tf.reports.ablation.mask_cases import mask_cases
from wsss_tf.reports.ablation.mask_scoring import mask_scores
from wsss_tf.reports.ablation.plan import MASK_RUNS, Plan
from wsss_tf.reports.ablation.published import SOURCE, is_comparable, published
from wsss_tf.reports.ablation.runs import set_up_run
from wsss_tf.reports.ablation.tables import Row, csv_text
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
    _require_room(plan.out)
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
        write_text(plan.out / "ablation.csv", csv_text(rows))
        write_json(plan.out / "ablation.json", _summary(plan, dataset, rows))
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
            **_figures(plan, table, case.name, case.crf, found[case.masks]),
            title=case.name,
            settings=case.settings,
            field_of_view=None,
        )


def _network_rows(plan: Plan, dataset: DataSet) -> Iterator[Row]:
    before: dict[bool, tuple[str, Scores]] = {}
    for setup in plan.setups:
        run = set_up_run(plan, setup.name, "segment")
        for crf in (False, True)[: 2 if run.recipe.inference.crf else 1]:
            scores = _network_scores(plan, run, dataset, crf)
            ending = "none" if not crf else "regions" if setup.regions else "pairwise"
            yield Row(
                **_figures(plan, "6", setup.name, ending, scores),
                **_difference(before.get(crf), scores),
                title=setup.title,
                settings="recipe",
                field_of_view=run.recipe.segment.field_of_view,
            )
            before[crf] = (setup.name, scores)


def _network_scores(plan: Plan, run: RunFolder, dataset: DataSet, crf: bool) -> Scores:
    split = run.recipe.data.eval_split
    of = {
        "recipe": recipe_digest(run.recipe),
        "checkpoint": sha256(run.stage("segment") / CHECKPOINT),
        "crf": crf,
        "split": split,
    }

    def score():
        with on_cpu():
            return evaluate(run, dataset, split, crf=crf)

    scores = kept_scores(scores_path(plan.out / "scores", run.path.name, of), score)
    scores.copy_to(run.stage("report") / f"evaluate_{split}{'_crf' if crf else ''}.json")
    return scores


def _figures(plan: Plan, table: str, name: str, crf: str, scores: Scores) -> dict[str, Any]:
    found = scores.result
    return {
        "table": table,
        "name": name,
        "crf": crf,
        "photos": found["photos"],
        "miou": found["miou"],
        "low": found["miou_interval"]["low"],
        "high": found["miou_interval"]["high"],
        "published": published(plan.base.data, table, name, crf),
    }


def _difference(before: tuple[str, Scores] | None, scores: Scores) -> dict[str, Any]:
    """How much better than the set-up before, on the same photos."""
    if before is None:
        return {}
    name, other = before
    interval = paired_bootstrap(other.tallies(), scores.tallies())
    return {
        "previous": name,
        "difference": scores.result["miou"] - other.result["miou"],
        "difference_low": interval.low,
        "difference_high": interval.high,
    }


def _summary(plan: Plan, dataset: DataSet, rows: list[Row]) -> dict[str, Any]:
    runs = {setup.name: RunFolder.existing(plan.out / "runs" / setup.name) for setup in plan.setups}
    return {
        "kind": "ablation",
        "recipe_sha256": recipe_digest(plan.base),
        "classes": list(dataset.labels.names),
        "published": SOURCE if is_comparable(plan.base.data) else None,
        "stages": {name: run.record()["stages"] for name, run in runs.items()},
        "rows": [dataclasses.asdict(row) for row in rows],
    }


def _require_room(out: Path) -> None:
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    foreign = sorted(name for name in names - _OURS if not name.startswith("."))
    if foreign or out.is_file():
        found = f"holds files that are not of an ablation ({foreign[0]}, ...)" if foreign else ""
        raise RunError(f"{out}: {found or 'is a file'}. Choose an empty or new folder for --out.")

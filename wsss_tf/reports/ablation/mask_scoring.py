"""Scores of the masks of Tables 4 and 5, each kept as soon as it is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import wsss_tf
from wsss_tf.config import MasksSettings
from wsss_tf.data import DataSet, Photo, truth_digest
from wsss_tf.files import sha256
from wsss_tf.reports.ablation.kept import Scores, is_kept, read_scores, scores_path
from wsss_tf.reports.ablation.plan import Plan
from wsss_tf.reports.ablation.runs import set_up_run
from wsss_tf.training import RunFolder, score_masks, score_masks_of_many, write_scores
from wsss_tf.training.loop import CHECKPOINT
from wsss_tf.training.run import weights_read


def mask_scores(
    plan: Plan,
    run: RunFolder,
    dataset: DataSet,
    split: str,
    photos: Sequence[Photo],
    settings: Sequence[MasksSettings],
) -> dict[MasksSettings, Scores]:
    """The scores of many settings of the masks, on the same photos.

    Masks that a set-up trains on anyway are made by its own stage, and read from there. The others
    share their networks; a kill loses those at most that are found together.

    Args:
        plan: of the ablation.
        run: whose networks make the masks.
        dataset, split, photos: of which.
        settings: of the masks.
    """
    truth = truth_digest(dataset, split, photos)
    paths = {one: _path(plan, run, truth, one) for one in settings}
    for one, path in paths.items():
        name = _trained_on(plan, split, one)
        if name and not is_kept(path):
            trained = set_up_run(plan, name, "masks")
            write_scores(path, score_masks(trained, dataset, split, settings=one, photos=photos))
    new = [one for one, path in paths.items() if not is_kept(path)]
    if new:
        for one, scoring in score_masks_of_many(run, dataset, split, new, photos=photos):
            write_scores(paths[one], scoring)
    return {one: read_scores(path) for one, path in paths.items()}


def _trained_on(plan: Plan, split: str, settings: MasksSettings) -> str | None:
    """The first set-up that trains on such masks of the split."""
    if split != plan.base.data.train_split:
        return None
    names = (setup.name for setup in plan.setups if plan.recipes[setup.name].masks == settings)
    return next(names, None)


def _path(plan: Plan, run: RunFolder, truth: str, settings: MasksSettings) -> Path:
    multi_class = settings.kind == "multi_class"
    of = {
        "data": run.recipe.data.model_dump(mode="json"),
        "backbone": run.recipe.backbone.model_dump(mode="json"),
        "weights": [sha256(path) for path in weights_read(run.recipe)],
        "wsss_tf": wsss_tf.__version__,
        "masks": settings.model_dump(mode="json"),
        "cams": sha256(run.stage("localize") / CHECKPOINT) if multi_class else None,
        "truth": truth,
    }
    return scores_path(plan.out / "scores", "masks", of)

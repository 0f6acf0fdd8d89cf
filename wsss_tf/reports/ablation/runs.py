"""The runs of an ablation, each as far as it is needed."""

from __future__ import annotations

import gc
import logging

from wsss_tf.reports.ablation.plan import Plan
from wsss_tf.training import RunFolder, run_stages

logger = logging.getLogger(__name__)


def set_up_run(plan: Plan, name: str, until: str | None) -> RunFolder:
    """A set-up's run, done up to a stage; what another run has done is taken over."""
    logger.info("Set-up %s, up to %s", name, until or "its folder")
    folder = plan.out / "runs"
    others = sorted(path.parent for path in folder.glob("*/recipe.yaml"))
    donors = [RunFolder.existing(path) for path in others if path.name != name]
    run = run_stages(plan.recipes[name], folder / name, until=until, donors=donors)
    gc.collect()  # A network and its optimizer are half a gigabyte, and hold on to each other.
    return run

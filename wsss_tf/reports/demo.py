"""The demo: the paper's three supervisions on the same generated photos, scored and drawn."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsss_tf.config import Recipe, load_recipe
from wsss_tf.files import lock, write_json
from wsss_tf.reports.ablation.setups import FOREGROUND, TAGS
from wsss_tf.reports.folders import require_room
from wsss_tf.reports.method_sheet import method_sheet
from wsss_tf.training import RunFolder, evaluate, open_run_data, run_stages
from wsss_tf.training.crf import on_cpu

# What the three networks learn from; all else is equal, as in Table 6 of the paper.
SUPERVISIONS: dict[str, tuple[str, ...]] = {
    "tags": TAGS,
    "foreground": FOREGROUND,
    "multi_class": (),
}


def demo_recipe(
    supervision: str, *, data_root: Path, seed: int, overrides: Sequence[str] = ()
) -> Recipe:
    """`configs/scenes.yaml` for one of `SUPERVISIONS`; `seed` draws photos and networks alike."""
    shared = (
        f"data.root={json.dumps(str(data_root), ensure_ascii=False)}",
        f"seed={seed}",
        f"data.scenes.seed={seed}",
        *overrides,
    )
    return load_recipe("scenes", (*shared, *SUPERVISIONS[supervision]))


def run_demo(out: Path, *, seed: int = 0, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Trains from tags, from foreground masks and from multi-class masks, and compares them.

    Args:
        out: gets the photos, one run folder a supervision, demo.json and demo.png. Called again,
            what is there is kept.
        seed: of the photos and of the networks.
        overrides: of the recipe, "key=value", for all three alike.

    Returns:
        What demo.json holds: `miou` (fraction, on unseen scenes) and `seconds`, by supervision;
        `crf`, whether the scores are of predictions after a CRF.
    """
    started = time.perf_counter()
    require_room(out, {"scenes", "demo.json", "demo.png", *SUPERVISIONS}, what="a demo")
    runs: dict[str, RunFolder] = {}
    miou, seconds = {}, {}
    with lock(out):
        for supervision in SUPERVISIONS:
            recipe = demo_recipe(
                supervision, data_root=out / "scenes", seed=seed, overrides=overrides
            )
            run = run_stages(recipe, out / supervision)
            split = recipe.data.eval_split
            with on_cpu():
                scores = evaluate(run, open_run_data(run, split), split)
            miou[supervision] = float(scores.miou())
            stages = run.record()["stages"].values()
            seconds[supervision] = round(sum(stage["seconds"] for stage in stages), 1)
            runs[supervision] = run
        method_sheet(out / "demo.png", runs)
        seconds["this_call"] = round(time.perf_counter() - started, 1)
        result = {"crf": recipe.inference.crf is not None, "miou": miou, "seconds": seconds}
        write_json(out / "demo.json", result)
    return result

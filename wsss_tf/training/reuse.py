"""Stages that another run has finished from the same inputs: taken over, not trained again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wsss_tf.config import Recipe
from wsss_tf.files import atomic_write, remove, write_json
from wsss_tf.training.loop import CHECKPOINT
from wsss_tf.training.run_folder import RunFolder

# Written last: with it a stage is done, so it is also taken over last.
_LAST = {"localize": CHECKPOINT, "masks": "index.jsonl", "segment": CHECKPOINT}
# What a stage hangs on; how often training writes is no part of it.
_TRAINED = ("seed", "data", "backbone", "augment")
_MASKS = {
    "none": (),
    "foreground": ("data", "backbone", "masks"),
    "multi_class": (*_TRAINED, "localize", "masks"),
}
# Where something is kept, or what is scored, changes no bit of a stage.
_WITHOUT_EFFECT = ("eval_split", "regions_cache", "activations_cache")


def stage_inputs(recipe: Recipe, name: str) -> dict[str, Any]:
    """The part of a recipe that decides the result of its stage `name`, as JSON values.

    Args:
        recipe: that has the stage.
        name: "localize", "masks" or "segment".
    """
    content = recipe.model_dump(mode="json")
    for key in _WITHOUT_EFFECT:
        content["data"].pop(key, None)
    of_masks = _MASKS[recipe.masks.kind]
    of_start = ("localize",) if recipe.segment.start == "localize" else ()
    sections = {
        "localize": (*_TRAINED, "localize"),
        "masks": of_masks,
        "segment": (*_TRAINED, *of_masks, *of_start, "segment"),
    }
    return {section: content[section] for section in sections[name]}


def find_donor(run: RunFolder, name: str, finished: Iterable[RunFolder]) -> RunFolder | None:
    """The first run that made stage `name` from the inputs that `run` gives it; None without one.

    Args:
        run: which needs the stage, with the files it reads on record.
        name: of the stage.
        finished: runs that have the stage, done. One that read a file with another digest is none.
    """
    wanted, files = stage_inputs(run.recipe, name), run.record()["files"]
    for donor in finished:
        theirs = donor.record().get("files", {})
        same = all(theirs.get(path, digest) == digest for path, digest in files.items())
        if same and stage_inputs(donor.recipe, name) == wanted:
            return donor
    return None


def adopt_stage(run: RunFolder, donor: RunFolder, name: str) -> None:
    """Gives `run` the stage that `donor` has finished, as hard links, or copies where none can be.

    Killed at any moment, the stage is whole or not done, and the same call goes on. run.json gets
    {"seconds": 0.0, "adopted": {"run": relative path of the donor, "seconds": its own}}, and the
    files that the donor read. Finished stages are never written into, so links are safe.

    Args:
        run: locked by the caller; what it holds of the stage is replaced.
        donor: whose stage `find_donor` found.
        name: of the stage.

    Raises:
        RunError: a file cannot be written.
    """
    source, target = donor.stage(name), run.stage(name)
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    names.sort(key=_LAST[name].__eq__)
    for file in names:
        if file == _LAST[name]:
            _record(run, donor, name)
        _link(source / file, target / file)


def _record(run: RunFolder, donor: RunFolder, name: str) -> None:
    record, entry = run.record(), donor.record()["stages"].get(name, {})
    seconds = entry.get("adopted", entry).get("seconds")
    adopted = {"run": os.path.relpath(donor.path, run.path), "seconds": seconds}
    record["stages"][name] = {"seconds": 0.0, "adopted": adopted}
    for kind in ("files", "headers", "kept"):
        record[kind] = {**donor.record().get(kind, {}), **record.get(kind, {})}
    write_json(run.record_path, record)


def _link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    remove(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except OSError:  # Another disk, or a file system without links.
        with open(source, "rb") as file, atomic_write(target) as copy:
            shutil.copyfileobj(file, copy)

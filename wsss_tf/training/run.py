"""A run: the stages that its recipe needs, each done once, each resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from wsss_tf.config import Recipe
from wsss_tf.data import DataSet, open_dataset
from wsss_tf.nets.application_weights import downloaded_files
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import COMPACT, load_backbone
from wsss_tf.training.localize import is_localized, localize
from wsss_tf.training.make_masks import is_made, make_masks
from wsss_tf.training.reuse import adopt_stage, find_donor
from wsss_tf.training.run_folder import RunFolder
from wsss_tf.training.segment import is_segmented, segment


@dataclass(frozen=True)
class Stage:
    """A step of a run: `work(run, dataset)` goes on until `is_done(run)`."""

    name: str
    work: Callable[[RunFolder, DataSet], None]
    is_done: Callable[[RunFolder], bool]


LOCALIZE = Stage("localize", localize, is_localized)
MASKS = Stage("masks", make_masks, is_made)
SEGMENT = Stage("segment", segment, is_segmented)


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages that `recipe` needs, each as late as it can be: only class masks wait for CAMs."""
    before = {"none": (), "foreground": (MASKS,), "multi_class": (LOCALIZE, MASKS)}
    needed = before[recipe.masks.kind]
    if recipe.segment.start == "localize" and LOCALIZE not in needed:
        needed = (*needed, LOCALIZE)
    return (*needed, SEGMENT)


def run_stages(
    recipe: Recipe, out: Path, *, until: str | None = "segment", donors: Sequence[RunFolder] = ()
) -> RunFolder:
    """Runs the stages that `out` does not hold yet, up to `until`.

    Args:
        recipe: what to train; `out` may hold an unfinished or finished run of the same one.
        out: the run folder.
        until: name of the last stage wanted; None makes the folder and its record only.
        donors: finished runs, or unfinished ones; a stage that one of them has finished from equal
            inputs is taken over from there.

    Returns:
        The run. Equal recipes, data and versions on equal machines give equal bits.

    Raises:
        ValueError: the recipe has no stage `until`.
        WsssError: the data, the weights or the folder cannot be used; before any training.
        KeyboardInterrupt: the user asked to stop; the same call goes on.
    """
    stages = stages_of(recipe)
    names = [stage.name for stage in stages]
    if until is not None and until not in names:
        raise ValueError(
            f"`until` must be a stage of the recipe, {names}. Received: until={until}."
        )
    tf.config.experimental.enable_op_determinism()
    # Before the folder is made: weights or a data set that cannot be used leave no run behind.
    load_backbone(activation_network(width=recipe.backbone.width), recipe.backbone.weights)
    dataset = open_dataset(recipe.data, root=recipe.data.root) if recipe.data.root else None
    with RunFolder.open(out, recipe) as run:
        dataset = dataset or open_dataset(recipe.data, root=run.data_root)
        run.record_labels(dataset.labels)
        run.record_files(files_read(recipe, dataset))
        run.record_files(headers_read(recipe, dataset), kind="headers")
        for stage in stages[: names.index(until) + 1 if until else 0]:
            if not stage.is_done(run):
                _work(stage, run, dataset, donors)
    return run


def files_read(recipe: Recipe, dataset: DataSet) -> Iterator[Path]:
    """Every file that the stages before evaluation read whole: lists, training photos, weights."""
    yield from dataset.files
    yield from (photo.path for photo in dataset.photos[recipe.data.train_split])
    yield from weights_read(recipe)


def headers_read(recipe: Recipe, dataset: DataSet) -> Iterator[Path]:
    """The photos of other splits: opening the data set checks that each is a whole image."""
    for split, photos in dataset.photos.items():
        if split != recipe.data.train_split:
            yield from (photo.path for photo in photos)


def weights_read(recipe: Recipe) -> tuple[Path, ...]:
    """The files of `backbone.weights`; those that Keras downloads once they are there."""
    weights = recipe.backbone.weights
    sets = {"compact": (COMPACT,), "imagenet": downloaded_files(), "random": ()}
    return sets.get(weights, (Path(weights),))


def _work(stage: Stage, run: RunFolder, dataset: DataSet, donors: Sequence[RunFolder]) -> None:
    finished = (donor for donor in donors if stage in stages_of(donor.recipe))
    donor = find_donor(run, stage.name, filter(stage.is_done, finished))
    if donor:
        adopt_stage(run, donor, stage.name)
        return
    started = time.perf_counter()
    try:
        stage.work(run, dataset)
    finally:
        run.record_files(weights_read(run.recipe))  # Now Keras has downloaded them all.
        run.record_stage(stage.name, time.perf_counter() - started)

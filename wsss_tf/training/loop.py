"""The loop that both networks train in: resumable to the bit, stoppable, never saving NaN."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wsss_tf.config import LogSettings
from wsss_tf.training.checkpoint import load_checkpoint, read_header, save_checkpoint
from wsss_tf.training.interrupt import stop_requested
from wsss_tf.training.journal import Journal
from wsss_tf.training.optimizer import CaffeGradients, freeze_blocks, global_norm, sgd

Batch = dict[str, tf.Tensor]
CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Task:
    """What one stage trains.

    Attributes:
        name: of the stage, "localize" or "segment".
        model: as its weights start.
        loss: batch -> float [B], with the network in training mode.
        batches: (steps done, steps to go) -> batches, each a function of its step alone.
        settings: steps, rates, momentum, decay, frozen blocks; a stage of the recipe.
        photo_ids: id of each photo by the batch's `index`.
        new_layers: names of the layers that start at random.
        picture: batch -> uint8 [H, W, 3] for TensorBoard.
    """

    name: str
    model: keras.Model
    loss: Callable[[Batch], tf.Tensor]
    batches: Callable[[int, int], Iterable[Batch]]
    settings: Any
    photo_ids: Sequence[str]
    new_layers: Sequence[str] = ()
    picture: Callable[[Batch], np.ndarray] | None = None


def is_finished(folder: Path, steps: int) -> bool:
    """Whether the checkpoint in `folder` has come to `steps`."""
    path = folder / CHECKPOINT
    return path.exists() and read_header(path)["step"] >= steps


def fit(task: Task, folder: Path, *, log: LogSettings) -> None:
    """Trains `task` from the checkpoint in `folder`, or from the start, to its last step.

    Killed at any moment and called again, it ends with the same bits as in one go: the data are a
    function of the step, and the checkpoint holds all else.

    Raises:
        RunError: a loss or a gradient is not finite; nothing of that step is saved.
        KeyboardInterrupt: the user asked to stop; the last whole step is saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings, path = task.settings, folder / CHECKPOINT
    freeze_blocks(task.model, settings.frozen_blocks)
    optimizer = _optimizer(settings, task.model)
    start = load_checkpoint(path, task.model, optimizer)["step"] if path.exists() else 0
    if start >= settings.steps:
        return
    update = update_function(task, optimizer)
    batches = iter(task.batches(start, settings.steps - start))
    journal = Journal(
        folder, name=task.name, start=start, steps=settings.steps, photo_ids=task.photo_ids
    )

    def save(step: int) -> None:
        journal.flush(learning_rate=float(optimizer.learning_rate))
        save_checkpoint(path, task.model, optimizer, step=step)

    with stop_requested() as stop, journal:
        for step in range(start + 1, settings.steps + 1):
            asked = time.perf_counter()
            batch = next(batches)
            journal.waited(time.perf_counter() - asked)
            loss, norm = update(batch)
            journal.step(step, loss, norm, batch["index"])
            if step % log.every == 0:
                journal.flush(learning_rate=float(optimizer.learning_rate))
            if step % log.images_every == 0 and task.picture is not None:
                journal.picture(step, task.picture(batch))
            stopping = stop()
            if step % log.checkpoint_every == 0 or step == settings.steps or stopping:
                save(step)
            if stopping:
                raise KeyboardInterrupt


def update_function(
    task: Task, optimizer: keras.optimizers.Optimizer
) -> Callable[[Batch], tuple[tf.Tensor, tf.Tensor]]:
    """One optimisation step as a graph: batch -> mean loss and gradient norm, float [] each."""
    caffe = CaffeGradients(
        task.model,
        weight_decay=task.settings.weight_decay,
        new_layers=task.new_layers,
        new_layer_rate=task.settings.new_layer_rate,
    )

    @tf.function
    def update(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(task.loss(batch))
        gradients = tape.gradient(loss, caffe.variables)
        optimizer.apply(caffe(gradients), caffe.variables)
        return loss, global_norm(gradients)

    return update


def _optimizer(settings: Any, model: keras.Model) -> keras.optimizers.SGD:
    optimizer = sgd(
        learning_rates=settings.learning_rates,
        boundaries=settings.boundaries,
        momentum=settings.momentum,
    )
    optimizer.build(model.trainable_variables)
    return optimizer

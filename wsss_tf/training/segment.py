"""Stage segment: the fully convolutional network learns from tags, or from tags and masks."""

from __future__ import annotations

from functools import partial

import keras

from wsss_tf.data import DataSet, training_batches
from wsss_tf.labels import LabelSpace
from wsss_tf.losses import WeakSegmentationLoss
from wsss_tf.nets.fcn import fcn
from wsss_tf.nets.weights import initialise_fcn, take_backbone
from wsss_tf.training.activations import training_network
from wsss_tf.training.checkpoint import load_checkpoint
from wsss_tf.training.localize import load_cam_network
from wsss_tf.training.loop import CHECKPOINT, Task, fit, is_finished
from wsss_tf.training.pictures import training_picture
from wsss_tf.training.run_folder import RunFolder

STAGE = "segment"


def segment(run: RunFolder, dataset: DataSet) -> None:
    """Trains `run`'s segmentation network with its weak loss; goes on where a run was stopped."""
    recipe = run.recipe
    settings = recipe.segment
    model = build_network(run, dataset.labels.num_classes)
    new_layers = _start(run, model, dataset.labels)
    weak_loss = WeakSegmentationLoss(settings.loss, sharpness=settings.sharpness)
    split = recipe.data.train_split
    photos = dataset.photos[split]
    network = training_network(run, model, settings, photos=photos, augment=recipe.augment)

    def loss(batch):
        return weak_loss(network(batch), batch["tags"], batch.get("mask"), batch["valid"])

    def batches(start, steps):
        return network.prepared(
            training_batches(
                dataset,
                split,
                augment=recipe.augment,
                batch_size=settings.batch_size,
                seed=recipe.seed,
                start_step=start,
                steps=steps,
                masks=None if settings.loss == "tags" else run.stage("masks"),
            )
        )

    ids = [photo.id for photo in photos]
    picture = partial(training_picture, model)
    task = Task(STAGE, model, loss, batches, settings, ids, new_layers, picture)
    with network:
        fit(task, run.stage(STAGE), log=recipe.log)


def is_segmented(run: RunFolder) -> bool:
    """Whether the stage has come to its last step."""
    return is_finished(run.stage(STAGE), run.recipe.segment.steps)


def build_network(run: RunFolder, num_classes: int) -> keras.Model:
    """The segmentation network that the recipe describes, at its random start."""
    settings = run.recipe.segment
    return fcn(
        num_classes,
        width=run.recipe.backbone.width,
        field_of_view=settings.field_of_view,
        dropout=settings.dropout,
        seed=run.recipe.seed,
    )


def _start(run: RunFolder, model: keras.Model, labels: LabelSpace) -> tuple[str, ...]:
    """Gives a new network the start that the recipe says; returns the layers left at random."""
    recipe = run.recipe
    new_layers = initialise_fcn(model, recipe.backbone.weights, labels=labels, seed=recipe.seed)
    if recipe.segment.start == "backbone":
        return new_layers
    taken = take_backbone(model, load_cam_network(run, labels.num_tags))
    return tuple(name for name in new_layers if name not in taken)


def load_segmentation_network(run: RunFolder, num_classes: int) -> keras.Model:
    """The trained segmentation network of `run`, for inference."""
    model = build_network(run, num_classes)
    load_checkpoint(run.stage(STAGE) / CHECKPOINT, model)
    return model

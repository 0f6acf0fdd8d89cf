"""Stage localize: the CAM network learns from the tags alone which object is in the photo."""

from __future__ import annotations

import keras
from keras import ops

from wsss_tf.config import AugmentSettings, LocalizeSettings, Recipe
from wsss_tf.data import DataSet, training_batches
from wsss_tf.nets.cam import cam_network
from wsss_tf.nets.weights import initialise_cam
from wsss_tf.training.activations import training_network
from wsss_tf.training.checkpoint import load_checkpoint
from wsss_tf.training.loop import CHECKPOINT, Task, fit, is_finished
from wsss_tf.training.run_folder import RunFolder

STAGE = "localize"


def localize(run: RunFolder, dataset: DataSet) -> None:
    """Trains `run`'s CAM network with sigmoid cross-entropy; goes on where a run was stopped."""
    recipe = run.recipe
    settings = _settings(run)
    model, new_layers = _fresh_network(recipe, dataset)
    split = recipe.data.train_split
    photos = dataset.photos[split]
    augment = whole_photos(recipe.augment, settings.crop)
    network = training_network(run, model, settings, photos=photos, augment=augment)

    def loss(batch):
        return tag_cross_entropy(network(batch)["tag_logits"], batch["tags"])

    def batches(start, steps):
        return network.prepared(
            training_batches(
                dataset,
                split,
                augment=augment,
                batch_size=settings.batch_size,
                seed=recipe.seed,
                start_step=start,
                steps=steps,
            )
        )

    ids = [photo.id for photo in photos]
    with network:
        fit(
            Task(STAGE, model, loss, batches, settings, ids, new_layers),
            run.stage(STAGE),
            log=recipe.log,
        )


def is_localized(run: RunFolder) -> bool:
    """Whether the stage has come to its last step."""
    return is_finished(run.stage(STAGE), _settings(run).steps)


def tag_cross_entropy(logits, tags):
    """Sigmoid cross-entropy summed over classes: logits, tags float [B, K] -> float [B].

    Source: Saleh et al., TPAMI 2017, section 4.2.2.
    """
    return ops.sum(ops.binary_crossentropy(tags, logits, from_logits=True), axis=-1)


def whole_photos(augment: AugmentSettings, crop: int) -> AugmentSettings:
    """`augment` without cuts: a crop that lost an object would still have its tag.

    The photo is fitted into `crop` x `crop` and then at most reduced.
    """
    smallest = min(augment.scale[0], 1.0)
    return augment.model_copy(update={"crop": crop, "side": crop, "scale": (smallest, 1.0)})


def load_cam_network(run: RunFolder, num_tags: int) -> keras.Model:
    """The trained CAM network of `run`, for inference."""
    model = cam_network(num_tags, width=run.recipe.backbone.width)
    load_checkpoint(run.stage(STAGE) / CHECKPOINT, model)
    return model


def _fresh_network(recipe: Recipe, dataset: DataSet) -> tuple[keras.Model, tuple[str, ...]]:
    model = cam_network(dataset.labels.num_tags, width=recipe.backbone.width, seed=recipe.seed)
    return model, initialise_cam(model, recipe.backbone.weights)


def _settings(run: RunFolder) -> LocalizeSettings:
    if run.recipe.localize is None:
        raise ValueError("`localize` must be given in a recipe whose stages have it.")
    return run.recipe.localize

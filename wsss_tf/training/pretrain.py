"""Trains the compact VGG-16 that ships with the package, on generated photos of single objects.

It plays the part of ImageNet's VGG-16: it learns to name what is in a photo, from tags alone, and
what it learns to look at becomes the foreground prior. No mask is ever rendered here.

    python -m wsss_tf.training.pretrain --out wsss_tf/nets/compact_vgg16.npz
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf

from wsss_tf.data.scenes import render_clutter, render_object
from wsss_tf.files import atomic_write
from wsss_tf.labels import label_space
from wsss_tf.training.batch_norm_fold import folded_weights, training_network

WIDTH = 0.125
_TEST_START = 1_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainSettings:
    """How the compact weights are made; the defaults are those of the file that ships.

    Attributes:
        photos: number of photos rendered once and then seen in random crops and flips.
        side: their side in pixels, of which random squares of `crop` are seen.
        empty: share of photos without an object, whose tags are all zero.
        steps, batch_size, learning_rate: of Adam; the rate warms up, then falls as a cosine.
        seed: of the photos, the start and the order.
    """

    photos: int = 6000
    side: int = 96
    crop: int = 80
    empty: float = 0.25
    steps: int = 2500
    batch_size: int = 32
    learning_rate: float = 2e-3
    seed: int = 0


def tagged_photos(settings: PretrainSettings, *, start: int, count: int):
    """Renders photos with their tags.

    Returns:
        uint8 [count, side, side, 3] and float32 [count, K], one tag or none each.
    """
    photos = np.zeros((count, settings.side, settings.side, 3), np.uint8)
    tags = np.zeros((count, label_space("scenes").num_tags), np.float32)
    for row in range(count):
        index = start + row
        if row >= (1 - settings.empty) * count:
            photos[row] = render_clutter(settings.seed, index, size=settings.side)
        else:
            photos[row], name = render_object(settings.seed, index, size=settings.side)
            tags[row] = label_space("scenes").tag_vector([name])
    return photos, tags


def random_batches(photos, tags, settings: PretrainSettings) -> Iterator[tuple]:
    """Yields batches without end: each photo once a round, randomly cropped and flipped."""
    rng = np.random.default_rng([settings.seed, len(photos)])
    order = np.zeros(0, int)
    while True:
        while len(order) < settings.batch_size:
            order = np.concatenate([order, rng.permutation(len(photos))])
        chosen, order = np.split(order, [settings.batch_size])
        y, x = rng.integers(0, settings.side - settings.crop + 1, 2)
        batch = photos[chosen, y : y + settings.crop, x : x + settings.crop]
        flip = rng.random(len(batch)) < 0.5
        batch[flip] = batch[flip, :, ::-1]
        yield batch, tags[chosen]


def fit(model: keras.Model, batches: Iterator[tuple], settings: PretrainSettings) -> None:
    """Trains in place with sigmoid cross-entropy on the tags."""
    warm_up = max(1, settings.steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        settings.steps - warm_up,
        warmup_target=settings.learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(photos, tags):
        with tf.GradientTape() as tape:
            logits = model(photos, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(tags, logits)
            loss = tf.reduce_mean(tf.reduce_sum(losses, axis=1))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    for number in range(settings.steps):
        photos, tags = next(batches)
        loss = step(tf.constant(photos, tf.float32), tf.constant(tags))
        if number % 100 == 0 or number + 1 == settings.steps:
            logger.info("step %d of %d: loss %.4f", number + 1, settings.steps, float(loss))


def accuracy(model: keras.Model, photos, tags) -> float:
    """Share of the photos with an object whose highest score is their tag's."""
    shown = tags.any(1)
    logits = np.concatenate([model(part, training=False) for part in _parts(photos[shown])])
    return float(np.mean(logits.argmax(1) == tags[shown].argmax(1)))


def _parts(photos):
    return (tf.constant(photos[i : i + 100], tf.float32) for i in range(0, len(photos), 100))


def pretrain(settings: PretrainSettings) -> tuple[dict[str, np.ndarray], float]:
    """Makes the weights.

    Returns:
        `block{i}_conv{j}_kernel` (HWIO) and `_bias` of the 13 convolutions, float32; and the
        accuracy on unseen photos.
    """
    keras.utils.set_random_seed(settings.seed)
    photos, tags = tagged_photos(settings, start=0, count=settings.photos)
    model = training_network(label_space("scenes").num_tags, width=WIDTH, seed=settings.seed)
    fit(model, random_batches(photos, tags, settings), settings)
    unseen = tagged_photos(settings, start=_TEST_START, count=max(10, settings.photos // 8))
    sample = slice(None, None, max(1, settings.photos // 600))
    weights = folded_weights(model, photos[sample], tags[sample].any(1))
    return weights, accuracy(model, *unseen)


def save(path: Path, weights: dict[str, np.ndarray]) -> None:
    """Writes the weights as a compressed .npz of float16: half the size, the same masks."""
    with atomic_write(path) as file:
        halves = {name: w.astype(np.float16) for name, w in weights.items()}
        np.savez_compressed(file, allow_pickle=False, **halves)


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, seed: int) -> None:
    """Trains the compact VGG-16 and writes its convolutions to OUT, an .npz."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    tf.config.experimental.enable_op_determinism()
    weights, correct = pretrain(PretrainSettings(seed=seed))
    save(out, weights)
    click.echo(f"Accuracy on unseen objects: {100 * correct:.1f} %. Written to {out}.")


if __name__ == "__main__":
    main()

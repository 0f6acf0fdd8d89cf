"""Time of loss and gradient beside softmax cross-entropy, on random logits.

    python tests/benchmarks/losses.py [--size 321] [--classes 21] [--batch 1] [--repeats 30] [--xla]

The losses are timed in turn, so that a busy machine slows all of them alike. Trust the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from wsss_tf.losses import WeakSegmentationLoss


def random_batch(batch: int, size: int, classes: int) -> dict[str, tf.Tensor]:
    """Logits, two tags, masks of coarse patches with unknown pixels, and valid pixels."""
    generator = np.random.default_rng(0)
    patches = generator.choice([0, 0, 1, 2, 255], (batch, size // 32 + 1, size // 32 + 1, 1))
    mask = tf.image.resize(patches, (size, size), method="nearest")[..., 0]
    tags = np.zeros((batch, classes - 1), "float32")
    tags[:, :2] = 1
    return {
        "logits": tf.random.stateless_normal((batch, size, size, classes), (0, 0), stddev=3.0),
        "tags": tf.constant(tags),
        "label_map": tf.cast(mask, tf.uint8),
        "valid": tf.ones((batch, size, size), tf.bool),
    }


def cross_entropy(logits, tags, label_map, valid):
    """What a fully supervised step would cost: mean over the known pixels."""
    weights = tf.cast(label_map != 255, tf.float32)
    labels = tf.where(label_map == 255, 0, tf.cast(label_map, tf.int32))
    pixels = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return tf.reduce_sum(weights * pixels, axis=(1, 2)) / tf.reduce_sum(weights, axis=(1, 2))


def with_gradient(loss, xla: bool):
    """A graph function of a batch that computes the loss and its gradient in the logits."""

    @tf.function(jit_compile=xla)
    def step(batch):
        with tf.GradientTape() as tape:
            tape.watch(batch["logits"])
            total = tf.reduce_mean(loss(**batch))
        return total, tape.gradient(total, batch["logits"])

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("size", 321), ("classes", 21), ("batch", 1), ("repeats", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--xla", action="store_true", help="Compile with XLA.")
    options = parser.parse_args()

    batch = random_batch(options.batch, options.size, options.classes)
    kinds = ("tags", "foreground", "multi_class")
    losses = {
        "cross_entropy": cross_entropy,
        **{kind: WeakSegmentationLoss(kind) for kind in kinds},
    }
    steps = {name: with_gradient(loss, options.xla) for name, loss in losses.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step(batch)
    for _ in range(options.repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step(batch)[0].numpy()
            seconds[name].append(time.perf_counter() - start)

    reference = statistics.median(seconds["cross_entropy"])
    sys.stdout.write(f"{'loss':<14} {'median ms':>10} {'least ms':>9} {'ratio':>6}\n")
    for name, times in seconds.items():
        median, least = statistics.median(times), min(times)
        sys.stdout.write(
            f"{name:<14} {1e3 * median:>10.1f} {1e3 * least:>9.1f} {median / reference:>6.2f}\n"
        )


if __name__ == "__main__":
    main()

"""Time of a training step with the multi-class loss beside a bare Keras one, and peak memory.

    python tests/benchmarks/step.py [--size 321] [--width 1] [--classes 21] [--steps 5]

The bare step is forward, softmax cross-entropy, backward and SGD with momentum on the same network;
ours adds tags, masks, valid pixels, Caffe's weight decay, rate factors and the gradient norm. The
two take turns, so that a busy machine slows both alike. Trust the ratio.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from wsss_tf.losses import WeakSegmentationLoss
from wsss_tf.nets.fcn import fcn
from wsss_tf.training.loop import Task, update_function
from wsss_tf.training.optimizer import sgd


def random_batch(size: int, classes: int) -> dict[str, tf.Tensor]:
    """One photo with two tags and a mask of coarse patches."""
    generator = np.random.default_rng(0)
    patches = generator.choice([0, 0, 1, 2, 255], (1, size // 32 + 1, size // 32 + 1, 1))
    mask = tf.image.resize(patches, (size, size), method="nearest")[..., 0]
    photo = generator.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    return {
        "photo": tf.constant(photo),
        "tags": tf.one_hot([0], classes - 1) + tf.one_hot([1], classes - 1),
        "mask": tf.cast(mask, tf.uint8),
        "valid": tf.ones((1, size, size), tf.bool),
    }


def built_sgd(model: keras.Model) -> keras.optimizers.SGD:
    optimizer = sgd(learning_rates=[1e-6], boundaries=[], momentum=0.9)
    optimizer.build(model.trainable_variables)
    return optimizer


def bare_step(model: keras.Model, optimizer: keras.optimizers.Optimizer):
    @tf.function
    def step(batch):
        labels = tf.where(batch["mask"] == 255, 0, tf.cast(batch["mask"], tf.int32))
        with tf.GradientTape() as tape:
            logits = model(batch["photo"], training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def our_step(model: keras.Model, optimizer: keras.optimizers.Optimizer):
    weak_loss = WeakSegmentationLoss("multi_class")

    def loss(batch):
        logits = model(batch["photo"], training=True)
        return weak_loss(logits, batch["tags"], batch["mask"], batch["valid"])

    settings = SimpleNamespace(weight_decay=5e-4, new_layer_rate=10.0)
    task = Task("segment", model, loss, lambda start, steps: (), settings, (), ("fc6", "fc7"))
    update = update_function(task, optimizer)
    return lambda batch: update(batch)[0]


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("size", 321), ("classes", 21), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--only", choices=("ours", "bare"), help="One of the two, for its memory.")
    options = parser.parse_args()

    batch = random_batch(options.size, options.classes)
    model = fcn(options.classes, width=options.width)
    makers = {"bare": bare_step, "ours": our_step}
    names = [options.only] if options.only else list(makers)
    steps = {name: makers[name](model, built_sgd(model)) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step(batch)
    for _ in range(options.steps):
        for name, step in steps.items():
            start = time.perf_counter()
            float(step(batch))
            seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        sys.stdout.write(f"{name}: median {statistics.median(times):.3f} s a step\n")
    if len(names) == 2:
        pairs = [ours / bare for ours, bare in zip(seconds["ours"], seconds["bare"], strict=True)]
        sys.stdout.write(f"ours / bare: median of pairs {statistics.median(pairs):.3f}\n")
    sys.stdout.write(f"peak memory of the process: {peak_mb()} MB\n")


if __name__ == "__main__":
    main()

"""The masks section of the CRF's benchmark: foreground masks with and without it, against truth."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from crf_cases import Case
from crf_peers import prepared

from wsss_tf.crf import unary_energies
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.masks import MaskMaker
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import load_backbone

VOID = 255


def mask_rows(real: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """mIoU of object and background over photos spread over the training list, by method.

    The masks come from the real VGG-16 alone, at the settings of the recipe for real photos. The
    pixel labels score them and do nothing else.
    """
    network = activation_network()
    load_backbone(network, real / "vgg16_imagenet_conv_bgr_fp16.npz")
    maker = MaskMaker(network, kind="foreground", side=options.mask_side, scaling="centred")
    probabilities = tf.function(
        lambda photo: maker.intermediates(photo, tf.ones([1]))["probabilities"],
        input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
    )
    matrices = {name: ConfusionMatrix(2) for name in ("none", *options.modes)}
    seconds = dict.fromkeys(matrices, 0.0)
    paths = _photos(real / "voc_animals", options.masks)
    for number, (photo_path, mask_path) in enumerate(paths):
        photo = read_photo(photo_path)
        truth = read_label_map(mask_path)
        truth = np.where(truth == VOID, VOID, truth > 0)
        methods = {"none": lambda photo=photo: probabilities(photo).numpy()}
        case = Case(photo_path.stem, photo, unary_energies(methods["none"]()).numpy())
        methods |= {mode: prepared(mode, case) for mode in options.modes}
        for name, method in methods.items():
            if number == 0:
                method()  # Traces and loads.
            spent, q = _timed(method)
            seconds[name] += spent
            matrices[name].update(truth, q.argmax(axis=-1))
    for name, matrix in matrices.items():
        background, foreground = matrix.iou().tolist()
        yield {
            "CRF": name if name != "none" else "none, the network",
            "mIoU": matrix.miou(),
            "background": background,
            "foreground": foreground,
            "s a photo": seconds[name] / len(paths),
        }


def _timed(method: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    q = method()
    return time.perf_counter() - start, q


def _photos(folder: Path, count: int) -> list[tuple[Path, Path]]:
    with open(folder / "tags.csv", newline="", encoding="utf-8") as file:
        names = [row["photo"] for row in csv.DictReader(file) if row["split"] == "train"]
    count = min(count, len(names))
    chosen = [names[(2 * n + 1) * len(names) // (2 * count)] for n in range(count)]
    return [(folder / name, folder / "masks" / f"{Path(name).stem}.png") for name in chosen]

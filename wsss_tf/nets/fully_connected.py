"""Starts the FCN's head from VGG-16's fully-connected layers, and its classifier from ILSVRC's."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsss_tf.labels import BACKGROUND, LabelSpace
from wsss_tf.nets.weight_files import WeightFile

ILSVRC_CLASSES = 1000
BACKGROUND_STDDEV = 0.1
# COCO writes some of VOC's classes differently.
_VOC_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}

Parameters = dict[str, NDArray[np.float32]]


class Synset(NamedTuple):
    """An ILSVRC-2012 class: its row in the classifier (0 to 999), WordNet id and first lemma."""

    row: int
    wordnet_id: str
    name: str


def voc_synsets() -> dict[str, tuple[Synset, ...]]:
    """Returns the ILSVRC-2012 classes that each of the 20 VOC classes shares, at least one each."""
    text = resources.files("wsss_tf.nets").joinpath("ilsvrc_voc.json").read_text("utf-8")
    return {
        name: tuple(Synset(*row) for row in rows)
        for name, rows in json.loads(text)["classes"].items()
    }


def full_shapes(fc6: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The kernels that VGG-16 must have for a head whose fc6 kernel has this shape."""
    _, filter_step = _steps(fc6)
    filters = fc6[3] * filter_step
    return {
        "fc6": (49 * fc6[2], filters),
        "fc7": (filters, filters),
        "predictions": (filters, ILSVRC_CLASSES),
    }


def head_start(
    weights: WeightFile, fc6: tuple[int, ...], *, labels: LabelSpace, seed: int
) -> Parameters:
    """Decimates VGG-16's fully-connected layers to fc6, fc7 and the classifier of the FCN.

    The 7x7 window of fc6 becomes 4x4 (every second row and column, all filters) or 3x3 (every
    third, and every fourth filter); the layers after it keep the filters that are left. A class
    starts as the mean over its synsets. The background, and a class that ILSVRC lacks, starts from
    N(0, 0.1) with bias 0.

    Args:
        weights: has fc6, fc7 and predictions with `full_shapes(fc6)`, which the caller checked.
        fc6: shape of the FCN's fc6 kernel, [4, 4, C, F] or [3, 3, C, F].
        labels: the classes of the FCN's classifier.
        seed: of the noise.

    Returns:
        float32 arrays for "fc6_kernel" (HWIO), "fc6_bias", ..., "classifier_bias".

    Source: Chen et al. 2015, Section 3; Saleh et al., TPAMI 2017, Section 4.2.1.
    """
    spatial, step = _steps(fc6)
    window = weights.read("fc6_kernel").reshape(7, 7, fc6[2], -1)
    # Copies, or the views would keep the 400 MB of the full layer alive.
    start = {"fc6_kernel": window[::spatial, ::spatial, :, ::step].copy()}
    del window
    start["fc6_bias"] = weights.read("fc6_bias")[::step]
    start["fc7_kernel"] = weights.read("fc7_kernel")[None, None, ::step, ::step].copy()
    start["fc7_bias"] = weights.read("fc7_bias")[::step]
    predictions = weights.read("predictions_kernel")[::step]
    kernel, bias = _classifier(predictions, weights.read("predictions_bias"), labels, seed)
    return {**start, "classifier_kernel": kernel[None, None], "classifier_bias": bias}


def synsets_of(labels: LabelSpace) -> dict[str, tuple[Synset, ...]]:
    """The synsets of the classes of a label space; classes without one are left out."""
    known = voc_synsets()
    found = {name: known.get(_VOC_NAMES.get(name, name), ()) for name in labels.names}
    return {name: synsets for name, synsets in found.items() if synsets and name != BACKGROUND}


def _classifier(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], labels: LabelSpace, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    noise = np.random.default_rng(seed)
    shape = (len(kernel), labels.num_classes)
    columns = noise.normal(0.0, BACKGROUND_STDDEV, shape).astype(np.float32)
    biases = np.zeros(labels.num_classes, np.float32)
    for name, synsets in synsets_of(labels).items():
        rows = [synset.row for synset in synsets]
        columns[:, labels.index(name)] = kernel[:, rows].mean(axis=1)
        biases[labels.index(name)] = bias[rows].mean()
    return columns, biases


def _steps(fc6: tuple[int, ...]) -> tuple[int, int]:
    # 4x4 keeps rows 0, 2, 4, 6 and all filters; 3x3 keeps rows 0, 3, 6 and every fourth filter.
    return {4: (2, 1), 3: (3, 4)}[math.isqrt(fc6[0] * fc6[1])]

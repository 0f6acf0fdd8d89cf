"""The photos of `region_masks.py`: what the networks say of each, and its truth, found once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wsss_tf.config import CrfSettings, DataSettings
from wsss_tf.data import DataSet, open_dataset, truth_pairs
from wsss_tf.labels import IGNORE
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import load_backbone
from wsss_tf.priors import label_map
from wsss_tf.training import RunFolder
from wsss_tf.training.evaluate import open_run_data
from wsss_tf.training.mask_makers import mask_maker


@dataclass(frozen=True)
class Example:
    """What all methods share of one photo.

    Attributes:
        photo: uint8 [H, W, 3], in natural size.
        truth: uint8 [H, W], 255 where it does not count.
        probabilities: float32 [H, W, L], P of the labels that the tags allow, background first.
        label_map: from such probabilities, sharpened or not, to uint8 [H, W].
    """

    photo: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray
    label_map: Callable[[np.ndarray], np.ndarray]


class Cases(NamedTuple):
    """Examples, how many, their number of classes, and the CRF that their masks are made with."""

    examples: Iterator[Example]
    count: int
    num_classes: int
    crf: CrfSettings


def foreground_cases(real: Path, count: int) -> Cases:
    """Object or background by VGG-16 alone, at the settings of the recipe for real photos."""
    network = activation_network()
    load_backbone(network, real / "vgg16_imagenet_conv_bgr_fp16.npz")
    maker = MaskMaker(network, kind="foreground", side=256, scaling="centred")
    root = real / "voc_animals"
    settings = DataSettings(source="tagged_folder", root=root, label_space="voc")
    dataset = _spread(open_dataset(settings, root=root), "train", count)
    examples = _foreground_examples(maker, dataset, "train")
    return Cases(examples, len(dataset.split("train")), 2, CrfSettings())


def run_cases(path: Path, count: int, *, kind: str | None = None) -> Cases:
    """Training photos of a run with their tags, by the networks and the fusion of its masks.

    Args:
        path: a run.
        count: of photos, spread over the split.
        kind: of the masks, "foreground" or "multi_class"; None for that of the run's recipe.

    Raises:
        WsssError: there is no such run, or its photos or masks cannot be read.
        ValueError: it makes no masks.
    """
    run = RunFolder.existing(path)
    settings = run.recipe.masks.model_copy(update={"kind": kind or run.recipe.masks.kind})
    if settings.kind == "none":
        raise ValueError(f"`path` must be a run that makes masks. Received: {path}.")
    split = run.recipe.data.train_split
    dataset = _spread(open_run_data(run, split), split, count)
    maker = mask_maker(run, dataset.labels, settings)
    maker.crf = None  # Each method has its own.
    crf = settings.crf or CrfSettings()
    if settings.kind == "foreground":
        return Cases(_foreground_examples(maker, dataset, split), count, 2, crf)
    examples = _class_examples(maker, dataset, split)
    return Cases(examples, len(dataset.split(split)), dataset.labels.num_classes, crf)


def _spread(dataset: DataSet, split: str, count: int) -> DataSet:
    """`count` photos of a split, the same ones for the same list of photos."""
    photos = dataset.split(split)
    count = min(count, len(photos))
    chosen = tuple(photos[(2 * n + 1) * len(photos) // (2 * count)] for n in range(count))
    return replace(dataset, photos={split: chosen})


def _foreground_examples(maker: MaskMaker, dataset: DataSet, split: str) -> Iterator[Example]:
    steps = _traced(maker, num_tags=1)
    for _, photo, truth in truth_pairs(dataset, split):
        truth = np.where(truth == IGNORE, IGNORE, truth > 0).astype(np.uint8)
        found = steps(photo, tf.ones([1]))["probabilities"].numpy()
        yield Example(photo, truth, found, lambda p: (p[..., 1] > p[..., 0]).astype(np.uint8))


def _class_examples(maker: MaskMaker, dataset: DataSet, split: str) -> Iterator[Example]:
    steps = _traced(maker, num_tags=dataset.labels.num_tags)
    for (_, photo, truth), tags in zip(
        truth_pairs(dataset, split), dataset.tag_matrix(split), strict=True
    ):
        found = steps(photo, tags)
        decide = functools.partial(
            _class_map, cams=found["cams"], tags=tags, cam_threshold=maker.fusion.cam_threshold
        )
        yield Example(photo, truth, found["probabilities"].numpy()[..., _present(tags)], decide)


def _traced(maker: MaskMaker, *, num_tags: int) -> Callable[..., dict[str, tf.Tensor]]:
    """The mask function up to its probabilities, as one graph for photos of any size."""
    signature = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([num_tags])]
    return tf.function(maker.intermediates, input_signature=signature)


def _present(tags: np.ndarray) -> np.ndarray:
    """bool [K+1]: background and the tagged classes."""
    return np.concatenate([[True], tags != 0])


def _class_map(
    probabilities: np.ndarray, *, cams: tf.Tensor, tags: np.ndarray, cam_threshold: float
) -> np.ndarray:
    """As `MaskMaker` decides, with classes without a tag at 0."""
    full = np.zeros((*probabilities.shape[:2], 1 + len(tags)), np.float32)
    full[..., _present(tags)] = probabilities
    return label_map(full[None], cams[None], tags[None], cam_threshold=cam_threshold)[0].numpy()

"""Pictures of what the network's blocks look at, and of the foreground masks made from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wsss_tf.config import MasksSettings
from wsss_tf.data import DataSet
from wsss_tf.images import read_photo
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import load_backbone
from wsss_tf.priors import resize
from wsss_tf.reports.html.photos import Chosen
from wsss_tf.reports.html.pictures import Strip, strip
from wsss_tf.reports.sheets import heat, labelled
from wsss_tf.training import RunFolder, mask_maker, photo_within, stage_side
from wsss_tf.training.crf import on_cpu
from wsss_tf.training.regions import can_keep_regions, region_source

BLOCKS = (1, 2, 3, 4, 5)


def block_strips(run: RunFolder, dataset: DataSet, chosen: Sequence[Chosen]) -> Iterator[Strip]:
    """Yields for each photo its mean activations by block, their fusion, and foreground masks.

    The masks are of kind foreground whatever the recipe's, without a CRF and, where the recipe has
    one, with it; regions come last.

    Args:
        run: whose masks are not of kind "none".
        dataset: its data.
        chosen: photos with a tag.

    Source: Saleh et al., TPAMI 2017, Fig. 3.
    """
    backbone, settings = run.recipe.backbone, run.recipe.masks
    dilated = settings.activations == "dilated"
    network = activation_network(width=backbone.width, dilated=dilated, blocks=BLOCKS)
    load_backbone(network, backbone.weights)
    variants = foreground_variants(settings)
    makers = {name: mask_maker(run, dataset.labels, one) for name, one in variants.items()}
    keep = can_keep_regions(run)
    for one in chosen:
        whole = read_photo(one.photo.path, max_pixels=run.recipe.data.max_pixels)
        tags = dataset.labels.tag_vector(one.photo.tags)
        side = min(stage_side(maker) for maker in makers.values())
        photo = photo_within(whole, side).numpy()
        seen = photo_within(photo, min(side, settings.side or side)).numpy()
        pictures = {"photo": photo}
        blocks = network(seen[None].astype(np.float32), training=False)
        for block, values in zip(BLOCKS, blocks, strict=True):
            pictures[f"block {block}"] = heat(photo, _mean_activation(values, photo.shape[:2]))
        for name, maker in makers.items():
            regions = region_source(run, variants[name].crf, keep=keep)
            layers = regions and regions(whole, photo.shape[:2])
            with on_cpu():
                steps = maker.intermediates(photo, tags, layers)
            pictures.setdefault("fusion", heat(photo, steps["foreground"].numpy()))
            pictures[name] = labelled(photo, steps["mask"].numpy())
        yield strip(one.heading, one.caption, pictures)


def foreground_variants(settings: MasksSettings) -> dict[str, MasksSettings]:
    """`settings` for foreground masks by title: without a CRF, and with what they have of one."""
    plain = settings.model_copy(update={"kind": "foreground", "crf": None})
    variants = {"mask, no CRF": plain}
    if settings.crf:
        pairwise = settings.crf.model_copy(update={"regions": None})
        variants["mask, CRF"] = plain.model_copy(update={"crf": pairwise})
        if settings.crf.regions:
            variants["mask, CRF + regions"] = plain.model_copy(update={"crf": settings.crf})
    return variants


def stretched(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """A map [H, W] brought to 0..1 by its extremes; a flat one is 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _mean_activation(values: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.floating]:
    mean = np.mean(np.asarray(values), axis=-1, keepdims=True)
    return stretched(resize(mean, size).numpy()[0, ..., 0])

"""From photos and tags to masks, of one or of many settings, in one pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wsss_tf.config import MasksSettings
from wsss_tf.data import DataSet, Photo, named_errors, photo_dataset
from wsss_tf.images import enlarged
from wsss_tf.masks import MaskMaker
from wsss_tf.training.mask_makers import mask_maker, shared_settings, stage_side
from wsss_tf.training.regions import RegionsInPipeline, region_source
from wsss_tf.training.run_folder import RunFolder

Example = dict[str, Any]


def made_masks(
    run: RunFolder,
    dataset: DataSet,
    photos: Sequence[Photo],
    settings: MasksSettings | None = None,
    *,
    keep_regions: bool = True,
) -> Iterator[tuple[Photo, np.ndarray]]:
    """Makes the masks of any photos of a data set from their tags.

    Args:
        run: whose trained CAM network makes masks of kind multi_class.
        dataset, photos: of which to make masks, in order.
        settings: of the masks; None for those of `run`'s recipe.
        keep_regions: whether to read and write the regions of the CRF in the run's
            `regions_folder`, where `fill_regions` finds them in parallel. No mask changes.

    Yields:
        Each photo, and its mask, uint8 [H, W] in the photo's own grid: 0 background, then 1 for
        kind foreground and the ids of `dataset.labels` for multi_class.

    Raises:
        DataError: a photo cannot be read.
        CheckpointError: the run has no trained CAM network, and the masks need one.
    """
    alone = [settings or run.recipe.masks]
    for photo, (mask,) in masks_of_many(run, dataset, photos, alone, keep_regions=keep_regions):
        yield photo, mask


def masks_of_many(
    run: RunFolder,
    dataset: DataSet,
    photos: Sequence[Photo],
    group: Sequence[MasksSettings],
    *,
    keep_regions: bool = True,
) -> Iterator[tuple[Photo, list[np.ndarray]]]:
    """As `made_masks`, of every settings of a group; the networks run once a photo.

    Args:
        run, dataset, photos, keep_regions: as for `made_masks`.
        group: one of `groups_of` the photos.

    Yields:
        Each photo, and its masks in the group's order, as `made_masks` gives each.

    Raises:
        DataError, CheckpointError: as `made_masks`.
    """
    shared = shared_settings(group)
    networks = mask_maker(run, dataset.labels, shared)
    # Where the group's sides differ, no photo is larger than either.
    examples = photo_dataset(photos, dataset.labels, side=stage_side(networks))
    added = _regions(run, photos, group, keep=keep_regions)
    for regions in added.values():
        examples = examples.map(regions)
    if added:
        examples = examples.prefetch(1)
    examples = examples.map(_looking(networks))
    for place, one in enumerate(group):
        maker = mask_maker(run, dataset.labels, one, networks=networks)
        chosen = [shared.blocks.index(block) for block in one.blocks]
        own = added.get(one.crf.regions) if one.crf else None
        examples = examples.map(_finishing(maker, chosen, own, f"mask{place}"))
    names = ["index", *(f"mask{place}" for place in range(len(group)))]
    examples = examples.map(lambda example: {name: example[name] for name in names})
    named = named_errors(examples.with_options(_one_at_a_time()).prefetch(1), photos)
    try:
        for example in tqdm(named, total=len(photos), desc="masks", unit="photo"):
            photo = photos[int(example["index"])]
            masks = [example[name].numpy() for name in names[1:]]
            yield photo, [enlarged(mask, (photo.height, photo.width)) for mask in masks]
    except tf.errors.OpError:
        for regions in added.values():
            if regions.error:
                raise regions.error from None
        raise


def _regions(
    run: RunFolder, photos: Sequence[Photo], group: Sequence[MasksSettings], *, keep: bool
) -> dict[Any, RegionsInPipeline]:
    """What adds the regions of the group's CRFs to examples, by the settings of the regions."""
    added: dict[Any, RegionsInPipeline] = {}
    paths, max_pixels = [photo.path for photo in photos], run.recipe.data.max_pixels
    for crf in {one.crf.regions: one.crf for one in group if one.crf}.values():
        source = region_source(run, crf, keep=keep)
        if source:
            name = f"regions{len(added)}"
            adding = RegionsInPipeline(source, paths, max_pixels=max_pixels, name=name)
            added[crf.regions] = adding
    return added


def _looking(networks: MaskMaker) -> Callable[[Example], Example]:
    """Adds what the networks make of a photo: "blocks", and "cams" where they have a place."""

    def look(example: Example) -> Example:
        blocks, cams = networks.maps(example["photo"])
        found = {**example, "blocks": tuple(blocks)}
        return found if cams is None else {**found, "cams": cams}

    return look


def _finishing(
    maker: MaskMaker, chosen: Sequence[int], regions: RegionsInPipeline | None, name: str
) -> Callable[[Example], Example]:
    """Adds the mask of one settings, of some of the blocks."""

    def finish(example: Example) -> Example:
        blocks = [example["blocks"][place] for place in chosen]
        cams = example["cams"] if maker.kind == "multi_class" else None
        layers = None if regions is None else example[regions.name]
        steps = maker.intermediates(example["photo"], example["tags"], layers, maps=(blocks, cams))
        return {**example, name: steps["mask"]}

    return finish


def _one_at_a_time() -> tf.data.Options:
    """Keeps maps apart and in line: CRFs side by side would each take their memory."""
    options = tf.data.Options()
    options.experimental_optimization.map_fusion = False
    options.experimental_optimization.map_parallelization = False
    return options

"""What makes masks from a recipe's settings, and which settings can share their networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsss_tf.config import MasksSettings
from wsss_tf.data import Photo
from wsss_tf.labels import LabelSpace
from wsss_tf.masks import MaskMaker
from wsss_tf.nets.joint import joint_network
from wsss_tf.nets.vgg import activation_network
from wsss_tf.nets.weights import load_backbone
from wsss_tf.priors import Views
from wsss_tf.training.crf import CRF_SIDE, dense_crf
from wsss_tf.training.localize import load_cam_network
from wsss_tf.training.run_folder import RunFolder

# Masks of larger photos are made at this longer side, or with a CRF at its own, and enlarged: some
# hundred MB, not many GB.
MAX_SIDE = 2048


def mask_maker(
    run: RunFolder,
    labels: LabelSpace,
    settings: MasksSettings | None = None,
    *,
    networks: MaskMaker | None = None,
) -> MaskMaker:
    """The mask function that `settings` describe, with `run`'s trained CAM network.

    Args:
        run: needs no CAM network for masks of kind foreground.
        labels: of the tags.
        settings: None for those of `run`'s recipe.
        networks: a maker of `shared_settings`, whose networks take the place of new ones. Call
            `intermediates` alone, with maps that are picked from its own.
    """
    settings = settings or run.recipe.masks
    if networks is None:
        activations, cams = _networks(run, labels, settings)
        joint = joint_network(activations, cams) if cams else None
    else:
        activations, cams = networks.activation_network, networks.cam_network
        joint = networks.joint
    return MaskMaker(
        activations,
        cams,
        kind=settings.kind,
        joint=joint,
        side=settings.side,
        views=Views(settings.scales, settings.flip),
        scaling=settings.scaling,
        crf=dense_crf(settings.crf) if settings.crf else None,
        unary=settings.crf.unary if settings.crf else "log",
        combination=settings.combination,
        alpha=settings.alpha,
        cam_threshold=settings.cam_threshold,
        background=settings.background,
        background_score=settings.background_score,
    )


def stage_side(maker: MaskMaker) -> int:
    """Longer side to which the stage reduces a larger photo, in pixels."""
    return _side(maker.crf)


def groups_of(
    settings: Sequence[MasksSettings], photos: Sequence[Photo]
) -> list[tuple[MasksSettings, ...]]:
    """The settings in groups for `masks_of_many`, each once, in order of a group's first.

    The networks of a group look at the photos in the same way: at the same sizes, mirrored or not,
    plain or dilated. Any blocks will do, those that only some want are left out by the others.
    """
    # With a CRF larger photos are reduced further.
    large = any(max(photo.height, photo.width) > CRF_SIDE for photo in photos)
    groups: dict[tuple[Any, ...], list[MasksSettings]] = {}
    for one in dict.fromkeys(settings):
        seen = (one.side, one.scales, one.flip, one.activations, large and _side(one.crf))
        groups.setdefault(seen, []).append(one)
    return [tuple(group) for group in groups.values()]


def shared_settings(group: Sequence[MasksSettings]) -> MasksSettings:
    """Settings of which the networks give all that the group wants."""
    kinds = {one.kind for one in group}
    change = {
        "kind": "multi_class" if "multi_class" in kinds else "foreground",
        "blocks": tuple(sorted({block for one in group for block in one.blocks})),
    }
    return group[0].model_copy(update=change)


def _networks(run: RunFolder, labels: LabelSpace, settings: MasksSettings) -> tuple[Any, Any]:
    backbone = run.recipe.backbone
    activations = activation_network(
        width=backbone.width, dilated=settings.activations == "dilated", blocks=settings.blocks
    )
    load_backbone(activations, backbone.weights)
    multi_class = settings.kind == "multi_class"
    return activations, load_cam_network(run, labels.num_tags) if multi_class else None


def _side(crf: Any) -> int:
    return MAX_SIDE if crf is None else CRF_SIDE

"""From a photo, its tags and regions to the mask that a network learns from, in one graph."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wsss_tf.crf import DenseCRF, unary_energies
from wsss_tf.crf.unary import FORMS
from wsss_tf.priors import (
    Fusion,
    Views,
    class_probabilities,
    foreground_probability,
    label_map,
    mean_over_views,
    resize,
    size_within,
)
from wsss_tf.priors.foreground import SCALINGS, channel_mean, check_choice
from wsss_tf.priors.resizing import check_side
from wsss_tf.priors.views import PLAIN

KINDS = ("foreground", "multi_class")
Maps = tuple[list[tf.Tensor], tf.Tensor | None]
"""Activations of each block, and CAMs; see `MaskMaker.maps`."""


class MaskMaker(tf.Module):
    """Makes the label map of one photo from its tags: networks, priors, CRF, arg max.

    A plain TensorFlow function of (photo, tags) or (photo, tags, regions), of any photo size: call
    it eagerly, in `tf.function` or `Dataset.map`, save it in a SavedModel; without a CRF, convert
    it to ONNX.

    Args:
        activation_network: photo [B, H, W, 3] -> list of float [B, h, w, C], the blocks whose
            activations make up the foreground probability.
        cam_network: photo -> {"cams": float [B, h, w, K], ...}; needed for "multi_class" only.
        kind: "multi_class" gives 0 for background and k for the k-th class; "foreground" 0 and 1.
        joint: both networks as one, of `nets.joint.joint_network`, which then runs in their place;
            None runs them one after the other, of the same result.
        side: the longer side, in pixels, at which the networks look at a larger photo; None is the
            photo's own. The result has the photo's own size either way.
        views: further sizes, of what `side` leaves, and mirror images at which the networks look.
            Each block's channel mean, and each CAM cut at 0, is then the mean over the views, in
            the grid of the largest and with every view's own magnitudes. One plain view by default.
        scaling: of the foreground probability, see `priors.foreground_probability`.
        crf: sharpens the probabilities at the photo's own size, among background and the photo's
            classes alone; None leaves them as they are.
        unary: the form of the CRF's unary energies, see `crf.unary_energies`.
        **fusion: fields of `priors.Fusion`, for "multi_class".

    Raises:
        ValueError: for an unknown choice, a number out of range or a missing CAM network.

    Source: Saleh et al., TPAMI 2017, section 3.1.
    """

    def __init__(
        self,
        activation_network: keras.Model,
        cam_network: keras.Model | None = None,
        *,
        kind: str,
        joint: keras.Model | None = None,
        side: int | None = None,
        views: Views = PLAIN,
        scaling: str = "min_max",
        crf: DenseCRF | None = None,
        unary: str = "log",
        **fusion: Any,
    ) -> None:
        super().__init__()
        check_choice("kind", kind, KINDS)
        if kind == "multi_class" and cam_network is None:
            raise ValueError(
                "`cam_network` must be given for multi-class masks. Received: None. "
                'Without one, make kind="foreground" masks.'
            )
        check_choice("scaling", scaling, SCALINGS)
        check_choice("unary", unary, FORMS)
        if side is not None:
            check_side(side)
        self.activation_network = activation_network
        self.cam_network = cam_network if kind == "multi_class" else None
        self.joint = joint if kind == "multi_class" else None
        self.kind = kind
        self.side = side
        self.views = views
        self.scaling = scaling
        self.crf = crf
        self.unary = unary
        self.fusion = Fusion(**fusion)

    def __call__(self, photo: Any, tags: Any, regions: Any = None) -> tf.Tensor:
        """The label map of a photo.

        Args:
            photo: uint8 [H, W, 3], RGB.
            tags: [K], nonzero for the photo's classes. No background column.
            regions: int [layers, H, W], partitions for the CRF's region term (Eq. 8); None for
                the pairwise terms alone.

        Returns:
            uint8 [H, W]: 0 background, then 1 for "foreground" and 1..K for "multi_class". A photo
            without tags is background.

        Raises:
            ValueError: for inputs of another rank or size, or regions without a CRF.
        """
        return self.intermediates(photo, tags, regions)["mask"]

    def intermediates(
        self, photo: Any, tags: Any, regions: Any = None, *, maps: Maps | None = None
    ) -> dict[str, Any]:
        """The label map of a photo and what it is made of, for figures.

        Args as `__call__`, and:
            maps: what `maps` gave for the photo, so that several settings share the networks' work;
                None asks the networks.

        Returns:
            "activations": list of float32 [h, w], the channel mean of each block; "foreground":
            float32 [H, W], P_f; "probabilities": float32 [H, W, 2 or K+1], P; with a CRF "refined",
            P after it; "mask": as `__call__`; for "multi_class" "cams": float32 [h, w, K],
            unscaled. Sizes [h, w] are those of the largest view.
        """
        photo, tags = tf.convert_to_tensor(photo), tf.convert_to_tensor(tags)
        _check(photo, tags)
        if regions is not None:
            regions = _checked_regions(regions, self.crf)
        size = tf.shape(photo)[:2]
        blocks, cams = maps or self.maps(photo)
        foreground = foreground_probability(blocks, size, scaling=self.scaling)
        steps = {
            "activations": [tf.reduce_mean(tf.cast(b[0], tf.float32), axis=-1) for b in blocks],
            "foreground": foreground[0],
        }
        if cams is not None:
            steps["cams"] = tf.cast(cams, tf.float32)[0]
        present = self._labels_present(tags)
        steps["probabilities"] = self._probabilities(steps, tags, present)
        if self.crf is not None:
            before = steps["probabilities"]
            steps["refined"] = self._refined(self.crf, photo, regions, before, present)
        steps["mask"] = self._label_map(steps, tags)
        return steps

    def maps(self, photo: Any) -> Maps:
        """What the networks make of a photo, before tags and regions come in.

        Args:
            photo: uint8 [H, W, 3], RGB.

        Returns:
            Activations, list of float [1, h, w, C], one a block, and CAMs, float [1, h, w, K]; None
            for "foreground". Of several views the means: of activations over channels, too, and of
            CAMs where evidence against a class counts as none.
        """
        photo = tf.convert_to_tensor(photo)
        seen = self._as_seen(photo, tf.shape(photo)[:2])
        if self.views == PLAIN:
            return self._looked(seen)

        def looked(photo: tf.Tensor) -> list[tf.Tensor]:
            blocks, cams = self._looked(photo)
            means = [channel_mean(block) for block in blocks]
            return means if cams is None else [*means, tf.nn.relu(cams)]

        found = mean_over_views(seen, self.views, looked)
        return (found, None) if self.cam_network is None else (found[:-1], found[-1])

    def _looked(self, photo: tf.Tensor) -> Maps:
        """The same of one view, as the networks give it."""
        if self.joint is not None:
            outputs = self.joint(photo, training=False)
            return list(outputs["activations"]), outputs["cams"]
        blocks = _as_list(self.activation_network(photo, training=False))
        if self.cam_network is None:
            return blocks, None
        return blocks, self.cam_network(photo, training=False)["cams"]

    def _labels_present(self, tags: tf.Tensor) -> tf.Tensor:
        """bool [2 or K+1]: background, and the labels that the tags allow."""
        tagged = tags != 0
        if self.cam_network is None:
            tagged = tf.reduce_any(tagged, keepdims=True)
        return tf.concat([[True], tagged], axis=0)

    def _probabilities(
        self, steps: dict[str, Any], tags: tf.Tensor, present: tf.Tensor
    ) -> tf.Tensor:
        foreground = steps["foreground"]
        if self.cam_network is None:
            object_share = tf.cast(present[1], tf.float32) * foreground
            return tf.stack([1.0 - object_share, object_share], axis=-1)
        cams = steps["cams"][None]
        return class_probabilities(cams, foreground[None], tags[None], self.fusion)[0]

    def _refined(
        self,
        crf: DenseCRF,
        photo: tf.Tensor,
        regions: tf.Tensor | None,
        probabilities: tf.Tensor,
        present: tf.Tensor,
    ) -> tf.Tensor:
        """P after a CRF over the labels present; the others keep a probability of 0."""

        def refined() -> tf.Tensor:
            taking_part = tf.boolean_mask(probabilities, present, axis=2)
            unary = unary_energies(taking_part, form=self.unary)
            # Eq. 8 is of P itself, which the energies of Eq. 7 no longer tell.
            given = None if regions is None else taking_part
            sharpened = crf(photo, unary, regions=regions, region_probabilities=given)
            columns = tf.cumsum(tf.cast(present, tf.int32)) - 1
            spread = tf.where(present, tf.gather(sharpened, columns, axis=-1), 0.0)
            return tf.ensure_shape(spread, probabilities.shape)

        # Without a tag there is nothing to tell apart.
        return tf.cond(tf.reduce_any(present[1:]), refined, lambda: probabilities)

    def _label_map(self, steps: dict[str, Any], tags: tf.Tensor) -> tf.Tensor:
        probabilities = steps.get("refined", steps["probabilities"])
        if self.cam_network is None:
            return tf.cast(probabilities[..., 1] > probabilities[..., 0], tf.uint8)
        return label_map(
            probabilities[None],
            steps["cams"][None],
            tags[None],
            cam_threshold=self.fusion.cam_threshold,
        )[0]

    def _as_seen(self, photo: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """The photo as the networks look at it: float32 [1, h, w, 3]."""
        batch = tf.cast(photo, tf.float32)[None]
        if self.side is None:
            return batch
        return resize(batch, size_within(size, self.side))


def _check(photo: tf.Tensor, tags: tf.Tensor) -> None:
    """Raises ValueError for a photo or tags of another rank, a batch for instance."""
    if photo.shape.rank != 3 or photo.shape[-1] != 3:
        raise ValueError(
            "`photo` must have the shape [height, width, 3]. "
            f"Received: photo.shape={photo.shape}. Masks are made one photo at a time."
        )
    if tags.shape.rank != 1:
        raise ValueError(
            "`tags` must have the shape [classes]. "
            f"Received: tags.shape={tags.shape}. Masks are made one photo at a time."
        )


def _checked_regions(regions: Any, crf: DenseCRF | None) -> tf.Tensor:
    """Raises ValueError for regions of another rank, or that no CRF would look at."""
    regions = tf.convert_to_tensor(regions)
    if crf is None or regions.shape.rank != 3:
        raise ValueError(
            "`regions` must have the shape [layers, height, width], and are for a CRF only. "
            f"Received: regions.shape={regions.shape}, {'a' if crf else 'no'} CRF."
        )
    return regions


def _as_list(outputs: Any) -> list[tf.Tensor]:
    """A network of one block returns that block, not a list of it."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

"""What a run makes of photos, from pixels to label maps, in operations that a file can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from wsss_tf.config import CrfSettings
from wsss_tf.crf import unary_energies
from wsss_tf.priors import Views, mean_over_views, resize, size_within
from wsss_tf.priors.views import PLAIN
from wsss_tf.training import RunFolder, photo_within
from wsss_tf.training.crf import CRF_SIDE, dense_crf
from wsss_tf.training.predict import GRID_SIDE, MAX_SIDE
from wsss_tf.training.segment import load_segmentation_network

Answers = dict[str, tf.Tensor]
"""`labels` uint8 [B, H, W] and `probabilities` float32 [B, h, w, classes]."""


class Inference:
    """A segmentation network as functions of pixels, as `training.Predictor` has it.

    Called on pixels, uint8 [B, H, W, 3] RGB of any batch and size, it returns `labels`,
    uint8 [B, H, W], and `probabilities`, float32 [B, h, w, classes]. The network looks at a photo
    whose longer side is at most `side`, and at a larger one reduced to it. [h, w] is [H, W], or
    that reduced to a longer side of `GRID_SIDE`: on a phone's photo probabilities of 21 classes
    would take a gigabyte.

    Args:
        model: the Keras network, photo [B, H, W, 3] -> logits [B, H, W, classes].
        views: the scales at which it looks at a photo, inside the graph, and whether mirrored.
        side: the longer side at which it looks, in pixels.
        softmax: logits -> probabilities over the last axis.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        views: Views = PLAIN,
        side: int = MAX_SIDE,
        softmax: Callable[[tf.Tensor], tf.Tensor] = tf.nn.softmax,
    ) -> None:
        self.model, self.views, self.side, self.softmax = model, views, side, softmax
        self.num_classes: int = model.output_shape[-1]

    @classmethod
    def of_run(cls, run: RunFolder) -> Inference:
        """The network of a run, with its recipe's `inference.scales` and `inference.flip`.

        Raises:
            CheckpointError: the run has no trained network, or one that the recipe does not
                describe.
        """
        recipe = run.recipe
        return cls(
            load_segmentation_network(run, run.labels.num_classes),
            views=Views(recipe.inference.scales, recipe.inference.flip),
            side=min(recipe.augment.side or MAX_SIDE, MAX_SIDE),
        )

    def __call__(self, pixels: tf.Tensor) -> Answers:
        return self._answers(pixels, self._probabilities(pixels, GRID_SIDE))

    def sharpened(self, settings: CrfSettings) -> Callable[..., Answers]:
        """The same with a CRF after the network, photo by photo.

        Args:
            settings: of the CRF, in any mode.

        Returns:
            A function of pixels, and of regions if wanted: int32 [B, layers, any, any], ids of 0
            or more, stretched over the photo.
        """
        crf = dense_crf(settings)

        def refined(given: tuple[tf.Tensor, ...]) -> tf.Tensor:
            photo, before, *regions = given
            layers = [nearest(r, tf.shape(before)[:2], axis=1) for r in regions]
            return crf(
                photo_within(photo, CRF_SIDE),
                unary_energies(before, form=settings.unary),
                regions=layers[0] if layers else None,
                region_probabilities=before if layers else None,
            )

        def answers(pixels: tf.Tensor, *regions: tf.Tensor) -> Answers:
            before = self._probabilities(pixels, CRF_SIDE)
            after = tf.map_fn(
                refined,
                (pixels, before, *regions),
                parallel_iterations=1,  # Several at once would only take more memory.
                fn_output_signature=tf.TensorSpec([None, None, self.num_classes]),
            )
            return self._answers(pixels, resize(after, _grid(pixels, GRID_SIDE)))

        return answers

    def _probabilities(self, pixels: tf.Tensor, grid_side: int) -> tf.Tensor:
        (found,) = mean_over_views(
            resize(tf.cast(pixels, tf.float32), _grid(pixels, self.side)),
            self.views,
            lambda seen: [self.model(seen, training=False)],
            size=_grid(pixels, grid_side),
            finish=self.softmax,
        )
        return found

    def _answers(self, pixels: tf.Tensor, probabilities: tf.Tensor) -> Answers:
        labels = tf.cast(tf.argmax(probabilities, axis=-1), tf.uint8)
        return {
            "labels": nearest(labels, tf.shape(pixels)[1:3], axis=1),
            "probabilities": probabilities,
        }


def softmax_by_parts(logits: tf.Tensor) -> tf.Tensor:
    """A softmax over the last axis, float [..., classes], for ONNX.

    The converter moves channels first and then has onnxruntime's softmax work across them, which
    took 85 ms of 650 for 21 classes at 500 x 375; these operations took 8.
    """
    shifted = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    return shifted / tf.reduce_sum(shifted, axis=-1, keepdims=True)


def nearest(maps: Any, size: Any, *, axis: int) -> tf.Tensor:
    """Maps in another grid, each pixel from the one that its centre lies in.

    In whole numbers, so that every runtime takes the same pixel; `images.enlarged` in a graph.

    Args:
        maps: of any type, height and width at `axis` and the one after it; sides below 20,000.
        size: int32 [2], height and width of the result.
        axis: of the height.

    Returns:
        The maps with that height and width.
    """
    for offset in (0, 1):
        old, new = tf.shape(maps)[axis + offset], size[offset]
        places = (2 * tf.range(new) + 1) * old // (2 * new)
        maps = tf.gather(maps, places, axis=axis + offset)
    return maps


def _grid(pixels: tf.Tensor, side: int) -> tf.Tensor:
    return size_within(tf.shape(pixels)[1:3], side)

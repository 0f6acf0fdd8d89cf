"""Label maps of photos from a trained run, through Keras; no tags needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from wsss_tf.config import CrfSettings, InferenceSettings
from wsss_tf.crf import unary_energies
from wsss_tf.errors import DataError
from wsss_tf.files import lies_in
from wsss_tf.images import enlarged, overlay, read_photo, write_label_map, write_photo
from wsss_tf.priors import Views, mean_over_views, resize, size_within
from wsss_tf.training.crf import CRF_SIDE, dense_crf, inference_crf, photo_within
from wsss_tf.training.regions import region_source
from wsss_tf.training.run_folder import RunFolder
from wsss_tf.training.segment import load_segmentation_network

# The network looks at a larger photo in this size, unless the recipe says a smaller one.
MAX_SIDE = 1024
# Classes are decided on at most this grid, so that a phone's photo does not take gigabytes; the
# label map of a larger photo is that grid's, enlarged. A CRF works on `CRF_SIDE` at most.
GRID_SIDE = 2048


class Predictor:
    """The segmentation network of a run, as its last checkpoint has it, and the CRF after it.

    Args:
        run: whose segment stage has at least one checkpoint.
        crf: whether a CRF over all classes sharpens the network's probabilities; None does as the
            recipe's `inference.crf` says.
        scales, flip: at which factors of the size that it would see alone, and whether also
            mirrored, the network looks at a photo; the mean of the views' probabilities counts,
            and goes into the CRF. None is what the recipe's `inference` says. Time is the sum of
            the views', memory that of the largest.
        keep_regions: whether to read and write the regions of the CRF in the run's
            `regions_folder`, rather than to find them for each photo anew. No result changes.

    Attributes:
        crf: the settings of the CRF, or None.
        views: the scales and flip.

    Raises:
        ValueError: for scales as `priors.Views` refuses them.
        CheckpointError: the run has no trained network, or one that the recipe does not describe.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        crf: bool | None = None,
        scales: Sequence[float] | None = None,
        flip: bool | None = None,
        keep_regions: bool = False,
    ):
        self.labels = run.labels
        self.max_pixels = run.recipe.data.max_pixels
        self.crf = inference_crf(run.recipe, crf)
        self.views = _views(run.recipe.inference, scales, flip)
        model = load_segmentation_network(run, self.labels.num_classes)
        side = min(run.recipe.augment.side or MAX_SIDE, MAX_SIDE)
        sharpened = _sharpened(self.crf) if self.crf else None
        grid_side = CRF_SIDE if self.crf else GRID_SIDE
        self._regions = region_source(run, self.crf, keep=keep_regions)
        inputs = [tf.TensorSpec([None, None, 3], tf.uint8)]
        if self._regions:
            inputs.append(tf.TensorSpec([None, None, None], tf.int32))

        @tf.function(input_signature=inputs)
        def probabilities(photo, *regions):
            (found,) = mean_over_views(
                resize(tf.cast(photo, tf.float32)[None], _grid(photo, side)),
                self.views,
                lambda seen: [model(seen, training=False)],
                size=_grid(photo, grid_side),
                finish=tf.nn.softmax,  # Probabilities of views are comparable, their logits not.
            )
            return sharpened(photo, found[0], *regions) if sharpened else found[0]

        self._probabilities = probabilities

    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] RGB -> float32 [h, w, K+1] that sum to 1.

        [h, w] is the photo's own grid, reduced where its longer side is above `GRID_SIDE`.
        """
        if self._regions is None:
            return self._probabilities(photo).numpy()
        height, width = size_within(photo.shape[:2], CRF_SIDE).numpy().tolist()
        return self._probabilities(photo, self._regions(photo, (height, width))).numpy()

    def __call__(self, photo: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] RGB -> uint8 [H, W] label map in the photo's own grid."""
        labels = np.argmax(self.probabilities(photo), axis=-1).astype(np.uint8)
        return enlarged(labels, photo.shape[:2])


def predict_files(
    predictor: Predictor, photos: Sequence[Path], out: Path, *, with_overlay: bool = False
) -> Iterator[tuple[Path, DataError | None]]:
    """Writes out/<stem>.png for each photo, and out/<stem>_overlay.jpg if wanted.

    Raises:
        DataError: a photo lies in `out`; a label map could take its place.

    Yields:
        Each photo and None, or the error that kept it from being read; the others go on.
    """
    for path in photos:
        if lies_in(path, out):
            raise DataError(f"{path}: lies in --out, where label maps are written. Choose another.")
    for path in photos:
        try:
            photo = read_photo(path, max_pixels=predictor.max_pixels)
        except DataError as error:
            yield path, error
            continue
        labels = predictor(photo)
        write_label_map(out / f"{path.stem}.png", labels)
        if with_overlay:
            write_photo(out / f"{path.stem}_overlay.jpg", overlay(photo, labels))
        yield path, None


def _views(settings: InferenceSettings, scales: Sequence[float] | None, flip: bool | None) -> Views:
    return Views(
        settings.scales if scales is None else tuple(scales),
        settings.flip if flip is None else flip,
    )


def _sharpened(settings: CrfSettings) -> Callable[..., tf.Tensor]:
    """A CRF over all classes: from probabilities at `CRF_SIDE` to the photo's grid."""
    crf = dense_crf(settings)

    def probabilities(
        photo: tf.Tensor, before: tf.Tensor, regions: tf.Tensor | None = None
    ) -> tf.Tensor:
        unary = unary_energies(before, form=settings.unary)
        given = None if regions is None else before
        reduced = photo_within(photo, CRF_SIDE)
        after = crf(reduced, unary, regions=regions, region_probabilities=given)
        return resize(after[None], _grid(photo, GRID_SIDE))[0]

    return probabilities


def _grid(photo: tf.Tensor, side: int) -> tf.Tensor:
    return size_within(tf.shape(photo)[:2], side)

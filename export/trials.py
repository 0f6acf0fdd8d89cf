"""Which form is held against which Keras model: each against the one with the same CRF."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.config import CrfSettings, RegionSettings
from wsss_tf.export.contract import CRF_FILE, SAVED_MODEL, Parts
from wsss_tf.export.forms import (
    FindRegions,
    Form,
    onnx_crf_form,
    onnx_form,
    saved_forms,
    saved_regions_form,
)
from wsss_tf.export.parity import Row, compared
from wsss_tf.export.samples import Sample
from wsss_tf.images import enlarged
from wsss_tf.priors import size_within
from wsss_tf.training import Predictor, RunFolder, photo_within
from wsss_tf.training.crf import CRF_SIDE
from wsss_tf.training.regions import region_source


def all_compared(
    folder: Path, run: RunFolder, parts: Parts, crf: CrfSettings | None, samples: Sequence[Sample]
) -> list[Row]:
    """Loads every form in `folder` afresh and compares it; the parity table.

    Args:
        folder: a bundle's, so far as it is built.
        run: that it is of.
        parts: what it holds.
        crf: settings of its CRF, or None.
        samples: photos.
    """
    trials = _Trials(run, samples)
    loaded = tf.saved_model.load(str(folder / SAVED_MODEL)) if parts.saved_model else None
    forms = [onnx_form(folder / file, kind) for kind, file in parts.models.items()]
    trials.add([*forms, *(saved_forms(loaded, crf=False) if loaded else [])], None)
    if crf and loaded:
        pairwise = crf.model_copy(update={"regions": None})
        trials.add(saved_forms(loaded, crf=True), pairwise)
        # Without regions in the recipe the signature is tried on the usual ones.
        regional = crf.model_copy(update={"regions": crf.regions or RegionSettings()})
        trials.add([saved_regions_form(loaded, _regions(run, regional))], regional)
    if crf and parts.onnx:
        network = folder / parts.models["fp32"]
        dense = crf.model_copy(update={"mode": "dense"})
        pairwise = dense.model_copy(update={"regions": None})
        trials.add([onnx_crf_form(network, folder / CRF_FILE, None)], pairwise, reduced=True)
        if dense.regions:
            regions = _regions(run, dense)
            trials.add([onnx_crf_form(network, folder / CRF_FILE, regions)], dense, reduced=True)
    return trials.rows


class _Trials:
    """Comparisons with the Keras model of a run, whatever CRF it is given.

    Attributes:
        rows: of all forms added so far.
    """

    def __init__(self, run: RunFolder, samples: Sequence[Sample]) -> None:
        self.run, self.samples = run, samples
        self.rows: list[Row] = []

    def add(self, forms: Sequence[Form], crf: CrfSettings | None, *, reduced: bool = False) -> None:
        """Compares forms with the model with `crf`; `reduced`: on photos the CRF can take whole."""
        predictor = Predictor(_with_crf(self.run, crf))
        samples = map(_reduced, self.samples) if reduced else self.samples
        self.rows += compared(forms, predictor, samples)


def _with_crf(run: RunFolder, crf: CrfSettings | None) -> RunFolder:
    """The same run, as if its recipe had this CRF at the end."""
    inference = run.recipe.inference.model_copy(update={"crf": crf})
    return RunFolder(run.path, run.recipe.model_copy(update={"inference": inference}))


def _regions(run: RunFolder, crf: CrfSettings) -> FindRegions:
    """Finds the regions of a photo, in the grid of its CRF."""
    source = region_source(run, crf, keep=False)
    if source is None:
        raise ValueError(f"`crf` must have regions. Received: crf.regions={crf.regions}.")

    def regions(photo: NDArray[np.uint8]) -> NDArray[np.int32]:
        height, width = size_within(photo.shape[:2], CRF_SIDE).numpy().tolist()
        return source(photo, (height, width))

    return regions


def _reduced(sample: Sample) -> Sample:
    """A sample as the CRF's own file takes it: with a longer side that the CRF works on."""
    pixels = photo_within(sample.pixels, CRF_SIDE).numpy()
    truth = None if sample.truth is None else enlarged(sample.truth, pixels.shape[:2])
    return dataclasses.replace(sample, pixels=pixels, truth=truth)

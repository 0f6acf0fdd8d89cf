"""A run becomes a bundle: written beside its place, tried on photos, and only then put there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.config import CrfSettings
from wsss_tf.crf import DenseCRF
from wsss_tf.data import DataSet, open_dataset
from wsss_tf.errors import RunError
from wsss_tf.export.card import model_card
from wsss_tf.export.contract import (
    CONTRACT_FILE,
    CRF_FILE,
    SAVED_MODEL,
    Contract,
    Parts,
    contract,
    listed_files,
    onnx_metadata,
)
from wsss_tf.export.crf_onnx import export_crf
from wsss_tf.export.folder import new_folder, require_new
from wsss_tf.export.graphs import Inference
from wsss_tf.export.half import half_precision
from wsss_tf.export.onnx_model import onnx_model
from wsss_tf.export.parity import Row, failed, parity_table
from wsss_tf.export.quantised import write_quantised
from wsss_tf.export.samples import parity_samples, spread
from wsss_tf.export.saved_model import write_saved_model
from wsss_tf.export.tf_serving import FOLDER, MODEL_NAME, write_tf_serving
from wsss_tf.export.trials import all_compared
from wsss_tf.export.warmup import write_warmup
from wsss_tf.files import write_json, write_text
from wsss_tf.images import read_photo
from wsss_tf.training import RunFolder, inference_crf
from wsss_tf.training.crf import dense_crf
from wsss_tf.training.segment import is_segmented

CALIBRATION_PHOTOS = 32

Say = Callable[[str], None]


def export_bundle(
    run: RunFolder,
    out: Path,
    parts: Parts,
    *,
    photos: int = 8,
    force: bool = False,
    say: Say = lambda text: None,
) -> Contract:
    """Writes the bundle of a finished run, if every form in it answers as the Keras model does.

    Args:
        run: a finished one, whose data set is at hand.
        out: a new or empty folder.
        parts: what the bundle holds.
        photos: how many the forms are tried on, of the recipe's `data.eval_split`.
        force: whether to write it though a form is below its bar.
        say: told of every step before it begins.

    Returns:
        The content of bundle.json.

    Raises:
        RunError: the run is unfinished; `out` is not empty or cannot be written; or a form is
            below its bar, with the table of all. Nothing is written then.
        CheckpointError, DataError: the network or the data set cannot be used.
    """
    require_new(out)
    _require_finished(run)
    work = _Work(run, parts, say)
    with new_folder(out) as folder:
        with _write_errors(out):
            work.write(folder)
        rows = work.rows(folder, photos)
        below = failed(rows)
        if below and not force:
            raise RunError(_refusal(out, below, rows))
        about = {**work.about, "parity": rows, "forced": bool(below)}
        write_text(folder / "README.md", model_card(about, run))
        about["files"] = listed_files(folder)
        write_json(folder / CONTRACT_FILE, about)
    return about


@dataclass
class _Work:
    """The steps of an export, in order: `write`, then `rows`."""

    run: RunFolder
    parts: Parts
    say: Say
    crf: CrfSettings | None = field(init=False)
    inference: Inference = field(init=False)
    dataset: DataSet = field(init=False)
    about: Contract = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.run.recipe
        self.crf = inference_crf(recipe, True) if self.parts.crf else None
        self.dataset = open_dataset(recipe.data, root=self.run.data_root)
        self.run.require_labels(self.dataset.labels)
        self.inference = Inference.of_run(self.run)
        self.about = contract(self.run, self.inference, self.parts, self.crf)

    def write(self, folder: Path) -> None:
        """Every model file."""
        if self.parts.onnx:
            self._write_onnx(folder)
        if self.parts.saved_model:
            self._write_saved_model(folder)

    def rows(self, folder: Path, count: int) -> list[Row]:
        """The parity table of the files in `folder`."""
        recipe = self.run.recipe
        splits = (recipe.data.eval_split, recipe.data.train_split)
        split = next(name for name in splits if name in self.dataset.photos)
        with tempfile.TemporaryDirectory() as scratch:
            samples = parity_samples(
                self.dataset, split, count=count, side=self.inference.side, scratch=Path(scratch)
            )
        self.say(f"parity: {len(samples)} photos of {split}")
        return all_compared(folder, self.run, self.parts, self.crf, samples)

    def _write_saved_model(self, folder: Path) -> None:
        self.say(f"{SAVED_MODEL}: tracing")
        path, max_pixels = folder / SAVED_MODEL, self.run.recipe.data.max_pixels
        write_saved_model(path, self.inference, crf=self.crf, max_pixels=max_pixels)
        write_warmup(path, model=MODEL_NAME, crf=self.crf is not None)
        write_tf_serving(folder / FOLDER)

    def _write_onnx(self, folder: Path) -> None:
        files, metadata = self.parts.models, onnx_metadata(self.about)
        for file in files.values():
            (folder / file).parent.mkdir(exist_ok=True)
        self.say(f"{files['fp32']}: converting")
        model = onnx_model(self.inference, metadata=metadata)
        onnx.save(model, folder / files["fp32"])
        if "fp16" in files:
            self.say(f"{files['fp16']}: converting")
            onnx.save(half_precision(model), folder / files["fp16"])
        if "int8" in files:
            photos = spread(
                self.dataset.photos[self.run.recipe.data.train_split], CALIBRATION_PHOTOS
            )
            self.say(f"{files['int8']}: taking ranges from {len(photos)} training photos")
            pixels = (_pixels(photo.path, photo.width * photo.height) for photo in photos)
            write_quantised(folder / files["int8"], model, pixels)
        if self.crf:
            self.say(f"{CRF_FILE}: converting")
            layer: DenseCRF = dense_crf(self.crf)
            with_regions = self.crf.regions is not None
            form = self.crf.unary
            path = folder / CRF_FILE
            export_crf(path, layer, form=form, regions=with_regions, metadata=metadata)


def _pixels(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    return read_photo(path, max_pixels=max_pixels)


def _require_finished(run: RunFolder) -> None:
    if not is_segmented(run):
        raise RunError(
            f"{run.path}: must be a finished run. Received: one whose segmentation network is not "
            f"trained to its last step. Call: wsss-tf train {run.path / 'recipe.yaml'} "
            f"--out {run.path}"
        )


def _refusal(out: Path, below: list[str], rows: list[Row]) -> str:
    return (
        f"{out}: not written. Every form must answer as the Keras model does. Received: "
        f"{', '.join(below)} below the bar. Leave it out, or write it all the same with --force.\n"
        f"{parity_table(rows)}"
    )


@contextlib.contextmanager
def _write_errors(out: Path) -> Iterator[None]:
    """TensorFlow has exceptions of its own for a full disk or a folder that is read-only."""
    try:
        yield
    except tf.errors.OpError as error:
        # Behind the names of operations and temporary files, and before where it happened.
        reason = error.message.split(" [Op:")[0].rsplit("; ", 1)[-1]
        raise RunError(
            f"{out}: cannot be written: {reason}. Free space, or choose a folder you may write to."
        ) from error

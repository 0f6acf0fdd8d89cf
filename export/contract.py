"""What a bundle says of itself: bundle.json, and the metadata inside each of its ONNX files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsss_tf import __version__
from wsss_tf.config import CrfSettings, recipe_digest
from wsss_tf.export.graphs import Inference
from wsss_tf.export.tf_serving import SECTION
from wsss_tf.files import sha256
from wsss_tf.labels import IGNORE, palette
from wsss_tf.training import RunFolder
from wsss_tf.training.crf import CRF_SIDE
from wsss_tf.training.loop import CHECKPOINT
from wsss_tf.training.predict import GRID_SIDE, MAX_SIDE
from wsss_tf.training.segment import STAGE

FORMAT = 1
CONTRACT_FILE = "bundle.json"
ONNX_FILES = {
    "fp32": "onnx/model.onnx",
    "fp16": "onnx/model.fp16.onnx",
    "int8": "onnx/model.int8.onnx",
}
CRF_FILE = "onnx/crf.onnx"
SAVED_MODEL = "saved_model/1"

Contract = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """What a bundle is to hold.

    Args:
        onnx: the ONNX model in float32.
        saved_model: the SavedModel for TensorFlow Serving.
        fp16, int8: further precisions of the ONNX model.
        crf: the forms with a CRF of those that are there.

    Raises:
        ValueError: for no form at all, or a precision without `onnx`.
    """

    onnx: bool = False
    saved_model: bool = False
    fp16: bool = False
    int8: bool = False
    crf: bool = True

    def __post_init__(self) -> None:
        if not (self.onnx or self.saved_model):
            raise ValueError("A bundle must have a form. Received: none. Ask for --onnx, say.")
        if (self.fp16 or self.int8) and not self.onnx:
            raise ValueError("fp16 and int8 are forms of the ONNX model. Ask for --onnx too.")

    @property
    def models(self) -> dict[str, str]:
        """File of each precision of the ONNX model that is wanted."""
        wanted = {"fp32": self.onnx, "fp16": self.fp16, "int8": self.int8}
        return {name: file for name, file in ONNX_FILES.items() if wanted[name]}


def contract(
    run: RunFolder, inference: Inference, parts: Parts, crf: CrfSettings | None
) -> Contract:
    """bundle.json but for its parity table and its files.

    Args:
        run: that is exported.
        inference: its graph.
        parts: what the bundle holds.
        crf: settings of its CRF; None without one.
    """
    colours = palette()[: run.labels.num_classes].tolist()
    views = inference.views
    return {
        "format": FORMAT,
        "wsss_tf": __version__,
        "labels": list(run.labels.names),
        "palette": colours,
        "unknown": IGNORE,
        "input": {
            "name": "pixels",
            "dtype": "uint8",
            "layout": "NHWC",
            "color": "RGB",
            "max_side": MAX_SIDE,
        },
        "outputs": {
            "labels": "uint8 [batch,height,width]",
            "probabilities": "float32 [batch,height,width,classes]",
        },
        "models": parts.models,
        "crf": _crf(run, crf) if crf and parts.onnx else None,
        "saved_model": SAVED_MODEL if parts.saved_model else None,
        "tf_serving": SECTION if parts.saved_model else None,
        "views": {
            "scales": list(views.scales),
            "flip": views.flip,
            "side": inference.side,
            "grid_side": GRID_SIDE,
        },
        "recipe_sha256": recipe_digest(run.recipe),
        "weights_sha256": sha256(run.stage(STAGE) / CHECKPOINT),
    }


def onnx_metadata(about: Contract) -> dict[str, str]:
    """What an ONNX file says of itself, so that it can be told apart without its bundle."""
    return {
        "wsss_tf.format": str(about["format"]),
        "wsss_tf.labels": json.dumps(about["labels"], ensure_ascii=False),
        "wsss_tf.palette": json.dumps(about["palette"]),
        "wsss_tf.input": json.dumps(about["input"]),
        "wsss_tf.views": json.dumps(about["views"]),
        "wsss_tf.weights_sha256": about["weights_sha256"],
        "wsss_tf.recipe_sha256": about["recipe_sha256"],
    }


def listed_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Digest and size of every file below `folder` but bundle.json, by relative path, sorted."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return {
        name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if name != CONTRACT_FILE
    }


def _crf(run: RunFolder, settings: CrfSettings) -> dict[str, Any]:
    """The section "crf"; the ONNX file is of mode dense, whatever the settings say."""
    regions = settings.regions
    return {
        "file": CRF_FILE,
        "regions": regions is not None,
        "region_settings": regions and regions.model_dump(mode="json"),
        "max_side": CRF_SIDE,
        "mode": "dense",
        "by_default": run.recipe.inference.crf is not None,
        "settings": settings.model_dump(mode="json"),
    }

"""Every form of an exported network, loaded from its file and run as its users will run it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from wsss_tf.export.samples import Sample
from wsss_tf.export.saved_model import CRF, JPEG, PIXELS, REGIONS

Found = tuple[NDArray[np.uint8], NDArray[np.float32] | None]
"""Labels [H, W], and probabilities [h, w, classes] where the form gives them."""
FindRegions = Callable[[NDArray[np.uint8]], NDArray[np.int32]]
"""Photo uint8 [H, W, 3] -> regions int32 [layers, h, w]."""


class Form(NamedTuple):
    """A form of the network.

    Attributes:
        name: for the parity table.
        kind: "fp32", "fp16", "int8" or "crf", which decides how closely it must agree.
        answer: from a photo to what the form makes of it.
    """

    name: str
    kind: str
    answer: Callable[[Sample], Found]


def onnx_form(path: Path, kind: str) -> Form:
    """The ONNX model in one precision."""
    session = _session(path)

    def answer(sample: Sample) -> Found:
        labels, found = session.run(["labels", "probabilities"], {"pixels": sample.pixels[None]})
        return labels[0], found[0]

    return Form(f"onnx {kind}", kind, answer)


def onnx_crf_form(network: Path, crf: Path, regions: FindRegions | None) -> Form:
    """The ONNX model with the CRF's own file after it; for photos that need no reducing.

    Without `regions` a file that takes them is given no layer, which leaves their term out.
    """
    first, second = _session(network), _session(crf)
    takes_regions = "regions" in {each.name for each in second.get_inputs()}

    def answer(sample: Sample) -> Found:
        (before,) = first.run(["probabilities"], {"pixels": sample.pixels[None]})
        given = {"photo": sample.pixels, "probabilities": before[0]}
        if regions:
            given["regions"] = regions(sample.pixels)
        elif takes_regions:
            given["regions"] = np.zeros((0, *sample.pixels.shape[:2]), np.int32)
        (found,) = second.run(["refined"], given)
        return found.argmax(axis=-1).astype(np.uint8), found

    return Form("onnx crf" + " with regions" * bool(regions), "crf", answer)


def saved_forms(loaded: Any, *, crf: bool) -> list[Form]:
    """The signatures of a SavedModel for pixels and for JPEG bytes, without regions.

    Args:
        loaded: by `tf.saved_model.load`.
        crf: whether those with a CRF.
    """
    ending, kind = (CRF, "crf") if crf else ("", "fp32")
    pixels, jpeg = (loaded.signatures[name + ending] for name in (PIXELS, JPEG))

    def of_jpeg(sample: Sample) -> Found:
        png = jpeg(image_bytes=tf.constant([sample.jpeg]))["mask_png_bytes"].numpy()[0]
        return np.asarray(Image.open(io.BytesIO(png))), None

    return [
        Form(f"saved_model {PIXELS}{ending}", kind, _of_pixels(pixels)),
        Form(f"saved_model {JPEG}{ending}", kind, of_jpeg),
    ]


def saved_regions_form(loaded: Any, regions: FindRegions) -> Form:
    """The signature of a SavedModel for pixels and regions."""
    name = PIXELS + CRF + REGIONS
    answer = _of_pixels(loaded.signatures[name], regions)
    return Form(f"saved_model {name}", "crf", answer)


def _of_pixels(signature: Any, regions: FindRegions | None = None) -> Callable[[Sample], Found]:
    def answer(sample: Sample) -> Found:
        given = {"pixels": tf.constant(sample.pixels[None])}
        if regions:
            given["regions"] = tf.constant(regions(sample.pixels)[None])
        found = signature(**given)
        return found["labels"].numpy()[0], found["probabilities"].numpy()[0]

    return answer


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

"""What is timed: the forms of a network, each in every case of photo size, batch and CRF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsss_tf.serving.bundle import Bundle

_LOADERS = "wsss_tf.serving.benchmark.loaders"
Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Case:
    """A workload that every form is given.

    Attributes:
        size: height and width of the photos.
        crf: whether the CRF is run as well.
        batch: photos that are given at once.
    """

    size: Size
    crf: bool
    batch: int

    def __str__(self) -> str:
        height, width = self.size
        return f"{height}x{width}, batch {self.batch}{', with CRF' * self.crf}"


@dataclass(frozen=True)
class Form:
    """A form of the network, on a device.

    Attributes:
        name: "onnx", "saved_model" or "server".
        precision, provider: of it; None where they are not known.
        loader: "module:function" that a worker calls to load it. It takes a dict, `options` and
            what the case and the settings add, and returns a function from uint8 [H, W, 3] photos
            of one size to uint8 [H, W] label maps.
        options: for that function; JSON.
        bytes: of its files; None where they are not at hand.
        crf: what the CRF of this form is, "pairwise" or "regions".
        crf_bytes: of the CRF's file, where it has one of its own.
        remote: whether another process does the work, whose memory is not known.
    """

    name: str
    precision: str | None
    provider: str | None
    loader: str
    options: Mapping[str, Any] = field(default_factory=dict)
    bytes: int | None = None
    crf: str = "pairwise"
    crf_bytes: int = 0
    remote: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.precision, self.provider)))

    @property
    def on_gpu(self) -> bool:
        """Whether it takes memory of a device that others might want too."""
        return self.provider not in (None, "cpu")

    def size(self, *, crf: bool) -> int | None:
        """Bytes of the files that are needed, with or without the CRF's."""
        return None if self.bytes is None else self.bytes + (self.crf_bytes if crf else 0)


def onnx_form(
    bundle: Bundle, precision: str, provider: str, *, regions: bool | None = None
) -> Form:
    """The ONNX model in onnxruntime.

    Args:
        bundle: an open one.
        precision, provider: as `Segmenter` takes them.
        regions: of the CRF, as `Segmenter` takes it.

    Raises:
        ValueError: the bundle has no model of that precision.
    """
    files, about = bundle.contract.files, bundle.contract.crf
    with_regions = bool(about and about.regions and regions is not False)
    return Form(
        "onnx",
        precision,
        provider,
        f"{_LOADERS}:onnx",
        {
            "bundle": str(bundle.folder),
            "precision": precision,
            "provider": provider,
            "regions": regions,
        },
        bytes=files[bundle.model_name(precision)].bytes,
        crf="regions" if with_regions else "pairwise",
        crf_bytes=files[about.file].bytes if about else 0,
    )


def saved_model_form(bundle: Bundle, provider: str, *, loader: str) -> Form:
    """The SavedModel, by a loader that is not of this room: it needs TensorFlow.

    Args:
        bundle: an open one.
        provider: "cpu" or "cuda".
        loader: "module:function", as of `Form`.

    Raises:
        ValueError: the bundle has no SavedModel.
    """
    folder = bundle.contract.saved_model
    if folder is None:
        raise ValueError(
            f"The bundle {bundle.folder} must have a SavedModel. Received: one without. Leave "
            "--saved-model out, or export it with --saved-model."
        )
    files = bundle.contract.files.items()
    inside = (entry.bytes for name, entry in files if name.startswith(f"{folder}/"))
    options = {"folder": str(bundle.folder / folder), "provider": provider}
    return Form("saved_model", "fp32", provider, loader, options, bytes=sum(inside))


def server_form(url: str) -> Form:
    """A TensorFlow Serving that runs somewhere, as `Client` reaches it."""
    return Form("server", None, None, f"{_LOADERS}:server", {"url": url}, remote=True)

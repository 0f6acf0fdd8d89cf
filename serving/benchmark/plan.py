"""What is to be timed, checked against the bundle before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsss_tf.errors import WsssError
from wsss_tf.images import MAX_PIXELS
from wsss_tf.serving.address import parse_address
from wsss_tf.serving.benchmark.cases import (
    Case,
    Form,
    Size,
    onnx_form,
    saved_model_form,
    server_form,
)
from wsss_tf.serving.benchmark.providers import onnx_providers, tried
from wsss_tf.serving.bundle import Bundle
from wsss_tf.serving.providers import check_provider

Say = Callable[[str], None]
Reason = Callable[[Form], str | None]
"""Why a form cannot be loaded, or None."""


@dataclass(frozen=True)
class Plan:
    """Forms and cases.

    Args:
        bundle: an open one, with the ONNX model in float32, whose labels the others' are held
            against.
        sizes: heights and widths of the photos.
        batches: how many photos are given at once.
        precisions: of the ONNX model; none stands for all that the bundle has.
        providers: for it; none stands for all that can be used here.
        crf: whether there are cases with the CRF, too.
        regions: whether the CRF has its region term; None: where the bundle's has one.
        saved_model: loader of the SavedModel, as of `Form`; None leaves it out.
        server: address of a TensorFlow Serving; None leaves it out.

    Raises:
        ValueError: the bundle has none of what is asked for, or a value is none of these.
    """

    bundle: Bundle
    sizes: Sequence[Size]
    batches: Sequence[int]
    precisions: Sequence[str] = ()
    providers: Sequence[str] = ()
    crf: bool = False
    regions: bool | None = None
    saved_model: str | None = None
    server: str | None = None

    def __post_init__(self) -> None:
        for precision in ("fp32", *self.precisions):
            self.bundle.model_name(precision)
        for provider in self.providers:
            check_provider(provider)
        if self.server is not None:
            parse_address(self.server)
        if min((side for size in self.sizes for side in size), default=0) < 1:
            raise ValueError(f"`sizes` must be at least one of 1x1. Received: sizes={self.sizes}.")
        if any(height * width > MAX_PIXELS for height, width in self.sizes):
            raise ValueError(
                f"`sizes` must have at most {MAX_PIXELS:,} pixels. Received: sizes={self.sizes}."
            )
        if min(self.batches, default=0) < 1:
            raise ValueError(f"`batches` must be at least one of 1. Received: {self.batches}.")
        self._check_crf()

    @property
    def cases(self) -> list[Case]:
        """Every size, without and with the CRF, in every batch."""
        kinds = (False, True) if self.crf else (False,)
        return [
            Case(size, crf, batch) for size in self.sizes for crf in kinds for batch in self.batches
        ]

    @property
    def reference(self) -> Form:
        """The form whose labels the others' are held against."""
        return onnx_form(self.bundle, "fp32", "cpu", regions=self.regions)

    def forms(self, *, threads: int, scratch: Path, say: Say) -> list[Form]:
        """All that is to be timed; what needs a GPU is tried first.

        Args:
            threads: as of `Settings`.
            scratch: a folder for logs.
            say: told of what is left out.

        Raises:
            WsssError: a provider that was asked for cannot be used, or the server.
        """

        def reason(form: Form) -> str | None:
            return tried(form, threads=threads, scratch=scratch)

        precisions = self.precisions or list(self.bundle.contract.models)
        providers = onnx_providers(
            self.providers, lambda name: reason(self._onnx(precisions[0], name)), say=say
        )
        found = [self._onnx(precision, name) for name in providers for precision in precisions]
        return [*found, *self._saved_models(providers, reason, say), *self._server(reason)]

    def _saved_models(self, providers: Sequence[str], reason: Reason, say: Say) -> list[Form]:
        """On the CPU, and on the GPU where that is timed and TensorFlow has it too."""
        if self.saved_model is None:
            return []
        found = []
        for provider in ("cpu", "cuda"):
            if provider not in providers:
                continue
            form = saved_model_form(self.bundle, provider, loader=self.saved_model)
            lacks = reason(form) if form.on_gpu else None
            if lacks is None:
                found.append(form)
            else:
                say(f"{form}: left out. {lacks}")
        return found

    def _server(self, reason: Reason) -> list[Form]:
        if self.server is None:
            return []
        form = server_form(self.server)
        lacks = reason(form)
        if lacks:
            raise WsssError(f"--server {self.server}: cannot be timed. {lacks}")
        return [form]

    def _onnx(self, precision: str, provider: str) -> Form:
        return onnx_form(self.bundle, precision, provider, regions=self.regions)

    def _check_crf(self) -> None:
        about = self.bundle.contract.crf
        if self.regions is not None and not self.crf:
            raise ValueError("`regions` must go with crf=True: they are a term of the CRF.")
        if self.crf and about is None:
            raise ValueError(
                f"`crf` must be False for the bundle {self.bundle.folder}, which has no CRF. "
                "Received: crf=True. Export it with one."
            )
        if self.regions and about and not about.regions:
            raise ValueError(
                f"`regions` must be False or None: the CRF of the bundle {self.bundle.folder} "
                "takes no regions. Received: regions=True."
            )

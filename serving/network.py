"""The segmentation network of a bundle in an onnxruntime session: batches in, label maps out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import BundleError, DataError
from wsss_tf.serving.bundle import Bundle
from wsss_tf.serving.providers import open_session

_TYPES = {"labels": "tensor(uint8)", "probabilities": "tensor(float)"}


class Network:
    """The network of a bundle, on a device.

    Args:
        bundle: an open one.
        provider, threads: as `open_session` takes them.
        precision: "fp32", "fp16" or "int8".

    Attributes:
        device: where onnxruntime keeps what goes in and comes out, "cpu" or "cuda".

    Raises:
        ValueError: the bundle has no model of that precision, or for an unknown provider.
        BundleError: the model is not the bundle's, or not as its contract says.
        WsssError: as `open_session`.
    """

    def __init__(self, bundle: Bundle, *, provider: str, precision: str, threads: int) -> None:
        name = bundle.model_name(precision)
        self.name = str(bundle.folder / name)
        self.device = "cpu" if provider == "cpu" else "cuda"
        self._input = bundle.contract.input.name
        self._classes = bundle.labels.num_classes
        self._session = open_session(
            bundle.onnx(name), provider=provider, threads=threads, name=self.name
        )
        self._check(bundle)

    def __call__(self, batch: NDArray[np.uint8], *, probabilities: bool) -> NDArray[Any]:
        """Runs photos of one size.

        Args:
            batch: uint8 [B, H, W, 3] RGB.
            probabilities: what is asked for, these or else labels; the other stays on the device.

        Returns:
            Labels, uint8 [B, H, W], or probabilities, float32 [B, H, W, K].

        Raises:
            DataError: onnxruntime failed on it, for want of memory as a rule.
        """
        output = "probabilities" if probabilities else "labels"
        try:
            found = self._bound(batch, output) if self.device != "cpu" else self._run(batch, output)
        except Exception as error:  # onnxruntime's errors have no base of their own.
            height, width = batch.shape[1:3]
            raise DataError(
                f"The network failed on {len(batch)} x {height} x {width} pixels: "
                f"{str(error).splitlines()[0]}. Try --tile, or a smaller --batch-size."
            ) from error
        self._check_found(found, batch, probabilities)
        return found

    def _run(self, batch: NDArray[np.uint8], output: str) -> NDArray[Any]:
        return self._session.run([output], {self._input: batch})[0]

    def _bound(self, batch: NDArray[np.uint8], output: str) -> NDArray[Any]:
        """As `_run`, but only the output that is asked for leaves the device, and once."""
        import onnxruntime

        binding = self._session.io_binding()
        pixels = onnxruntime.OrtValue.ortvalue_from_numpy(batch, self.device, 0)
        binding.bind_ortvalue_input(self._input, pixels)
        for each in _TYPES:  # One that is not bound would be an error of the session.
            binding.bind_output(each, "cpu" if each == output else self.device, 0)
        self._session.run_with_iobinding(binding)
        return binding.get_outputs()[list(_TYPES).index(output)].numpy()

    def _check(self, bundle: Bundle) -> None:
        """Raises BundleError for a model of another bundle, or with other inputs or outputs."""
        about = self._session.get_modelmeta().custom_metadata_map
        labels, digest = about.get("wsss_tf.labels"), about.get("wsss_tf.weights_sha256")
        ours = bundle.contract
        if digest not in (None, ours.weights_sha256) or not _names(labels, ours.labels):
            raise BundleError(f"{self.name}: is the model of another bundle. Export this one anew.")
        inputs = {each.name: (each.type, len(each.shape)) for each in self._session.get_inputs()}
        outputs = {each.name: each.type for each in self._session.get_outputs()}
        wrong = {name for name, kind in _TYPES.items() if outputs.get(name) != kind}
        if inputs != {self._input: ("tensor(uint8)", 4)} or wrong:
            raise BundleError(
                f"{self.name}: must take {self._input!r}, uint8 [batch, height, width, 3], and "
                f"give labels, uint8, and probabilities, float32. Received: {inputs} and {outputs}."
                " Export it with wsss-tf."
            )

    def _check_found(
        self, found: NDArray[Any], batch: NDArray[np.uint8], probabilities: bool
    ) -> None:
        expected = (*batch.shape[:3], self._classes) if probabilities else batch.shape[:3]
        if found.shape != expected:
            raise BundleError(
                f"{self.name}: must give {list(expected)} for {list(batch.shape)}. "
                f"Received: {list(found.shape)}. Export it with wsss-tf."
            )


def _names(told: str | None, labels: tuple[str, ...]) -> bool:
    """Whether the labels that a model's metadata tells, if any, are these."""
    try:
        return told is None or json.loads(told) == list(labels)
    except ValueError:
        return False

"""The SavedModels of `tf_serving_double.py`: loaded by models.config, found by name and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

_STATUS_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"


class Refusal(Exception):
    """An answer that is an error: a status of gRPC by name, and a message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Model:
    """One version of a model; `loaded` keeps its variables alive."""

    version: int
    signatures: Mapping[str, Any]
    loaded: Any

    def signature(self, name: str) -> Any:
        name = name or "serving_default"
        if name not in self.signatures:
            message = f'Serving signature key "{name}" not found.'
            raise Refusal("FAILED_PRECONDITION", message)
        return self.signatures[name]

    def run(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        function = self.signature(signature)
        wanted = function.structured_input_signature[1]
        if set(inputs) != set(wanted):
            message = f"input size does not match signature: {sorted(inputs)} != {sorted(wanted)}"
            raise Refusal("INVALID_ARGUMENT", message)
        try:
            tensors = {
                name: tf.constant(value, wanted[name].dtype) for name, value in inputs.items()
            }
            return dict(function(**tensors))
        except tf.errors.OpError as error:
            raise Refusal(_STATUS_NAMES[error.error_code], error.message) from error
        except (TypeError, ValueError) as error:
            raise Refusal("INVALID_ARGUMENT", str(error)) from error


@dataclass(frozen=True)
class Models:
    """Models by name and version, and their labels."""

    models: dict[str, dict[int, Model]]
    labels: dict[str, dict[str, int]]

    @classmethod
    def load(cls, configs: Iterable[Any], *, any_label: bool, warm_up: bool) -> Models:
        models: dict[str, dict[int, Model]] = {}
        labels = {}
        for config in configs:
            versions = _versions(Path(config.base_path), config.model_version_policy)
            models[config.name] = {
                version: _load(Path(config.base_path) / str(version), version)
                for version in versions
            }
            labels[config.name] = dict(config.version_labels)
            for version in labels[config.name].values():
                if version not in versions and not any_label:
                    raise SystemExit(
                        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign "
                        f"label to version {version} of model {config.name}, which is not "
                        "currently available for inference"
                    )
            for version, model in models[config.name].items():
                if warm_up:
                    _warm_up(Path(config.base_path) / str(version) / _WARM_UP, model)
        return cls(models, labels)

    def find(self, spec: Any) -> Model:
        """The model that a ModelSpec means: of a version, of a label, or the latest."""
        asked = f"Latest({spec.name})"
        versions = self.models.get(spec.name, {})
        number = max(versions, default=0)
        if spec.WhichOneof("version_choice") == "version_label":
            labels = self.labels.get(spec.name, {})
            if spec.version_label not in labels:
                message = f"Unrecognized servable version label: {spec.version_label}"
                raise Refusal("INVALID_ARGUMENT", message)
            number = labels[spec.version_label]
            asked = f"Specific({spec.name}, {number})"
        elif spec.WhichOneof("version_choice") == "version":
            number = spec.version.value
            asked = f"Specific({spec.name}, {number})"
        if number not in versions:
            raise Refusal("NOT_FOUND", f"Servable not found for request: {asked}")
        return versions[number]

    def versions(self, spec: Any) -> list[int]:
        """Those that a status is asked of; as in the real one, a label means all of them."""
        versions = sorted(self.models.get(spec.name, {}))
        if spec.WhichOneof("version_choice") == "version":
            if spec.version.value not in versions:
                message = f"Could not find version {spec.version.value} of model {spec.name}"
                raise Refusal("NOT_FOUND", message)
            return [spec.version.value]
        if not versions:
            raise Refusal("NOT_FOUND", f"Could not find any versions of model {spec.name}")
        return versions


def _versions(base: Path, policy: Any) -> list[int]:
    """By the policy: the latest one, the latest few, all, or some."""
    if not base.is_absolute() or not base.is_dir():
        raise SystemExit(f"Could not find base path {base} for servable")
    found = sorted(int(folder.name) for folder in base.iterdir() if folder.name.isdigit())
    if not found:
        raise SystemExit(f"No versions of servable found under base path {base}")
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return [version for version in policy.specific.versions if version in found]
    return found[-(policy.latest.num_versions or 1) :]


def _load(folder: Path, version: int) -> Model:
    loaded = tf.saved_model.load(str(folder))
    return Model(version, loaded.signatures, loaded)


def _warm_up(path: Path, model: Model) -> None:
    """Replays the requests recorded in a SavedModel; one that fails ends the program."""
    if not path.is_file():
        return
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            raise SystemExit(f"{path}: a warm-up request that this double does not know: {log}")
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        try:
            model.run(request.model_spec.signature_name, inputs)
        except Refusal as refusal:
            raise SystemExit(f"{path}: a warm-up request failed: {refusal}") from refusal

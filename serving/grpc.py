"""TensorFlow Serving's gRPC interface, with the official stubs of the extra [grpc].

Importing this module loads TensorFlow, which the stubs need; `service.open_service` does so for a
grpc:// address and for no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from wsss_tf.errors import ServerError
from wsss_tf.images import MAX_PIXELS
from wsss_tf.serving.address import REST_PORT, Address, ModelChoice
from wsss_tf.serving.service import IMAGE, MASK, failure, shortened

_SIGNATURES = "signature_def"
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    # The label map of the largest photo, stored without packing, still passes.
    ("grpc.max_receive_message_length", MAX_PIXELS + (1 << 24)),
    # `retries.patiently` asks again, and decides when; a server that came back is soon noticed.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Another client's waiting for the same server is not this one's.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcService:
    """A `Service` by gRPC; one channel for all requests.

    Proxies are those of the environment, but none for this machine.

    Args:
        address: of scheme grpc or grpcs. For grpcs gRPC has certificates of its own; the variable
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH of the environment names others.
        choice: the model.
    """

    def __init__(self, address: Address, choice: ModelChoice) -> None:
        self._address, self._choice = address, choice
        options = [*_OPTIONS, ("grpc.enable_http_proxy", int(not address.is_loopback))]
        if address.is_secure:
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(address.target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address.target, options)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, image: bytes, signature: str, *, timeout: float, max_bytes: int) -> bytes:
        """See `Service`."""
        request = predict_pb2.PredictRequest(model_spec=self._spec(), output_filter=[MASK])
        request.model_spec.signature_name = signature
        tensor = request.inputs[IMAGE]
        tensor.dtype = types_pb2.DT_STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(image)
        with self._failures():
            answer = self._prediction.Predict(request, timeout=timeout)
        found: list[bytes] = []
        if MASK in answer.outputs:
            found += answer.outputs[MASK].string_val
        if len(found) != 1 or len(found[0]) > max_bytes:
            raise self._foreign(f"{len(found)} masks, {sum(map(len, found))} bytes")
        return found[0]

    def signatures(self, *, timeout: float) -> tuple[str, ...]:
        """See `Service`."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=[_SIGNATURES]
        )
        with self._failures():
            answer = self._prediction.GetModelMetadata(request, timeout=timeout)
        found = get_model_metadata_pb2.SignatureDefMap()
        if not answer.metadata[_SIGNATURES].Unpack(found):
            raise self._foreign("no signatures")
        return tuple(found.signature_def)

    def versions(self, *, timeout: float) -> dict[str, str]:
        """See `Service`."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._choice.name
        with self._failures():
            answer = self._models.GetModelStatus(request, timeout=timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        return {str(row.version): states.Name(row.state) for row in answer.model_version_status}

    def close(self) -> None:
        """See `Service`; requests that are under way fail."""
        self._channel.close()

    def _spec(self) -> model_pb2.ModelSpec:
        spec = model_pb2.ModelSpec(name=self._choice.name)
        if self._choice.version is not None:
            spec.version.value = self._choice.version
        if self._choice.label is not None:
            spec.version_label = self._choice.label
        return spec

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Errors of gRPC in the block become those of a `Service`."""
        try:
            yield
        except grpc.RpcError as error:
            status, reason = error.code().name, error.details() or ""
            # What gRPC says where HTTP/1.1 is spoken: no waiting helps.
            if status == "UNAVAILABLE" and ("HTTP/2" in reason or "http1" in reason):
                raise self._foreign("HTTP/1.1") from error
            if status == "UNAVAILABLE" and self._address.is_secure and "SSL" in reason:
                raise ServerError(
                    f"{self._address}: no secure connection: {shortened(reason)}. Write grpc:// if "
                    "it has no TLS."
                ) from error
            if status == "UNIMPLEMENTED":
                raise self._foreign("gRPC, but another service") from error
            raise failure(self._address, status, reason) from error
        except ValueError as error:  # Raised where the channel was closed.
            raise ServerError(f"{self._address}: this client is closed: {error}.") from error

    def _foreign(self, found: str) -> ServerError:
        return ServerError(
            f"{self._address}: must be the gRPC interface of TensorFlow Serving. Received: "
            f"{found}. Check host and port; a REST port ({REST_PORT} as a rule) takes "
            f"http://{self._address.target}."
        )

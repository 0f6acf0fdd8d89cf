"""A double of `tensorflow_model_server`, for tests: SavedModels over gRPC and REST.

It is NOT TensorFlow Serving, which is no Python package. It takes that program's flags, reads its
models.config, loads the SavedModels with TensorFlow, replays their warm-up requests, and answers
with the official gRPC stubs, and in JSON as TensorFlow Serving's documentation and source say.

So it shows that requests and answers have the right form and that label maps survive the way there
and back. It cannot show anything about the real server: its speed, batching, memory, threads,
reloading of new versions, monitoring, its exact wording of errors, or that it takes our files. The
test with the real image, run where Docker answers, is for that.

It differs on purpose: a flag that the real program does not have ends it, where the real one goes
on; and it has one flag of its own, --double_faults=FILE, see `Faults`.

    python tests/serving/tf_serving_double.py --port=8500 --rest_api_port=8501 \
        --model_name=wsss_tf --model_base_path=BUNDLE/saved_model
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import grpc
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2
from tf_serving_double_models import Models, Refusal
from tf_serving_double_rest import rest_server

# All that main.cc of TensorFlow Serving has, and one that is the double's own.
FLAGS = """
port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
batching_parameters_file enable_per_model_batching_parameters model_config_file
model_config_file_poll_wait_seconds model_name model_base_path num_load_threads num_unload_threads
max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds
flush_filesystem_caches tensorflow_session_parallelism tensorflow_session_config_file
tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism use_alts_credentials
ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup
version monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model
num_tflite_pools num_tflite_interpreters_per_pool enable_signature_method_name_check
xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler
thread_pool_factory_config_file mixed_precision skip_initialize_tpu enable_grpc_healthcheck_service
enable_serialization_as_tensor_content double_faults
"""
THREADS = 8


class Faults:
    """What goes wrong on purpose: each predict request takes the first line of a file, if any.

    unavailable, exhausted: answered with that status. close: the connection is closed unanswered
    (gRPC: UNAVAILABLE). garbage: an answer in the right form whose PNG is none. delay:SECONDS.
    The file is written whole before the requests that it is for.
    """

    def __init__(self, path: Path | None) -> None:
        self.path, self.lock = path, threading.Lock()

    def take(self) -> str:
        with self.lock:
            if self.path is None or not self.path.is_file():
                return ""
            first, _, rest = self.path.read_text(encoding="utf-8").partition("\n")
            self.path.write_text(rest, encoding="utf-8")
        if first.startswith("delay:"):
            time.sleep(float(first.removeprefix("delay:")))
        elif first == "unavailable":
            raise Refusal("UNAVAILABLE", "The batch scheduling queue is full")
        elif first == "exhausted":
            raise Refusal("RESOURCE_EXHAUSTED", "OOM when allocating tensor")
        return first


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata of the official service."""

    def __init__(self, models: Models, faults: Faults) -> None:
        self.models, self.faults = models, faults

    def Predict(self, request, context):
        with _aborting(context):
            fault = self.faults.take()
            if fault == "close":
                raise Refusal("UNAVAILABLE", "Socket closed")
            model = self.models.find(request.model_spec)
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            answers = model.run(request.model_spec.signature_name, inputs)
            answer = predict_pb2.PredictResponse()
            answer.model_spec.name = request.model_spec.name
            answer.model_spec.version.value = model.version
            for name in request.output_filter or answers:
                if name not in answers:
                    message = f"output tensor alias not found in signature: {name}"
                    raise Refusal("INVALID_ARGUMENT", message)
                value = answers[name] if fault != "garbage" else tf.fill(answers[name].shape, "x")
                # As the real one does: strings in string_val, never in tensor_content.
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return answer

    def GetModelMetadata(self, request, context):
        with _aborting(context):
            model = self.models.find(request.model_spec)
            found = get_model_metadata_pb2.SignatureDefMap()
            for name in model.signatures:
                found.signature_def[name].CopyFrom(meta_graph_pb2.SignatureDef())
            answer = get_model_metadata_pb2.GetModelMetadataResponse()
            answer.model_spec.name = request.model_spec.name
            answer.model_spec.version.value = model.version
            answer.metadata["signature_def"].Pack(found)
            return answer


class Status(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus of the official service."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def GetModelStatus(self, request, context):
        with _aborting(context):
            answer = get_model_status_pb2.GetModelStatusResponse()
            for version in self.models.versions(request.model_spec):
                answer.model_version_status.add(version=version, state="AVAILABLE")
            return answer


@contextlib.contextmanager
def _aborting(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        context.abort(getattr(grpc.StatusCode, refusal.status), str(refusal))


def read_flags(arguments: list[str]) -> dict[str, str]:
    flags = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in FLAGS.split():
            raise SystemExit(f"unknown argument: {argument}")
        if name.endswith("_file") and not Path(value).is_file():
            raise SystemExit(f"Failed to start server. Error: NOT_FOUND: {argument}")
        flags[name] = value or "true"
    return flags


def read_models(flags: dict[str, str]) -> Models:
    config = model_server_config_pb2.ModelServerConfig()
    if "model_config_file" in flags:
        text = Path(flags["model_config_file"]).read_text(encoding="utf-8")
        text_format.Parse(text, config)
    elif "model_base_path" in flags:
        name = flags.get("model_name", "default")
        config.model_config_list.config.add(name=name, base_path=flags["model_base_path"])
    else:
        raise SystemExit("Both server_options.model_base_path and model_config_file are empty!")
    any_label = flags.get("allow_version_labels_for_unavailable_models") == "true"
    warm_up = flags.get("enable_model_warmup", "true") == "true"
    return Models.load(config.model_config_list.config, any_label=any_label, warm_up=warm_up)


def main(arguments: list[str]) -> None:
    """Loads, opens the ports, and serves until a signal ends it; SIGTERM does so at once."""
    flags = read_flags(arguments)
    models = read_models(flags)
    faults = Faults(Path(flags["double_faults"]) if "double_faults" in flags else None)
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(
        ThreadPoolExecutor(THREADS), options=[*unlimited, ("grpc.so_reuseport", 0)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Prediction(models, faults), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Status(models), server)
    port, rest_port = int(flags.get("port", 8500)), int(flags.get("rest_api_port", 0))
    if port:
        server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    sys.stderr.write(f"Running gRPC ModelServer at 0.0.0.0:{port} ...\n")
    if rest_port:
        rest = rest_server(models, faults, rest_port)
        threading.Thread(target=rest.serve_forever, daemon=True).start()
        sys.stderr.write(f"Exporting HTTP/REST API at:localhost:{rest_port} ...\n")
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1:])

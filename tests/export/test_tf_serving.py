"""The files for TensorFlow Serving, each read by the schema that the server reads it with."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import threading

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from wsss_tf.export.compose import CONFIG_MOUNT, FLAGS, IMAGE, MODEL_MOUNT
from wsss_tf.export.tf_serving import FILES, FOLDER, MODEL_NAME, write_tf_serving

# All of TensorFlow Serving's model_servers/main.cc that this project uses or may come to use.
FLAGS_OF_THE_SERVER = {
    "port", "rest_api_port", "rest_api_num_threads", "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support", "enable_batching", "batching_parameters_file",
    "allow_version_labels_for_unavailable_models", "enable_per_model_batching_parameters",
    "model_config_file", "model_config_file_poll_wait_seconds", "model_name", "model_base_path",
    "num_load_threads", "num_unload_threads", "max_num_load_retries", "load_retry_interval_micros",
    "file_system_poll_wait_seconds", "flush_filesystem_caches", "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism", "ssl_config_file",
    "per_process_gpu_memory_fraction", "grpc_channel_arguments", "grpc_max_threads",
    "enable_model_warmup", "num_request_iterations_for_warmup", "monitoring_config_file",
    "enable_grpc_healthcheck_service",
}  # fmt: skip

INT64, INT32, BOOL, STRING, MESSAGE = (
    getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}")
    for kind in ("INT64", "INT32", "BOOL", "STRING", "MESSAGE")
)
WRAPPERS = "google.protobuf."
# tensorflow-serving-api does not bring these two messages. Their fields, with number and type as in
# servables/tensorflow/session_bundle_config.proto and config/monitoring_config.proto.
SCHEMAS = {
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"),
        "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"),
        "num_batch_threads": (4, "Int64Value"),
        "thread_pool_name": (5, "StringValue"),
        "enable_large_batch_splitting": (8, "BoolValue"),
        "max_execution_batch_size": (9, "Int64Value"),
        "pad_variable_length_inputs": (7, BOOL),
    },
    "PrometheusConfig": {"enable": (1, BOOL), "path": (2, STRING)},
    "MonitoringConfig": {"prometheus_config": (1, ".tensorflow.serving.PrometheusConfig")},
}


@pytest.fixture(scope="module")
def schemas():
    """The messages of `SCHEMAS`, as classes."""
    from google.protobuf import wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="server.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, fields in SCHEMAS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number, label=1)
            if isinstance(kind, str):
                added.type = MESSAGE
                added.type_name = kind if kind.startswith(".") else f".{WRAPPERS}{kind}"
            else:
                added.type = kind
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    return {
        name: message_factory.GetMessageClass(find(f"tensorflow.serving.{name}"))
        for name in SCHEMAS
    }


def test_models_are_one_version_with_a_label():
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    found = text_format.Parse(FILES["models.config"], config.ModelServerConfig())
    (model,) = found.model_config_list.config
    assert (model.name, model.base_path) == (MODEL_NAME, MODEL_MOUNT)
    assert model.model_platform == "tensorflow"
    assert list(model.model_version_policy.specific.versions) == [1]
    assert dict(model.version_labels) == {"stable": 1}


def test_requests_are_never_put_together(schemas):
    found = text_format.Parse(FILES["batching.config"], schemas["BatchingParameters"]())
    assert found.enable_large_batch_splitting.value is True
    assert found.max_execution_batch_size.value == 1
    assert found.pad_variable_length_inputs is False
    # What the scheduler itself asks for, and that the largest request fits into an empty queue.
    assert found.max_batch_size.value >= found.max_execution_batch_size.value
    assert found.max_enqueued_batches.value >= found.max_batch_size.value
    assert found.num_batch_threads.value >= 1
    assert found.batch_timeout_micros.value == 0


def test_prometheus_is_on(schemas):
    found = text_format.Parse(FILES["monitoring.config"], schemas["MonitoringConfig"]())
    assert found.prometheus_config.enable is True
    assert found.prometheus_config.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("name", ["BatchingParameters", "MonitoringConfig"])
def test_these_schemas_refuse_what_they_do_not_have(schemas, name):
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch: 1", schemas[name]())


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(FILES["docker-compose.yml"])


def test_a_service_for_the_cpu_and_one_for_a_gpu(compose):
    cpu, gpu = compose["services"]["cpu"], compose["services"]["gpu"]
    assert (cpu["profiles"], gpu["profiles"]) == (["cpu"], ["gpu"])
    assert cpu["image"] == f"${{WSSS_TF_IMAGE:-{IMAGE}}}"
    assert gpu["image"] == f"${{WSSS_TF_IMAGE:-{IMAGE}-gpu}}"
    assert re.fullmatch(r"tensorflow/serving:2\.\d+\.\d+", IMAGE)
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert "deploy" not in cpu


@pytest.mark.parametrize("service", ["cpu", "gpu"])
def test_the_server_is_started_with_flags_it_has(compose, service):
    about = compose["services"][service]
    assert about["entrypoint"] == ["tensorflow_model_server"]
    assert about["command"] == list(FLAGS)
    flags = dict(flag.removeprefix("--").split("=") for flag in FLAGS)
    assert set(flags) <= FLAGS_OF_THE_SERVER
    ports = {flags["port"], flags["rest_api_port"]}
    assert {text.rpartition(":")[2] for text in about["ports"]} == ports
    assert all(text.startswith("${WSSS_TF_HOST:-127.0.0.1}:") for text in about["ports"])


def test_what_is_mounted_is_in_the_bundle_and_what_flags_name_is_mounted(compose, tmp_path):
    write_tf_serving(tmp_path / FOLDER)
    (tmp_path / "saved_model").mkdir()
    mounts = {}
    for text in compose["services"]["cpu"]["volumes"]:
        source, target, mode = text.split(":")
        assert mode == "ro"
        mounts[target] = (tmp_path / FOLDER / source).resolve()
    assert set(mounts) == {MODEL_MOUNT, CONFIG_MOUNT}
    assert mounts[MODEL_MOUNT] == tmp_path / "saved_model"
    files = [flag.partition("=")[2] for flag in FLAGS if CONFIG_MOUNT in flag]
    assert len(files) == 3
    for file in files:
        assert (mounts[CONFIG_MOUNT] / file.removeprefix(f"{CONFIG_MOUNT}/")).is_file()


@pytest.fixture
def status_server():
    """Answers any GET with the status it is given; yields its port and a way to set that."""
    answer = {"text": ""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer["path"] = self.path
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer["text"].encode())

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, answer
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_health_check_tells_available_from_all_else(compose, status_server):
    """Run by this machine's bash: the image has one, and neither curl nor wget."""
    port, answer = status_server
    kind, *command = compose["services"]["cpu"]["healthcheck"]["test"]
    assert kind == "CMD"
    command[-1] = command[-1].replace("$$", "$").replace("/8501", f"/{port}")
    states = {"AVAILABLE": 0, "LOADING": 1, "UNAVAILABLE": 1, "END": 1}
    for state, expected in states.items():
        answer["text"] = f'{{\n "model_version_status": [{{"version": "1", "state": "{state}"}}]}}'
        assert subprocess.run(command, timeout=60).returncode == expected, state
    assert answer["path"] == f"/v1/models/{MODEL_NAME}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_health_check_fails_where_nobody_listens(compose):
    _, *command = compose["services"]["cpu"]["healthcheck"]["test"]
    # Port 1 is for a service that no machine has run for decades.
    command[-1] = command[-1].replace("/8501", "/1")
    assert subprocess.run(command, timeout=60, capture_output=True).returncode != 0


@pytest.mark.parametrize("program", [("docker", "compose"), ("docker-compose",)], ids=" ".join)
def test_docker_compose_reads_it(tmp_path, program):
    """Which needs no daemon."""
    if shutil.which(program[0]) is None:
        pytest.skip(f"no {program[0]}")
    if subprocess.run([*program, "version"], capture_output=True).returncode:
        pytest.skip(f"no {' '.join(program)}")
    (tmp_path / "saved_model").mkdir()
    write_tf_serving(tmp_path / FOLDER)
    file = str(tmp_path / FOLDER / "docker-compose.yml")
    command = [*program, "-f", file, "--profile", "cpu", "--profile", "gpu", "config"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    services = yaml.safe_load(found.stdout)["services"]
    assert services["cpu"]["image"] == IMAGE
    assert services["gpu"]["image"] == f"{IMAGE}-gpu"
    assert services["cpu"]["command"] == list(FLAGS)

"""The text of BUNDLE/tf_serving/docker-compose.yml."""

from __future__ import annotations

IMAGE = "tensorflow/serving:2.21.0"
"""Of the TensorFlow that writes the SavedModel; the GPU's has "-gpu" behind it."""
MODEL_MOUNT = "/models/wsss_tf"
"""Where the bundle's saved_model/ lies in the container."""
CONFIG_MOUNT = "/etc/tf_serving"
"""Where this folder lies in the container."""

FLAGS = (
    "--port=8500",
    "--rest_api_port=8501",
    "--rest_api_timeout_in_ms=120000",
    f"--model_config_file={CONFIG_MOUNT}/models.config",
    "--model_config_file_poll_wait_seconds=30",
    # The label "stable" is given to a version that is still loading when the server starts.
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_batching=true",
    f"--batching_parameters_file={CONFIG_MOUNT}/batching.config",
    f"--monitoring_config_file={CONFIG_MOUNT}/monitoring.config",
    # A damaged model is a server that ends and says why, not one that tries again for 5 minutes.
    "--max_num_load_retries=0",
)
"""Flags of tensorflow_model_server."""

# The image has neither curl nor wget. Its bash opens connections by itself.
_HEALTH = (
    "exec 3<>/dev/tcp/127.0.0.1/8501 && "
    "printf 'GET /v1/models/wsss_tf HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && "
    "timeout 4 grep -q '\"AVAILABLE\"' <&3"
)

_HEADER = """\
# TensorFlow Serving for this bundle. In its folder:
#
#   docker compose -f tf_serving/docker-compose.yml --profile cpu up -d    # or: --profile gpu
#   curl http://127.0.0.1:8501/v1/models/wsss_tf                           # AVAILABLE: it is ready
#   docker compose -f tf_serving/docker-compose.yml --profile cpu down
#
# The server asks nobody who they are, so its ports are open to this machine alone. Behind a proxy
# that does ask, set WSSS_TF_HOST=0.0.0.0. WSSS_TF_GRPC_PORT and WSSS_TF_REST_PORT are the ports
# here. WSSS_TF_IMAGE is another image: tensorflow/serving:TAG, or one of your own.

"""


def _compose() -> str:
    flags = "".join(f"    - {flag}\n" for flag in FLAGS)
    return f"""\
{_HEADER}\
x-server: &server
  # The image's own start script keeps signals from the server, and so does being process 1.
  entrypoint: [tensorflow_model_server]
  init: true
  command:
{flags}\
  ports:
    - "${{WSSS_TF_HOST:-127.0.0.1}}:${{WSSS_TF_GRPC_PORT:-8500}}:8500"
    - "${{WSSS_TF_HOST:-127.0.0.1}}:${{WSSS_TF_REST_PORT:-8501}}:8501"
  volumes:
    - ../saved_model:{MODEL_MOUNT}:ro
    - .:{CONFIG_MOUNT}:ro
  healthcheck:
    test:
      - CMD
      - bash
      - -c
      - {_quoted(_HEALTH)}
    interval: 10s
    timeout: 5s
    retries: 3
    start_period: 120s
  restart: unless-stopped
  security_opt: ["no-new-privileges:true"]

services:
  cpu:
    <<: *server
    profiles: [cpu]
    image: "${{WSSS_TF_IMAGE:-{IMAGE}}}"

  gpu:
    <<: *server
    profiles: [gpu]
    image: "${{WSSS_TF_IMAGE:-{IMAGE}-gpu}}"
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""


def _quoted(text: str) -> str:
    """A YAML string between single quotes; Compose takes a doubled $ for one."""
    return "'" + text.replace("$", "$$").replace("'", "''") + "'"


COMPOSE = _compose()

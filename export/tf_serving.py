"""BUNDLE/tf_serving/: what TensorFlow Serving is told beside the SavedModel.

    models.config        which versions are served under which name and labels
    batching.config      how many photos are worked on at a time, and how many may wait
    monitoring.config    metrics for Prometheus
    docker-compose.yml   a server on the CPU, one on a GPU

All flags are those of TensorFlow Serving's model_servers/main.cc; the text formats are those of its
protocol buffers ModelServerConfig, BatchingParameters and MonitoringConfig.
"""

from __future__ import annotations

from pathlib import Path

from wsss_tf.export.compose import COMPOSE, MODEL_MOUNT
from wsss_tf.files import write_text

FOLDER = "tf_serving"
MODEL_NAME = "wsss_tf"

_CHANGE = """\
# bundle.json has this file's digest: change a copy of the bundle, or give the server another file.
"""

_MODELS = f"""\
# ModelServerConfig. To try a second version beside this one, put its SavedModel into the folder 2
# beside 1, add "versions: 2" and a label "canary" for it; when it is good, let "stable" say 2. To
# roll back, let "stable" say 1 again.
{_CHANGE}\
model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "{MODEL_MOUNT}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 }} }}
    version_labels {{ key: "stable" value: 1 }}
  }}
}}
"""

# Photos of one batch must be of one size, else all requests in it fail, and so they do when one of
# them is no photo; a batch gains nothing, as the graph works photo by photo. Hence one photo each.
_BATCHING = f"""\
# BatchingParameters. Requests are never put together: a request of several photos is taken apart,
# num_batch_threads photos are worked on at a time, which bounds memory, max_enqueued_batches more
# wait for each signature, and a request beyond that is answered UNAVAILABLE: try again later.
{_CHANGE}\
max_batch_size {{ value: 64 }}  # Photos of a request, at most.
max_execution_batch_size {{ value: 1 }}
enable_large_batch_splitting {{ value: true }}
batch_timeout_micros {{ value: 0 }}
num_batch_threads {{ value: 4 }}
max_enqueued_batches {{ value: 128 }}
thread_pool_name {{ value: "wsss_tf_photos" }}
pad_variable_length_inputs: false  # Padding would be segmented as if it were photo.
"""

_MONITORING = f"""\
# MonitoringConfig. Prometheus asks the REST port for this path.
{_CHANGE}\
prometheus_config {{
  enable: true
  path: "/monitoring/prometheus/metrics"
}}
"""

FILES = {
    "models.config": _MODELS,
    "batching.config": _BATCHING,
    "monitoring.config": _MONITORING,
    "docker-compose.yml": COMPOSE,
}
"""Content of every file by its name."""

SECTION = {"model": MODEL_NAME, "folder": FOLDER}
"""What bundle.json says of the folder."""


def write_tf_serving(folder: Path) -> None:
    """Writes the files into `folder`, which is made; it must lie in a bundle with a SavedModel."""
    for name, text in FILES.items():
        write_text(folder / name, text)

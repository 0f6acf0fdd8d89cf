"""The command that starts TensorFlow Serving for a bundle: its own program, or Docker's image."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from wsss_tf.errors import WsssError
from wsss_tf.serving.address import GRPC_PORT, REST_PORT
from wsss_tf.serving.bundle import Bundle

PROGRAM = "tensorflow_model_server"
MODEL = "wsss_tf"
"""The name that a bundle without files for TensorFlow Serving is served under."""
IMAGE = "tensorflow/serving:2.21.0"
"""Of the TensorFlow that writes SavedModels here; the GPU's has "-gpu" behind it."""
LOCALHOST = "127.0.0.1"
_MODEL_MOUNT, _CONFIG_MOUNT = "/models/wsss_tf", "/etc/tf_serving"
_DOCKER_ANSWERS_IN = 10.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server is started.

    Args:
        port, rest_port: for gRPC and REST, on this machine.
        docker: whether to use Docker's image; None takes the program where the PATH has it.
        gpu: whether to use the image for GPUs; it takes Docker.
        image: another image of Docker's.
        host: address of this machine that Docker opens the ports at. The program opens them at
            all; it has no flag for that.

    Raises:
        ValueError: the ports are one, or the options contradict each other.
    """

    port: int = GRPC_PORT
    rest_port: int = REST_PORT
    docker: bool | None = None
    gpu: bool = False
    image: str | None = None
    host: str | None = None

    def __post_init__(self) -> None:
        if self.port == self.rest_port:
            raise ValueError(
                f"`port` and `rest_port` must be two ports. Received: {self.port} for both."
            )
        dockers = {"gpu": self.gpu, "image": self.image, "host": self.host}
        given = [name for name, value in dockers.items() if value]
        if self.docker is False and given:
            raise ValueError(
                f"`{given[0]}` is for Docker. Received: docker=False too. Leave one of them out."
            )

    @property
    def needs_docker(self) -> bool:
        """Whether the program on the PATH will not do."""
        return bool(self.docker or self.gpu or self.image or self.host)

    @property
    def chosen_image(self) -> str:
        """The image of Docker's."""
        return self.image or IMAGE + "-gpu" * self.gpu


@dataclass(frozen=True)
class ServerCommand:
    """A command to run.

    Attributes:
        arguments: the program and its arguments.
        container: the name of Docker's container, to be removed at the end; None without Docker.
    """

    arguments: list[str] = field(default_factory=list)
    container: str | None = None


def has_docker(options: ServerOptions) -> bool:
    """Whether Docker is to be used: where it must, or where the PATH has no server program.

    Raises:
        WsssError: neither can be used.
    """
    if not options.needs_docker and shutil.which(PROGRAM):
        return False
    trouble = "no docker" if options.docker is False else _docker_trouble()
    if trouble is None:
        return True
    lacking = trouble if options.needs_docker else f"no {PROGRAM} on the PATH, and {trouble}"
    raise WsssError(
        f"TensorFlow Serving is needed, as Docker's image or as {PROGRAM} on the PATH. Received: "
        f"{lacking}. Install Docker (https://docs.docker.com/engine/install) and start it, or the "
        "program (https://www.tensorflow.org/tfx/serving/setup)."
    )


def path_command(bundle: Bundle, options: ServerOptions, scratch: Path) -> ServerCommand:
    """For the program on the PATH.

    Args:
        bundle: with a SavedModel.
        options: ports.
        scratch: a folder for its models.config, which needs the SavedModel's place on this machine.
    """
    model = saved_model_folder(bundle)
    config = config_folder(bundle)
    flags = _flags(options.port, options.rest_port)
    if config is None:
        flags += [f"--model_name={model_name(bundle)}", f"--model_base_path={model}"]
    else:
        text = (config / "models.config").read_text(encoding="utf-8")
        own = scratch / "models.config"
        # Escapes of JSON are escapes of a text protocol buffer too.
        place = json.dumps(str(model), ensure_ascii=False)
        own.write_text(text.replace(f'"{_MODEL_MOUNT}"', place), "utf-8")
        flags += _config_flags(str(own), str(config))
    return ServerCommand([shutil.which(PROGRAM) or PROGRAM, *flags])


def docker_command(bundle: Bundle, options: ServerOptions) -> ServerCommand:
    """For Docker's image, which must be here already."""
    host = options.host or LOCALHOST
    name = f"{MODEL}-{secrets.token_hex(4)}"
    config = config_folder(bundle)
    mounts = {str(saved_model_folder(bundle)): _MODEL_MOUNT}
    flags = _flags(GRPC_PORT, REST_PORT)
    if config is None:
        flags += [f"--model_name={model_name(bundle)}", f"--model_base_path={_MODEL_MOUNT}"]
    else:
        mounts[str(config)] = _CONFIG_MOUNT
        flags += _config_flags(f"{_CONFIG_MOUNT}/models.config", _CONFIG_MOUNT)
    arguments = ["docker", "run", "--rm", "--init", "--pull=never", f"--name={name}"]
    arguments += ["--gpus=all"] * options.gpu
    for source, target in mounts.items():
        arguments.append(f"--mount={_mount(source, target)}")
    for here, there in ((options.port, GRPC_PORT), (options.rest_port, REST_PORT)):
        arguments.append(f"--publish={_published(host)}:{here}:{there}")
    # The image's own start script would keep SIGTERM from the server.
    return ServerCommand(
        [*arguments, f"--entrypoint={PROGRAM}", options.chosen_image, *flags], name
    )


def model_name(bundle: Bundle) -> str:
    """The name that a bundle is served under."""
    section = bundle.contract.tf_serving
    return MODEL if section is None else section.model


def saved_model_folder(bundle: Bundle) -> Path:
    """The absolute folder of a bundle's SavedModel versions.

    Raises:
        WsssError: the bundle has none.
    """
    name = bundle.contract.saved_model
    if name is None:
        raise WsssError(
            f"{bundle.folder}: must have a SavedModel, which TensorFlow Serving loads. Received: a "
            "bundle without. Export it with --saved-model."
        )
    return (bundle.folder / name).resolve().parent


def config_folder(bundle: Bundle) -> Path | None:
    """The absolute folder of its files for TensorFlow Serving; None for an older bundle."""
    section = bundle.contract.tf_serving
    return None if section is None else (bundle.folder / section.folder).resolve()


def _flags(port: int, rest_port: int) -> list[str]:
    # A damaged model then ends the server, which otherwise tries again for five minutes.
    return [f"--port={port}", f"--rest_api_port={rest_port}", "--max_num_load_retries=0",
            "--rest_api_timeout_in_ms=120000"]  # fmt: skip


def _config_flags(models: str, folder: str) -> list[str]:
    return [
        f"--model_config_file={models}",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        f"--batching_parameters_file={folder}/batching.config",
        f"--monitoring_config_file={folder}/monitoring.config",
    ]


def _mount(source: str, target: str) -> str:
    """For --mount, which reads a line of CSV, so that a path may hold commas and colons."""
    field_ = f"source={source}"
    if any(sign in source for sign in ',"'):
        field_ = '"' + field_.replace('"', '""') + '"'
    return f"type=bind,{field_},target={target},readonly"


def _published(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _docker_trouble() -> str | None:
    """Why Docker cannot be used; None where it can."""
    if shutil.which("docker") is None:
        return "no docker on the PATH"
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=_DOCKER_ANSWERS_IN)
    except (OSError, subprocess.TimeoutExpired):
        return "a docker that does not answer"
    return "a docker whose daemon does not answer" if found.returncode else None

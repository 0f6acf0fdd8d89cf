"""Which server program is taken, and the command line of each."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wsss_tf.errors import BundleError, WsssError
from wsss_tf.export.compose import FLAGS
from wsss_tf.export.compose import IMAGE as EXPORTED_IMAGE
from wsss_tf.export.tf_serving import MODEL_NAME
from wsss_tf.serving import open_bundle
from wsss_tf.serving.server_command import (
    IMAGE,
    MODEL,
    ServerOptions,
    docker_command,
    has_docker,
    path_command,
)


def program(folder, name, text="#!/bin/sh\nexit 0\n"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An empty folder that is all of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def flags(arguments):
    return dict(text.split("=", 1) for text in arguments)


def test_the_program_on_the_path_comes_first(path):
    program(path, "tensorflow_model_server")
    program(path, "docker")
    assert has_docker(ServerOptions()) is False
    assert has_docker(ServerOptions(docker=False)) is False
    assert has_docker(ServerOptions(docker=True)) is True


@pytest.mark.parametrize("only", [{"gpu": True}, {"image": "mine"}, {"host": "0.0.0.0"}])
def test_what_only_docker_has_takes_docker(path, only):
    program(path, "tensorflow_model_server")
    program(path, "docker")
    assert has_docker(ServerOptions(**only)) is True
    with pytest.raises(ValueError, match="is for Docker"):
        ServerOptions(docker=False, **only)


def test_two_services_need_two_ports():
    with pytest.raises(ValueError, match="must be two ports. Received: 8501 for both"):
        ServerOptions(port=8501)


LACKING = {
    "neither": (None, {}, "no tensorflow_model_server on the PATH, and no docker on the PATH"),
    "no program": ("exit 0", {"docker": False}, "no tensorflow_model_server on the PATH, and no d"),
    "no docker": (None, {"docker": True}, "Received: no docker on the PATH"),
    "no daemon": ("exit 1", {}, "and a docker whose daemon does not answer"),
}


@pytest.mark.parametrize(("docker", "options", "message"), LACKING.values(), ids=LACKING)
def test_without_a_server_it_says_how_to_get_one(path, docker, options, message):
    if docker:
        program(path, "docker", f"#!/bin/sh\n{docker}\n")
    with pytest.raises(WsssError) as caught:
        has_docker(ServerOptions(**options))
    assert message in str(caught.value)
    assert "https://docs.docker.com/engine/install" in str(caught.value)
    assert "https://www.tensorflow.org/tfx/serving/setup" in str(caught.value)


def test_a_docker_that_hangs_is_no_docker(path, monkeypatch):
    program(path, "docker")

    def hangs(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(WsssError, match="a docker that does not answer"):
        has_docker(ServerOptions())


def test_the_program_gets_the_files_of_the_bundle(tiny, path, tmp_path):
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    from google.protobuf import text_format

    program(path, "tensorflow_model_server")
    # A place with all that a text protocol buffer would read as something else.
    bundle = open_bundle(tiny.write_served_bundle(tmp_path / 'größe "1", \\n'))
    command = path_command(bundle, ServerOptions(9000, 9001), tmp_path)
    assert command.container is None
    assert command.arguments[0] == str(path / "tensorflow_model_server")
    given = flags(command.arguments[1:])
    assert (given["--port"], given["--rest_api_port"]) == ("9000", "9001")
    for name in ("batching_parameters", "monitoring_config"):
        assert Path(given[f"--{name}_file"]).parent == bundle.folder / "tf_serving"
        assert Path(given[f"--{name}_file"]).is_file()
    text = Path(given["--model_config_file"]).read_text(encoding="utf-8")
    found = text_format.Parse(text, config.ModelServerConfig())
    (model,) = found.model_config_list.config
    assert model.base_path == str(bundle.folder / "saved_model")
    assert dict(model.version_labels) == {"stable": 1}


def test_docker_gets_mounts_ports_and_the_same_flags_as_compose(tiny, tmp_path):
    bundle = open_bundle(tiny.write_served_bundle(tmp_path / "bundle"))
    command = docker_command(bundle, ServerOptions(9000, 9001, docker=True))
    place = command.arguments.index(IMAGE)
    docker, given = command.arguments[:place], command.arguments[place + 1 :]
    folder = bundle.folder
    assert docker == [
        "docker", "run", "--rm", "--init", "--pull=never", f"--name={command.container}",
        f"--mount=type=bind,source={folder}/saved_model,target=/models/wsss_tf,readonly",
        f"--mount=type=bind,source={folder}/tf_serving,target=/etc/tf_serving,readonly",
        "--publish=127.0.0.1:9000:8500", "--publish=127.0.0.1:9001:8501",
        "--entrypoint=tensorflow_model_server",
    ]  # fmt: skip
    polls = "--model_config_file_poll_wait_seconds"
    assert flags(given) == {name: text for name, text in flags(FLAGS).items() if name != polls}


def test_what_is_asked_of_docker_is_passed_on(tiny, tmp_path):
    bundle = open_bundle(tiny.write_served_bundle(tmp_path / "a,b"))
    gpu = docker_command(bundle, ServerOptions(gpu=True)).arguments
    assert "--gpus=all" in gpu
    assert f"{IMAGE}-gpu" in gpu
    other = docker_command(bundle, ServerOptions(image="mine:1", host="::1")).arguments
    assert "mine:1" in other
    assert "--publish=[::1]:8500:8500" in other
    source = f'"source={bundle.folder}/saved_model"'
    assert f"--mount=type=bind,{source},target=/models/wsss_tf,readonly" in other


def test_a_bundle_of_before_is_served_by_its_model_alone(tiny, path, tmp_path):
    bundle = open_bundle(tiny.write_served_bundle(tmp_path / "bundle", config=False))
    given = flags(path_command(bundle, ServerOptions(), tmp_path).arguments[1:])
    assert given["--model_name"] == "wsss_tf"
    assert given["--model_base_path"] == str(tmp_path / "bundle" / "saved_model")
    arguments = docker_command(bundle, ServerOptions(docker=True)).arguments
    assert "--model_base_path=/models/wsss_tf" in arguments
    for command in (list(given), arguments):
        assert not [text for text in command if "config" in text or "batching" in text]


def test_both_rooms_mean_the_same_server():
    assert IMAGE == EXPORTED_IMAGE
    assert MODEL == MODEL_NAME


@pytest.mark.parametrize("name", ["saved_model/1/saved_model.pb", "tf_serving/models.config"])
def test_what_a_server_reads_must_be_listed(tiny, tmp_path, name):
    folder = tiny.write_served_bundle(tmp_path / "bundle")
    tiny.edit(folder, lambda about: about["files"].pop(name))
    with pytest.raises(BundleError, match=f"must list every model. Received: no {name}"):
        open_bundle(folder)

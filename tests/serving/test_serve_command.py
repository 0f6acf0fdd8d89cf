"""`wsss-tf serve`, with stand-ins for the server program: what it prints, and how it ends.

The stand-ins know no model: they answer the question whether it is ready. One test has the double
of TensorFlow Serving for a server, another the real image where Docker answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import ServerError
from wsss_tf.serving import open_bundle
from wsss_tf.serving import server_process as processes
from wsss_tf.serving.server import serving
from wsss_tf.serving.server_command import IMAGE, ServerOptions

# Answers for the model with STATE; a POST ends it with status 3. Its child shares its fate or not.
STAND_IN = """#!{python}
import http.server, json, os, signal, subprocess, sys
flags = dict(text.removeprefix("--").split("=", 1) for text in sys.argv[1:])
print("started with", sorted(flags), flush=True)
mode = os.environ["STAND_IN"]
if mode == "dies":
    print("Failed to start server. Error: no such model", flush=True)
    sys.exit(7)
child = subprocess.Popen(["{python}", "-c", "import signal; signal.pause()"])
with open(os.environ["STAND_IN_PIDS"], "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
state = {{"never": "LOADING", "fails": "END"}}.get(mode, "AVAILABLE")
status = {{"error_code": "DATA_LOSS", "error_message": "no graph"}} if mode == "fails" else {{}}
answer = {{"model_version_status": [{{"version": "1", "state": state, "status": status}}]}}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.path == "/v1/models/wsss_tf"
        self.send_response(200 if good else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode() if good else b"not found")

    def do_POST(self):
        print("asked to end", flush=True)
        os._exit(3)

http.server.HTTPServer(("127.0.0.1", int(flags["rest_api_port"])), Handler).serve_forever()
"""
# Writes down what it is asked, and runs the stand-in in place of a container.
DOCKER = """#!{python}
import json, os, sys
with open(os.environ["STAND_IN_DOCKER"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "image":
    sys.exit(0 if os.environ.get("STAND_IN_IMAGE") else 1)
if sys.argv[1] == "pull":
    sys.exit(int(os.environ.get("STAND_IN_PULL", "0")))
if sys.argv[1] == "run":
    ports = [text.split(":")[1] for text in sys.argv if text.startswith("--publish=")]
    os.execv("{folder}/stand-in", ["stand-in", "--rest_api_port=" + ports[1]])
"""
DOUBLE = """#!/bin/sh
exec {python} {double} "$@"
"""


def program(folder, name, text):
    path = folder / name
    path.write_text(text.format(python=sys.executable, folder=folder))
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path):
    """All of the PATH: a tensorflow_model_server that is a stand-in."""
    path = tmp_path / "bin"
    path.mkdir()
    program(path, "tensorflow_model_server", STAND_IN)
    return path


@pytest.fixture
def environment(folder, tmp_path, monkeypatch):
    """The environment of the command, and of this process."""
    given = {
        "PATH": str(folder),
        "STAND_IN": "ready",
        "STAND_IN_PIDS": str(tmp_path / "pids"),
        "STAND_IN_DOCKER": str(tmp_path / "docker.jsonl"),
    }
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    return {**os.environ, **given}


@pytest.fixture
def served_bundle(tiny, tmp_path):
    return tiny.write_served_bundle(tmp_path / "bundle")


@pytest.fixture
def ports(tiny):
    return tiny.free_ports(2)


def command(bundle, ports, *options, verbose=False):
    start = [sys.executable, "-m", "wsss_tf.cli", *["--verbose"] * verbose, "serve", str(bundle)]
    return [*start, f"--port={ports[0]}", f"--rest-port={ports[1]}", *options]


def ended(bundle, ports, environment, *options, **more):
    """The command, which is to end by itself."""
    arguments = command(bundle, ports, *options, **more)
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)


@contextlib.contextmanager
def started(arguments, environment):
    """The command once it is ready, and what it has printed on stdout; killed if it hangs."""
    process = subprocess.Popen(
        arguments,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(600, process.kill)
    guard.start()
    printed = []
    try:
        while not (printed and "Client(" in printed[-1]):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            printed.append(line)
        yield process, "".join(printed)
    finally:
        guard.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()


def is_alive(pid):
    """Whether a process runs; one that only waits for its parent to hear of its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_nothing_left(tmp_path):
    """The stand-in and its child are gone, or go while this waits."""
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        deadline = time.monotonic() + 60
        while is_alive(pid):
            assert time.monotonic() < deadline, f"process {pid} is left"
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_its_server(served_bundle, ports, environment, tmp_path, number):
    with started(command(served_bundle, ports), environment) as (process, printed):
        assert f"http://127.0.0.1:{ports[1]}/v1/models/wsss_tf:predict" in printed
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("Stopped.\n")
    assert f"Ready at http://127.0.0.1:{ports[1]}" in errors
    assert_nothing_left(tmp_path)


def test_two_do_not_share_a_port(served_bundle, ports, environment):
    """Also while the first loads its model, and has opened no port yet."""
    with started(command(served_bundle, ports), environment) as (process, _):
        other = (ports[0], ports[1] + 1 if ports[1] < 65535 else ports[1] - 1)
        second = subprocess.run(
            command(served_bundle, other), env=environment, capture_output=True, text=True
        )
        assert second.returncode == 2
        assert f"Port {ports[0]} must be free. Received: another wsss-tf serve" in second.stderr
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_a_job_in_the_background_hears_ctrl_c_too(served_bundle, ports, environment, tmp_path):
    # As a shell without job control starts a job: deaf to SIGINT.
    deaf = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    arguments = [sys.executable, "-c", deaf + "os.execv(sys.argv[1], sys.argv[1:])"]
    with started([*arguments, *command(served_bundle, ports)], environment) as (process, _):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert_nothing_left(tmp_path)


def test_a_server_that_dies_is_an_error_with_the_end_of_its_log(
    served_bundle, ports, environment, tmp_path
):
    with started(command(served_bundle, ports), environment) as (process, _):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}", data=b"", timeout=60)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Error: The server ended with status 3. The end of its log:\n  started with" in errors
    assert "asked to end" in errors
    assert_nothing_left(tmp_path)


FAILURES = {
    "dies": ("ended with status 7 before it was ready", "no such model"),
    "never": ("was not ready after 1 seconds", "started with"),
    "fails": ('could not load the model: {"error_code": "DATA_LOSS"', "no graph"),
}


@pytest.mark.parametrize("mode", FAILURES)
def test_a_server_that_does_not_get_ready(served_bundle, ports, environment, tmp_path, mode):
    # The one that is never ready fails by its own short time, the others long before theirs.
    seconds = "1" if mode == "never" else "300"
    found = ended(served_bundle, ports, {**environment, "STAND_IN": mode}, "--timeout", seconds)
    assert found.returncode == 2
    assert found.stdout == ""
    assert all(words in found.stderr for words in FAILURES[mode]), found.stderr
    if mode != "dies":
        assert_nothing_left(tmp_path)


def test_one_that_is_deaf_to_sigterm_is_killed(
    served_bundle, ports, environment, tmp_path, monkeypatch
):
    monkeypatch.setenv("STAND_IN", "deaf")
    monkeypatch.setattr(processes, "_STOPS_IN", 0.2)
    with serving(open_bundle(served_bundle), ServerOptions(*ports), timeout=300):
        assert all(is_alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    assert_nothing_left(tmp_path)


def test_a_second_ctrl_c_while_it_stops_kills(served_bundle, ports, environment, tmp_path):
    deaf = {**environment, "STAND_IN": "deaf"}
    with started(command(served_bundle, ports), deaf) as (process, _):
        process.send_signal(signal.SIGINT)
        # Ten seconds are left for it to stop in, of which it needs none now.
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert_nothing_left(tmp_path)


def test_the_log_is_on_stderr_where_it_is_asked_for(served_bundle, ports, environment):
    found = ended(served_bundle, ports, {**environment, "STAND_IN": "dies"}, verbose=True)
    assert "INFO wsss_tf.serving.server_process: Failed to start server" in found.stderr
    found = ended(served_bundle, ports, {**environment, "STAND_IN": "dies"})
    assert "INFO" not in found.stderr


@pytest.mark.parametrize("which", [0, 1])
def test_a_port_that_is_taken_is_told_before_anything_starts(
    served_bundle, ports, environment, tmp_path, which
):
    with socket.create_server(("127.0.0.1", ports[which])):
        found = ended(served_bundle, ports, environment)
    assert found.returncode == 2
    assert (
        f"Port {ports[which]} of this machine must be free. Received: it is taken" in found.stderr
    )
    assert not (tmp_path / "pids").exists()


def test_a_damaged_bundle_is_not_loaded(served_bundle, ports, environment, tmp_path):
    (served_bundle / "saved_model" / "1" / "saved_model.pb").write_bytes(b"other")
    found = ended(served_bundle, ports, environment)
    assert found.returncode == 2
    assert "saved_model/1/saved_model.pb: is changed (SHA-256)" in found.stderr
    assert not (tmp_path / "pids").exists()


def test_another_version_beside_it_is_foreign(served_bundle, ports, environment):
    shutil.copytree(served_bundle / "saved_model" / "1", served_bundle / "saved_model" / "2")
    found = ended(served_bundle, ports, environment)
    assert found.returncode == 2
    assert "saved_model/2/saved_model.pb: is foreign" in found.stderr


def test_a_bundle_without_a_saved_model(bundle, ports, environment):
    found = ended(bundle, ports, environment)
    assert found.returncode == 2
    assert "Export it with --saved-model" in found.stderr


def test_no_server_program(served_bundle, ports, environment, folder):
    (folder / "tensorflow_model_server").unlink()
    found = ended(served_bundle, ports, environment)
    assert found.returncode == 2
    assert found.stderr.startswith("Error: TensorFlow Serving is needed")
    assert "https://docs.docker.com/engine/install" in found.stderr


def test_a_program_that_cannot_be_run(served_bundle, ports, environment, folder):
    (folder / "tensorflow_model_server").write_text("#!/no/such/interpreter\n")
    found = ended(served_bundle, ports, environment)
    assert found.returncode == 2
    assert "tensorflow_model_server: cannot be started: No such file" in found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpu", "--no-docker"], "are for Docker"),
        (["--host", "0.0.0.0", "--no-docker"], "are for Docker"),
        (["--port", "9000", "--rest-port", "9000"], "must differ"),
        (["--port", "0"], "0 is not in the range"),
        (["--rest-port", "65536"], "65536 is not in the range"),
    ],
)
def test_options_that_contradict_each_other(bundle, environment, options, message):
    found = ended(bundle, (9000, 9001), environment, *options)
    assert found.returncode == 2
    assert found.stderr.startswith("Usage: ")
    assert message in found.stderr


@pytest.fixture
def docker(folder, environment, tmp_path):
    """A docker and no server program; calling it gives what docker was asked."""
    (folder / "tensorflow_model_server").rename(folder / "stand-in")
    program(folder, "docker", DOCKER)
    log = tmp_path / "docker.jsonl"
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_docker_downloads_the_image_and_leaves_no_container(
    served_bundle, ports, environment, docker, tmp_path
):
    with started(command(served_bundle, ports), environment) as (process, _):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Docker downloads {IMAGE}\n" in errors
    asked = docker()
    assert [words[0] for words in asked] == ["version", "image", "pull", "run", "rm"]
    assert asked[2] == ["pull", IMAGE]
    (name,) = [word.removeprefix("--name=") for word in asked[3] if word.startswith("--name=")]
    assert asked[4] == ["rm", "--force", name]
    assert_nothing_left(tmp_path)


def test_an_image_that_is_here_is_not_downloaded(served_bundle, ports, environment, docker):
    environment = {**environment, "STAND_IN_IMAGE": "here", "STAND_IN": "dies"}
    found = ended(served_bundle, ports, environment, "--gpu")
    assert "ended with status 7" in found.stderr
    asked = docker()
    assert [words[0] for words in asked] == ["version", "image", "run", "rm"]
    assert asked[1] == ["image", "inspect", f"{IMAGE}-gpu"]


def test_an_image_that_cannot_be_had(served_bundle, ports, environment, docker):
    found = ended(served_bundle, ports, {**environment, "STAND_IN_PULL": "1"}, "--image", "mine:1")
    assert found.returncode == 2
    assert "mine:1: Docker could not download it" in found.stderr
    assert [words[0] for words in docker()] == ["version", "image", "pull"]


def test_docker_takes_the_program_s_place_only_if_asked(
    served_bundle, ports, environment, docker, folder
):
    program(folder, "tensorflow_model_server", STAND_IN)
    found = ended(served_bundle, ports, {**environment, "STAND_IN": "dies"})
    assert "ended with status 7" in found.stderr
    with pytest.raises(FileNotFoundError):
        docker()
    ended(served_bundle, ports, {**environment, "STAND_IN": "dies"}, "--docker")
    assert docker()[-2][0] == "run"


def test_a_server_is_ended_with_its_block_whatever_ends_that(
    served_bundle, ports, environment, tmp_path
):
    with (
        pytest.raises(ZeroDivisionError),
        serving(open_bundle(served_bundle), ServerOptions(*ports), timeout=300),
    ):
        raise ZeroDivisionError
    assert_nothing_left(tmp_path)


def test_the_log_that_is_kept_is_bounded(tmp_path):
    text = "import sys; sys.stdout.write(('x' * 9999 + '\\n') * 500); sys.exit(1)"
    given = processes.ServerCommand([sys.executable, "-c", text])
    server = processes.Server(given, "http://127.0.0.1:1", "wsss_tf")
    server.start()
    with pytest.raises(ServerError) as caught:
        server.wait()
    server.stop()
    assert 10_000 < len(str(caught.value)) < 50_000


def answers(printed, photo, tmp_path):
    """The label maps that the printed shell lines and the printed Python lines give."""
    shell, _, python = printed.partition("From Python:")
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(photo, work / "photo.jpg")
    lines = shell.partition("From a shell:")[2]
    subprocess.run(["sh", "-c", lines], cwd=work, check=True, timeout=600)
    code = "\n".join(line.strip() for line in python.strip().splitlines())
    code += "\nimport numpy; numpy.save('labels.npy', label_map)"
    subprocess.run([sys.executable, "-c", code], cwd=work, check=True, timeout=600)
    with Image.open(work / "mask.png") as mask:
        return np.asarray(mask), np.load(work / "labels.npy")


@pytest.mark.slow
def test_what_is_printed_works_against_the_double(
    tiny, served, ports, tmp_path, environment, folder
):
    if shutil.which("curl", path=os.defpath) is None:
        pytest.skip("no curl")
    pytest.importorskip("tensorflow_serving")
    bundle = tiny.write_served_bundle(tmp_path / "bundle", model=served.base / "1")
    double = Path(__file__).with_name("tf_serving_double.py")
    program(folder, "tensorflow_model_server", DOUBLE.replace("{double}", str(double)))
    photo = served.photos / "rgb_0.jpg"
    environment["PATH"] = f"{folder}{os.pathsep}{os.defpath}"
    with started(command(bundle, ports, "--timeout", "500"), environment) as (process, printed):
        os.environ["PATH"] = environment["PATH"]  # Put back by `environment`.
        url = re.search(r"http://[\d.:]+", printed)[0]
        found = answers(printed, photo, tmp_path)
        stable = f"{url}/v1/models/wsss_tf/labels/stable"
        with urllib.request.urlopen(stable, timeout=60) as answer:
            assert b"AVAILABLE" in answer.read()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130
    for labels in found:
        np.testing.assert_array_equal(labels, served.labels[f"1/jpeg/{photo.name}"])


def docker_answers():
    docker = shutil.which("docker")
    asked = [docker, "version", "--format", "{{.Server.Version}}"]
    return bool(docker) and subprocess.run(asked, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not docker_answers(), reason="no Docker daemon answers")
def test_the_real_image_gives_the_same_labels(tiny, served, ports, tmp_path):
    """TensorFlow Serving itself; it downloads the image where that is not here."""
    bundle = tiny.write_served_bundle(tmp_path / "bundle", model=served.base / "1")
    photo = served.photos / "rgb_0.jpg"
    arguments = command(bundle, ports, "--docker", "--timeout", "500")
    with started(arguments, dict(os.environ)) as (process, printed):
        url = re.search(r"http://[\d.:]+", printed)[0]
        found = answers(printed, photo, tmp_path)
        metrics = f"{url}/monitoring/prometheus/metrics"
        with urllib.request.urlopen(metrics, timeout=60) as answer:
            assert b":tensorflow:serving" in answer.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130
    for labels in found:
        np.testing.assert_array_equal(labels, served.labels[f"1/jpeg/{photo.name}"])

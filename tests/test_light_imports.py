"""`wsss-tf --help` and a usage error come at once: no heavy library is imported for them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = (
    "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "matplotlib", "scipy", "skimage",
    "jinja2", "jax", "torch", "grpc", "tensorflow_serving",
)  # fmt: skip

# `start` measured 0.15-0.25 s on 2 shared cores, TensorFlow alone takes 3 s. The best of three
# leaves out what other processes take; the limit is twice the 0.5 s that a user should see, so
# that a slow or loaded machine does not fail it while an import of TensorFlow still does.
LIMIT_S = 1.0


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, which names what it imported on its last line."""
    source = (
        "import sys\n"
        "from wsss_tf.cli.main import main\n"
        "status = 0\n"
        "try:\n"
        "    main(sys.argv[1:], prog_name='wsss-tf')\n"
        "except SystemExit as ended:\n"
        "    status = ended.code\n"
        "print()\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
        "sys.exit(status)\n"
    )
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


USES = {
    "help": (["--help"], 0),
    "version": (["--version"], 0),
    "help of a command": (["train", "--help"], 0),
    "unknown command": (["trian"], 2),
    "unknown option": (["train", "--no-such-option"], 2),
    "missing argument": (["train"], 2),
    "mistyped set-up": (["ablate", "scenes", "--out", "x", "--setups", "tag"], 2),
    "help of a data set": (["data", "prepare", "voc", "--help"], 0),
    "data set without a folder": (["data", "prepare", "coco", "--out", "x"], 2),
    "mistyped counts": (["regions", "photo.jpg", "--out", "x", "--counts", "many"], 2),
}


@pytest.mark.parametrize(("arguments", "status"), USES.values(), ids=USES)
def test_nothing_heavy_is_imported(arguments, status):
    done = start(*arguments)
    assert done.returncode == status, done.stderr
    imported = done.stdout.splitlines()[-1].split()
    assert "click" in imported
    assert [name for name in HEAVY if name in imported] == []
    assert "Traceback" not in done.stderr


# What a program that predicts waits for; measured 0.14 s, numpy and Pillow for the most part.
SERVING_LIMIT_S = 0.4


def test_serving_is_quick_and_light():
    """In CPU seconds, the best of three: what other processes take is not its fault."""
    source = (
        "import sys, time\n"
        "before = time.process_time()\n"
        "import wsss_tf.serving\n"
        "print(time.process_time() - before)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    seconds = []
    for _ in range(3):
        command = [sys.executable, "-c", source]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        first, imported = done.stdout.splitlines()
        seconds.append(float(first))
        assert [name for name in (*HEAVY, "pydantic") if name in imported.split()] == []
    assert min(seconds) < SERVING_LIMIT_S


def test_help_is_quick():
    def seconds() -> float:
        before = time.perf_counter()
        start("--help")
        return time.perf_counter() - before

    assert min(seconds() for _ in range(3)) < LIMIT_S

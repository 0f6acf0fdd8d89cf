"""`wsss-tf --help` and a usage error come at once: no heavy library is imported for them."""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np
import pytest

HEAVY = (
    "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "matplotlib", "scipy", "skimage",
    "jinja2", "jax", "torch", "grpc", "tensorflow_serving",
)  # fmt: skip

# Seconds say more of the machine than of us: the same import of the serving package took 0.14 s of
# a processor on one and 0.41 s on another. So times are told in imports of numpy, made on the same
# machine in turn with ours; TensorFlow takes more than ten of them.


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


def in_turn(*sources: str) -> np.ndarray:
    """Processor seconds that a new Python takes for each source, (3, sources)."""

    def seconds(source: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", source], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return np.array([[seconds(source) for source in sources] for _ in range(3)])


def test_serving_is_light():
    source = "import sys, wsss_tf.serving; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert [name for name in (*HEAVY, "pydantic") if name in done.stdout.split()] == []


def test_serving_is_quick():
    """What a program that predicts waits for; measured 1.4 to 1.7 imports of numpy and Pillow."""
    library, ours = in_turn("import numpy, PIL.Image", "import wsss_tf.serving").T
    assert np.median(ours / library) < 2.5


def test_help_is_quick():
    """Measured 0.4 to 0.9 imports of numpy, most of it Python's own start and click."""
    numpy, ours = in_turn("import numpy", "from wsss_tf.cli.main import main; main(['--help'])").T
    assert np.median(ours / numpy) < 1.5

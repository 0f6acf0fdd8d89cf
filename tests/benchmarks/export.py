"""Time and memory of an exported network beside TensorFlow, at batch 1: VGG-16 Large-FOV.

    python tests/benchmarks/export.py [--width 1] [--threads 2] [--repeats 15] [--sizes 321x321]

The weights are random, which changes no time. The forms are timed in turn, so that a busy machine
slows all alike: trust the ratios. Memory is the most that a process of its own has held, which
loads one form and runs it three times.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from reporting import Row, memory_kb, table

if TYPE_CHECKING:
    from wsss_tf.export.graphs import Inference

CLASSES = 21
# Of TensorFlow's time, and of the ONNX form's in float32.
GOALS = {"onnx fp32": ("tensorflow", 0.70), "onnx int8": ("onnx fp32", 0.60)}
FILES = {"onnx fp32": "model.onnx", "onnx int8": "model.int8.onnx"}

Run = Callable[[np.ndarray], object]


def photo(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Blocks of colour with noise, uint8 [H, W, 3]."""
    generator = np.random.default_rng(seed)
    height, width = size
    blocks = generator.integers(0, 200, (-(-height // 25), -(-width // 25), 3))
    blocks = blocks.repeat(25, 0).repeat(25, 1)[:height, :width]
    return (blocks + generator.integers(0, 56, blocks.shape)).astype(np.uint8)


def set_threads(threads: int) -> None:
    """Of TensorFlow; it refuses to change them once it has done anything."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def network(width: float) -> Inference:
    """VGG-16 Large-FOV at random, with scores of a size that training gives, up to some 16.

    Without that the scores reach 80, the softmax denormal numbers, and these cost ten times more.
    """
    from wsss_tf.export.graphs import Inference
    from wsss_tf.nets.fcn import fcn

    model = fcn(CLASSES, width=width, field_of_view="large")
    kernel = model.get_layer("classifier").kernel
    kernel.assign(0.2 * kernel)
    return Inference(model)


def tensorflow_form(width: float) -> Run:
    """The Keras network as a `tf.function`, as `wsss-tf predict RUN` calls it."""
    import tensorflow as tf

    inference = network(width)
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    function = tf.function(inference, input_signature=[spec], autograph=False)
    return lambda pixels: function(tf.constant(pixels[None]))["labels"].numpy()


def onnx_form(path: Path, threads: int) -> Run:
    """A file in onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait at full speed would take the processor from whatever is timed next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["labels"], {"pixels": pixels[None]})


def write_files(folder: Path, width: float) -> None:
    """The network in both forms of ONNX; ranges of int8 from four photos."""
    import onnx

    from wsss_tf.export.onnx_model import onnx_model
    from wsss_tf.export.quantised import write_quantised

    model = onnx_model(network(width), metadata={})
    onnx.save(model, folder / FILES["onnx fp32"])
    photos = (photo((161, 161), seed) for seed in range(4))
    write_quantised(folder / FILES["onnx int8"], model, photos)


def form(name: str, folder: Path, options: argparse.Namespace) -> Run:
    """A form by its name, loaded."""
    if name == "tensorflow":
        return tensorflow_form(options.width)
    return onnx_form(folder / FILES[name], options.threads)


def peak_mb(name: str, folder: Path, size: tuple[int, int], options: argparse.Namespace) -> int:
    """The most memory of a process that runs one form."""
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    command += ["--sizes", "x".join(map(str, size)), "--threads", str(options.threads)]
    command += ["--width", str(options.width)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def timed(forms: dict[str, Run], pixels: np.ndarray, repeats: int) -> dict[str, list[float]]:
    """Seconds of each run, the forms in turn, after one run of each."""
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for run in forms.values():
        run(pixels)
    for _ in range(repeats):
        for name, run in forms.items():
            start = time.perf_counter()
            run(pixels)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def rows(folder: Path, options: argparse.Namespace) -> list[Row]:
    forms = {name: form(name, folder, options) for name in ("tensorflow", *FILES)}
    found = []
    for size in options.sizes:
        seconds = timed(forms, photo(size), options.repeats)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        for name in forms:
            reference, most = GOALS.get(name, ("tensorflow", None))
            found.append(
                {
                    "size": "x".join(map(str, size)),
                    "form": name,
                    "median ms": round(1e3 * medians[name]),
                    "least ms": round(1e3 * min(seconds[name])),
                    "of": reference,
                    "ratio": medians[name] / medians[reference],
                    "peak MB": peak_mb(name, folder, size, options),
                    "goal": most and f"<= {most}",
                }
            )
    return found


def _sizes(text: str) -> list[tuple[int, int]]:
    return [tuple(map(int, part.split("x"))) for part in text.split(",")]  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=float, default=1.0, help="Of the backbone, 1 is VGG-16.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--sizes", type=_sizes, default="321x321,500x375", help="Height x width.")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only in (None, "tensorflow"):
        set_threads(options.threads)
    if options.only:
        run = form(options.only, options.folder, options)
        for _ in range(3):
            run(photo(options.sizes[0]))
        sys.stdout.write(f"{memory_kb('VmHWM') // 1024}\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.width)
        sys.stdout.write(table(rows(Path(folder), options)))


if __name__ == "__main__":
    main()

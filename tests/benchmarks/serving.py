"""`Segmenter` over photos beside a bare onnxruntime loop over decoded arrays, and its memory.

    python tests/benchmarks/serving.py [--bundle BUNDLE] [--photos 200] [--threads 2]
                                       [--width 0.25] [--chunk 50]

Without a bundle, the network is VGG-16 Large-FOV with random weights, its channels times
`--width`; at 1 its time is the real one's, below that what lies around it weighs more. Photos are
JPEG files of VOC's usual sizes. All take turns by `--chunk` photos, so that a busy machine slows
them alike; where it is very busy, trust the ratio of CPU seconds. The bare loop runs with
onnxruntime's own options and with the two that `Segmenter` sets, as waiting threads that spin are
a loss on a busy machine. Memory is what the process holds while `Segmenter` alone goes over all
photos.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from reporting import Row, memory_kb, table

from wsss_tf.images import read_photo, write_photo
from wsss_tf.labels import VOC, palette
from wsss_tf.serving import Segmenter

SIZES = ((375, 500), (333, 500), (500, 375), (321, 321))
# (channels, dilation, stride of the pool after it or 0) of VGG-16's convolutions, dilated.
CONVOLUTIONS = (
    (64, 1, 0), (64, 1, 2), (128, 1, 0), (128, 1, 2), (256, 1, 0), (256, 1, 0), (256, 1, 2),
    (512, 1, 0), (512, 1, 0), (512, 1, 1), (512, 2, 0), (512, 2, 0), (512, 2, 1), (1024, 12, 0),
)  # fmt: skip
STRIDE = 8


class _Graph:
    """Nodes and weights, one after another."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.weights: list = []
        self.last = "pixels"
        self.generator = np.random.default_rng(0)

    def add(self, kind: str, *others: str, **attributes: object) -> None:
        name = f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *others], [name], **attributes))
        self.last = name

    def weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def convolve(self, channels: int, before: int, size: int, dilation: int) -> None:
        scale = (2 / (before * size * size)) ** 0.5
        values = self.generator.normal(0, scale, (channels, before, size, size))
        weight = self.weight(values.astype(np.float32))
        self.add("Conv", weight, pads=[dilation * (size // 2)] * 4, dilations=[dilation] * 2)


def network(width: float, classes: int) -> bytes:
    """The ONNX file of a random VGG-16 Large-FOV."""
    graph, before = _Graph(), 3
    graph.add("Cast", to=TensorProto.FLOAT)
    graph.add("Transpose", perm=[0, 3, 1, 2])
    planes = graph.last
    for channels, dilation, pool in CONVOLUTIONS:
        channels = max(round(channels * width), 1)
        graph.convolve(channels, before, 3, dilation)
        graph.add("Relu")
        if pool == 2:
            graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        elif pool == 1:
            graph.add("MaxPool", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
        before = channels
    graph.convolve(before, before, 1, 1)
    graph.add("Relu")
    graph.convolve(classes, before, 1, 1)
    factor = graph.weight(np.array([1, 1, STRIDE, STRIDE], np.float32))
    graph.add("Resize", "", factor, mode="linear")
    zeros, axes = graph.weight(np.zeros(2, np.int64)), graph.weight(np.array([2, 3]))
    graph.nodes.append(helper.make_node("Shape", [planes], ["size"], start=2))
    graph.add("Slice", zeros, "size", axes)
    graph.add("Transpose", perm=[0, 2, 3, 1])
    logits = graph.last
    graph.nodes += [
        helper.make_node("Softmax", [logits], ["probabilities"], axis=-1),
        helper.make_node("ArgMax", [logits], ["index"], axis=-1, keepdims=0),
        helper.make_node("Cast", ["index"], ["labels"], to=TensorProto.UINT8),
    ]
    sizes = ["batch", "height", "width"]
    value = helper.make_tensor_value_info
    inputs = [value("pixels", TensorProto.UINT8, [*sizes, 3])]
    outputs = [
        value("labels", TensorProto.UINT8, sizes),
        value("probabilities", TensorProto.FLOAT, [*sizes, classes]),
    ]
    onnx_graph = helper.make_graph(graph.nodes, "random", inputs, outputs, graph.weights)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(onnx_graph, opset_imports=opset, ir_version=8).SerializeToString()


def write_bundle(folder: Path, content: bytes) -> Path:
    """A bundle of one ONNX file."""
    name = "onnx/model.onnx"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    about = {
        "format": 1,
        "wsss_tf": "0",
        "labels": VOC.names,
        "palette": palette()[: VOC.num_classes].tolist(),
        "input": {"name": "pixels", "dtype": "uint8", "layout": "NHWC", "color": "RGB",
                  "max_side": 1024},
        "outputs": {"labels": "uint8", "probabilities": "float32"},
        "models": {"fp32": name},
        "crf": None,
        "saved_model": None,
        "recipe_sha256": "0" * 64,
        "weights_sha256": "0" * 64,
        "files": {name: entry},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(about))
    return folder


def write_photos(folder: Path, count: int) -> list[Path]:
    """Soft noise of several sizes, as JPEG files of 30 to 60 kB."""
    generator = np.random.default_rng(0)
    paths = [folder / f"{index:04}.jpg" for index in range(count)]
    for path in paths:
        height, width = SIZES[generator.integers(len(SIZES))]
        coarse = generator.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        write_photo(path, np.asarray(image))
    return paths


def clocks() -> np.ndarray:
    """Seconds on the wall, and of this process on all CPUs."""
    return np.array([time.perf_counter(), time.process_time()])


def bare_seconds(session: onnxruntime.InferenceSession, arrays: Sequence[np.ndarray]) -> np.ndarray:
    before = clocks()
    for array in arrays:
        session.run(["labels"], {"pixels": array[None]})
    return clocks() - before


def segmenter_seconds(segmenter: Segmenter, paths: Sequence[Path]) -> np.ndarray:
    before = clocks()
    for found in segmenter(paths):
        if found.error:
            raise found.error
    return clocks() - before


def bare_session(model: Path, threads: int, *, spinning: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if not spinning:
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def speed(
    segmenter: Segmenter, model: Path, paths: Sequence[Path], *, threads: int, size: int
) -> list[Row]:
    """Photos a second of all three, in turns."""
    sessions = {
        "bare loop, its own options": bare_session(model, threads, spinning=True),
        "bare loop, our options": bare_session(model, threads, spinning=False),
    }
    seconds = {name: np.zeros(2) for name in [*sessions, "Segmenter"]}
    for start in range(0, len(paths), size):
        chunk = paths[start : start + size]
        arrays = [read_photo(path) for path in chunk]
        if start == 0:  # Each once before it is timed.
            segmenter_seconds(segmenter, chunk[:4])
            for session in sessions.values():
                bare_seconds(session, arrays[:4])
        for name, session in sessions.items():
            seconds[name] += bare_seconds(session, arrays)
        seconds["Segmenter"] += segmenter_seconds(segmenter, chunk)
    ours = seconds["Segmenter"]
    return [
        {
            "what": name,
            "photos_a_second": len(paths) / taken[0],
            "Segmenter_to_it": taken[0] / ours[0],
            "by_CPU_seconds": taken[1] / ours[1],
            "goal": "at least 0.95" if name in sessions else None,
        }
        for name, taken in seconds.items()
    ]


def memory(segmenter: Segmenter, paths: Sequence[Path]) -> list[Row]:
    """What the process holds after a quarter of the photos and after all."""
    rows: list[Row] = []
    for count, found in enumerate(segmenter(paths), start=1):
        if found.error:
            raise found.error
        if count in (len(paths) // 4, len(paths) // 2, len(paths)):
            held = memory_kb("VmRSS") / 1024
            rows.append({"what": f"held after {count} photos", "MB": held})
    rows[-1]["goal"] = "as after the first quarter"
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=50)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--memory-only", action="store_true")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.bundle or write_bundle(
            Path(scratch) / "bundle", network(chosen.width, VOC.num_classes)
        )
        paths = write_photos(Path(scratch), chosen.photos)
        segmenter = Segmenter(folder, threads=chosen.threads)
        rows = memory(segmenter, paths)
        if not chosen.memory_only:
            model = folder / segmenter.bundle.model_name("fp32")
            timed = speed(segmenter, model, paths, threads=chosen.threads, size=chosen.chunk)
            rows = timed + rows
    sys.stdout.write(table(rows))


if __name__ == "__main__":
    main()

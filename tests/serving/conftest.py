"""Tiny bundles, made with onnx alone: no TensorFlow is loaded in this folder."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

LABELS = ("background", "cat", "dog")
WEIGHTS = "a" * 64
REACH = 3
"""Pixels on either side that the network of `model` looks at, by two 3x3 windows and a 2x2 cell."""


def tensor(name: str, values: object, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def value(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def saved(nodes, inputs, outputs, initializers, metadata=None) -> bytes:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def model(labels: tuple[str, ...] = LABELS) -> bytes:
    """Windows of 3x3, the brightest of 2x2 cells, 3x3 again: the class of the strongest channel.

    Even sizes come out at full size; the cells of odd ones are cut as `pads` of the pool round up.
    """
    generator = np.random.default_rng(0)
    first = generator.normal(0, 1, (3, 3, 3, 3))
    first -= first.mean(axis=(1, 2, 3), keepdims=True)  # No channel wins everywhere.
    second = generator.normal(0, 0.02, (len(labels), 3, 3, 3))
    second -= second.mean(axis=0)
    node = helper.make_node
    nodes = [
        node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "first"], ["a"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Resize", ["b", "", "twice"], ["c"], mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Shape", ["planes"], ["size"], start=2),
        node("Slice", ["c", "zeros", "size", "axes"], ["d"]),
        node("Conv", ["d", "second"], ["e"], pads=[1, 1, 1, 1]),
        node("Transpose", ["e"], ["logits"], perm=[0, 2, 3, 1]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
        node("ArgMax", ["logits"], ["index"], axis=-1, keepdims=0),
        node("Cast", ["index"], ["labels"], to=TensorProto.UINT8),
    ]  # fmt: skip
    about = {"wsss_tf.labels": json.dumps(labels), "wsss_tf.weights_sha256": WEIGHTS}
    return saved(
        nodes,
        [value("pixels", TensorProto.UINT8, "batch", "height", "width", 3)],
        [
            value("labels", TensorProto.UINT8, "batch", "height", "width"),
            value("probabilities", TensorProto.FLOAT, "batch", "height", "width", len(labels)),
        ],
        [
            tensor("first", first), tensor("second", second), tensor("twice", [1, 1, 2, 2]),
            tensor("zeros", [0, 0], np.int64), tensor("axes", [2, 3], np.int64),
        ],
        about,
    )  # fmt: skip


def brightness_model() -> bytes:
    """Class 0, 1 or 2 by the red of each pixel alone, 0..84, 85..170 and 171..255."""
    node = helper.make_node
    nodes = [
        node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        node("Slice", ["float", "zero", "one", "last"], ["red"]),
        node("Sub", ["red", "centres"], ["away"]),
        node("Abs", ["away"], ["far"]),
        node("Neg", ["far"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
        node("ArgMax", ["logits"], ["index"], axis=-1, keepdims=0),
        node("Cast", ["index"], ["labels"], to=TensorProto.UINT8),
    ]
    return saved(
        nodes,
        [value("pixels", TensorProto.UINT8, "batch", "height", "width", 3)],
        [
            value("labels", TensorProto.UINT8, "batch", "height", "width"),
            value("probabilities", TensorProto.FLOAT, "batch", "height", "width", 3),
        ],
        [
            tensor("zero", [0], np.int64), tensor("one", [1], np.int64),
            tensor("last", [-1], np.int64), tensor("centres", [42.4, 127.5, 212.6]),
        ],
    )  # fmt: skip


def crf_model(regions: bool) -> bytes:
    """A CRF that moves every class on by one; in regions of other ids than 0, by two."""
    node = helper.make_node
    inputs = [
        value("photo", TensorProto.UINT8, "height", "width", 3),
        value("probabilities", TensorProto.FLOAT, "height", "width", "labels"),
    ]
    nodes = [node("Gather", ["probabilities", "once"], ["moved"], axis=2)]
    if regions:
        inputs.append(value("regions", TensorProto.INT32, "layers", "height", "width"))
        nodes += [
            node("ReduceSum", ["regions", "first"], ["ids"], keepdims=0),
            node("Cast", ["ids"], ["others"], to=TensorProto.BOOL),
            node("Unsqueeze", ["others", "last"], ["mask"]),
            node("Gather", ["probabilities", "twice"], ["further"], axis=2),
            node("Where", ["mask", "further", "moved"], ["refined"]),
        ]
    else:
        nodes[0].output[0] = "refined"
    return saved(
        nodes,
        inputs,
        [value("refined", TensorProto.FLOAT, "height", "width", "labels")],
        [
            tensor("once", [2, 0, 1], np.int64), tensor("twice", [1, 2, 0], np.int64),
            tensor("first", [0], np.int64), tensor("last", [-1], np.int64),
        ],
    )  # fmt: skip


def write_bundle(folder: Path, *, crf: bytes | None = None, **changes: object) -> Path:
    """A bundle of `brightness_model`, or of the bytes `model`; other changes are of bundle.json."""
    files = {"onnx/model.onnx": changes.pop("model", None) or brightness_model()}
    files["README.md"] = b"# A bundle\n"
    about_crf = None
    if crf is not None:
        files["onnx/crf.onnx"] = crf
        about_crf = {
            "file": "onnx/crf.onnx",
            "regions": changes.pop("regions", False),
            "region_settings": {"method": "slic", "preset": "default", "counts": [4]},
            "max_side": 64,
            "settings": {},
        }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    contract = {
        "format": 1,
        "wsss_tf": "0.1.0",
        "labels": list(LABELS),
        "palette": [[0, 0, 0], [128, 0, 0], [0, 128, 0]],
        "unknown": 255,
        "input": {"name": "pixels", "dtype": "uint8", "layout": "NHWC", "color": "RGB",
                  "max_side": changes.pop("max_side", 1024)},
        "outputs": {"labels": "uint8 [batch,height,width]",
                    "probabilities": "float32 [batch,height,width,classes]"},
        "models": {"fp32": "onnx/model.onnx"},
        "crf": about_crf,
        "saved_model": None,
        "views": {"scales": [1.0], "flip": False},
        "recipe_sha256": "b" * 64,
        "weights_sha256": WEIGHTS,
        "parity": [],
        "forced": False,
        "files": {name: entry(content) for name, content in files.items()},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps({**contract, **changes}))
    return folder


def entry(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    """Changes bundle.json in place."""
    path = folder / "bundle.json"
    contract = json.loads(path.read_text())
    change(contract)
    path.write_text(json.dumps(contract))


def expected(photo: np.ndarray) -> np.ndarray:
    """What `brightness_model` says, by plain numpy."""
    return np.digitize(photo[..., 0], [84.95, 170.05]).astype(np.uint8)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def tiny():
    """The functions of this file, which tests cannot import."""
    return sys.modules[__name__]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sound bundle whose labels are known for every photo."""
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six PNG photos, two of one size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, size in enumerate([(20, 30), (31, 17), (20, 30), (8, 9), (64, 48), (1, 1)]):
        Image.fromarray(noise(*size, seed=index)).save(folder / f"p{index}.png")
    return folder

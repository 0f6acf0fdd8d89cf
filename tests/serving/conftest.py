"""Tiny bundles, made with onnx alone, and a server that is a double of TensorFlow Serving.

TensorFlow is not loaded here, but by programs that are run: only gRPC's own tests need it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from wsss_tf.serving import Client  # noqa: E402

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


def write_served_bundle(folder: Path, *, config: bool = True, model: Path | None = None) -> Path:
    """A bundle with the SavedModel `model`, or one that passes for it until somebody loads it.

    `config` is whether it has the files for TensorFlow Serving that an export writes.
    """
    from wsss_tf.export.tf_serving import FILES

    write_bundle(folder)
    files = {"saved_model/1/saved_model.pb": b"graph"}
    if model is not None:
        inside = [path for path in model.rglob("*") if path.is_file()]
        files = {
            f"saved_model/1/{path.relative_to(model).as_posix()}": path.read_bytes()
            for path in inside
        }
    if config:
        files |= {f"tf_serving/{name}": text.encode() for name, text in FILES.items()}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    section = {"model": "wsss_tf", "folder": "tf_serving"} if config else None

    def change(about: dict) -> None:
        about.update(saved_model="saved_model/1", tf_serving=section)
        about["files"].update({name: entry(content) for name, content in files.items()})

    edit(folder, change)
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


def blocks(height: int, width: int) -> np.ndarray:
    """A photo of flat patches with a little noise: borders that a CRF can find."""
    generator = np.random.default_rng(height * 10_000 + width)
    coarse = generator.integers(0, 216, (-(-height // 12), -(-width // 12), 3))
    patches = coarse.repeat(12, 0).repeat(12, 1)[:height, :width]
    return (patches + generator.integers(0, 40, (height, width, 3))).astype(np.uint8)


def write_kinds(folder: Path) -> None:
    """A photo of every kind that a client may be given."""
    rgb = Image.fromarray(blocks(45, 61))
    for subsampling in (0, 1, 2):
        rgb.save(folder / f"rgb_{subsampling}.jpg", subsampling=subsampling)
    rgb.save(folder / "progressive.jpg", progressive=True, quality=40)
    rgb.convert("L").save(folder / "grey.jpg")
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.save(folder / "pictures.mpo", save_all=True, append_images=[rgb.rotate(180)])
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        rgb.save(folder / f"exif_{turn}.jpg", exif=exif)
        if turn in (1, 6):
            rgb.save(folder / f"exif_{turn}.png", exif=exif)
    whole = (folder / "rgb_2.jpg").read_bytes()
    # Pillow can do without the end marker, TensorFlow cannot.
    (folder / "no_end_marker.jpg").write_bytes(whole.removesuffix(b"\xff\xd9") + bytes(300))
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        rgb.convert(mode).save(folder / f"{mode}.png")
    deep = np.asarray(rgb.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "16_bits.png")
    rgb.save(folder / "photo.webp", lossless=True)
    rgb.save(folder / "animated.gif", save_all=True, append_images=[rgb.rotate(180)])
    rgb.save(folder / "photo.tiff")
    Image.fromarray(blocks(1, 1)).save(folder / "1x1.png")
    Image.fromarray(blocks(1, 1)).save(folder / "1x1.jpg")
    Image.fromarray(blocks(1, 300)).save(folder / "row.jpg")
    Image.fromarray(blocks(2000, 3000)).save(folder / "large.jpg", quality=95)


@dataclasses.dataclass(frozen=True)
class Served:
    """Photos, the base folder of SavedModels 1 and 2, and label maps: VERSION/SIGNATURE/NAME."""

    photos: Path
    base: Path
    labels: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Made in a process of its own, as it takes TensorFlow."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("no TensorFlow")
    out = tmp_path_factory.mktemp("served")
    (out / "photos").mkdir()
    write_kinds(out / "photos")
    program = Path(__file__).with_name("make_saved_models.py")
    command = [sys.executable, str(program), str(out / "photos"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Served(out / "photos", out / "saved_model", dict(np.load(out / "labels.npz")))


@dataclasses.dataclass(frozen=True)
class Double:
    """A running `tf_serving_double.py`: its addresses, and the file of what goes wrong next."""

    rest: str
    grpc: str
    faults: Path

    def fail(self, *faults: str) -> None:
        """The next predict requests meet these, one each."""
        self.faults.write_text("".join(f"{fault}\n" for fault in faults))

    def left(self) -> list[str]:
        """Faults that no request has met."""
        return self.faults.read_text().split()


MODELS_CONFIG = """
model_config_list {{
  config {{
    name: "wsss_tf" base_path: "{base}" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


@pytest.fixture(scope="session")
def running_double(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """Serves both versions of `served`, labelled "stable" and "canary"."""
    if importlib.util.find_spec("tensorflow_serving") is None:
        pytest.skip("no tensorflow-serving-api")
    folder = tmp_path_factory.mktemp("double")
    config, faults = folder / "models.config", folder / "faults"
    config.write_text(MODELS_CONFIG.format(base=served.base))
    faults.write_text("")
    port, rest_port = free_ports(2)
    program = Path(__file__).with_name("tf_serving_double.py")
    command = [
        sys.executable, str(program), f"--port={port}", f"--rest_api_port={rest_port}",
        f"--model_config_file={config}", f"--double_faults={faults}",
    ]  # fmt: skip
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    double = Double(f"http://127.0.0.1:{rest_port}", f"grpc://127.0.0.1:{port}", faults)
    try:
        deadline = time.monotonic() + 300
        while not Client(double.rest).ready():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield double
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def double(running_double: Double) -> Double:
    """The running one, with nothing left of what another test had go wrong."""
    running_double.fail()
    return running_double


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]

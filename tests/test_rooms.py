"""Who may import whom: the table of rooms, held against every import statement of the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_TRAINED_ON = {"images", "config", "data", "nets", "priors", "regions", "crf", "masks", "losses"}
_ABOVE_DATA = {"labels", "errors", "files", "images", "config"}

# A room: the rooms it may import, itself aside. `wsss_tf/__init__.py`, the version, is free to all.
MAY_IMPORT: dict[str, set[str]] = {
    "labels": set(),
    "errors": set(),
    "files": {"errors"},
    "requirements": {"errors"},
    "images": {"labels", "errors", "files"},
    "config": {"errors", "labels", "configs"},
    "configs": set(),
    "data": _ABOVE_DATA,
    "nets": {"errors", "labels"},
    "priors": {"labels", "errors"},
    "regions": {"images", "files", "errors"},
    "crf": {"errors"},
    "masks": {"nets", "priors", "crf", "labels", "errors"},
    "losses": {"errors"},
    "metrics": {"labels", "errors"},
    "training": _ABOVE_DATA | _TRAINED_ON | {"metrics"},
    "reports": _ABOVE_DATA | _TRAINED_ON | {"metrics", "training"},
    "export": _ABOVE_DATA | {"nets", "crf", "priors", "masks", "data", "metrics", "training"},
    "serving": {"labels", "images", "files", "errors"},
}
# What a room may import inside a function only.
INSIDE_FUNCTIONS: dict[str, set[str]] = {"serving": {"regions"}}

# Rooms that must load where only the base, or only [regions], is installed.
WITHOUT_TENSORFLOW = {
    "labels", "errors", "files", "requirements", "images", "config", "configs", "regions",
    "metrics", "serving", "cli",
}  # fmt: skip
TENSORFLOW = {"tensorflow", "keras", "tf2onnx", "tensorflow_serving"}
# The official gRPC stubs bring TensorFlow; this one module is loaded only for a gRPC address.
GRPC_MODULE = Path("serving/grpc.py")

AT_TOP_OF_CLI = {"click", "wsss_tf", "wsss_tf.cli", "wsss_tf.errors"}

ROOT = Path(__file__).resolve().parents[1]
INSTALLED_INSIDE = ("cli", "configs", "export", "serving")


def source_files() -> list[Path]:
    """Every Python file that is installed, relative to the root."""
    folders = ("wsss_tf", *INSTALLED_INSIDE)
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def room_of(path: Path) -> str:
    """`wsss_tf/data/voc.py` -> data, `wsss_tf/files.py` -> files, `cli/main.py` -> cli."""
    parts = path.parts[1:] if path.parts[0] == "wsss_tf" else path.parts
    return Path(parts[0]).stem


def imports(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yields line, dotted name and "is inside a function" of every import in `source`.

    `from a import b` counts as `a.b`: b may be a module. A body under `if TYPE_CHECKING:` counts
    like one in a function, as it is never run.
    """

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[int, str, bool]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, inside
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, "." * node.level + f"{node.module or ''}.{alias.name}", inside
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            inside = True
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    return walk(ast.parse(source), False)


def problems_of(path: Path, source: str) -> list[str]:
    """What `source`, as the file `path`, imports against the table; one line each."""
    room, found = room_of(path), []
    for line, name, inside in imports(source):
        parts = name.split(".")
        where = f"{path}:{line}: {room} imports {name}"
        if parts[0] in INSTALLED_INSIDE or name.startswith("."):
            found.append(f"{where}, not an absolute name in wsss_tf")
        allowed_here = path == GRPC_MODULE or (room == "cli" and inside)
        if room in WITHOUT_TENSORFLOW and parts[0] in TENSORFLOW and not allowed_here:
            found.append(f"{where}, and must load without TensorFlow")
        if room == "cli":
            if not inside and not light(name):
                found.append(f"{where} outside a function")
        elif parts[0] == "wsss_tf" and len(parts) > 1 and parts[1] != "__version__":
            allowed = {room} | MAY_IMPORT[room]
            if inside:
                allowed |= INSIDE_FUNCTIONS.get(room, set())
            if parts[1] not in allowed:
                found.append(f"{where}; it may import {', '.join(sorted(allowed))}")
    return found


def light(name: str) -> bool:
    """True for what a command's file may import before the command runs."""
    first = name.split(".")[0]
    if first != "wsss_tf":
        return first in sys.stdlib_module_names or first in AT_TOP_OF_CLI
    return name == "wsss_tf.__version__" or name.split(".")[1] in ("cli", "errors")


def test_every_room_is_in_the_table():
    rooms = {room_of(path) for path in source_files()} - {"__init__", "cli"}
    assert rooms - set(MAY_IMPORT) == set()


@pytest.mark.parametrize("path", source_files(), ids=str)
def test_imports_follow_the_table(path):
    assert problems_of(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("wsss_tf/labels.py", "from wsss_tf.errors import DataError"),
        ("wsss_tf/labels.py", "from wsss_tf import errors"),
        ("wsss_tf/files.py", "def f():\n    import wsss_tf.labels"),
        ("wsss_tf/nets/vgg.py", "if True:\n    from wsss_tf.data.voc import x"),
        ("wsss_tf/priors/a.py", "class A:\n    async def f():\n        import wsss_tf.nets as n"),
        ("wsss_tf/training/loop.py", "from export import x"),
        ("wsss_tf/training/loop.py", "from . import checkpoint"),
        ("wsss_tf/training/loop.py", "from wsss_tf.reports import x"),
        ("wsss_tf/images.py", "def f():\n    import tensorflow as tf"),
        ("serving/predict.py", "def f():\n    from keras import ops"),
        ("serving/predict.py", "import tensorflow.lite"),
        ("serving/predict.py", "from wsss_tf.regions import x"),
        ("serving/predict.py", "def f():\n    from wsss_tf.config import x"),
        ("cli/train.py", "import numpy"),
        ("cli/train.py", "from wsss_tf.config import load_recipe"),
        ("cli/train.py", "from wsss_tf import config"),
    ],
)
def test_a_wrong_import_is_seen(path, source):
    assert len(problems_of(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("wsss_tf/files.py", "import os\nfrom wsss_tf.errors import RunError"),
        ("serving/predict.py", "def f():\n    from wsss_tf.regions import x"),
        ("serving/grpc.py", "from tensorflow_serving.apis import x"),
        ("wsss_tf/reports/html.py", "from wsss_tf import __version__"),
        ("cli/train.py", "import click\nfrom wsss_tf.cli.options import x"),
        ("cli/train.py", "def f():\n    import tensorflow\n    from wsss_tf.training import x"),
    ],
)
def test_a_right_import_passes(path, source):
    assert problems_of(Path(path), source) == []

"""Which packages every part and every command needs, and how to get the ones that are missing.

The one table of extras outside setup.cfg; tests hold the two against each other. Standard library
only, so that a command can ask before it loads anything.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass

from wsss_tf.errors import WsssError


@dataclass(frozen=True)
class Package:
    """An importable module and the distributions that bring it, the usual one first."""

    module: str
    distributions: tuple[str, ...]

    @property
    def name(self) -> str:
        """The distribution that setup.cfg asks for."""
        return self.distributions[0]

    def installed(self) -> bool:
        """True when the module can be found; it is not imported."""
        return importlib.util.find_spec(self.module) is not None

    def found(self) -> tuple[tuple[str, str], ...]:
        """(distribution, version) of every distribution installed that brings the module."""
        pairs = []
        for distribution in self.distributions:
            try:
                pairs.append((distribution, importlib.metadata.version(distribution)))
            except importlib.metadata.PackageNotFoundError:
                continue
        return tuple(pairs)


def _package(module: str, *distributions: str) -> Package:
    return Package(module, distributions or (module,))


BASE = (
    _package("click"),
    _package("numpy"),
    _package("PIL", "pillow"),
    _package("pydantic"),
    _package("yaml", "pyyaml"),
    _package("tqdm"),
)
_REGIONS = (_package("skimage", "scikit-image"), _package("scipy"), _package("threadpoolctl"))
_ONNX_RUNTIME = _package("onnxruntime", "onnxruntime", "onnxruntime-gpu")

EXTRAS: dict[str, tuple[Package, ...]] = {
    "regions": _REGIONS,
    "coco": (_package("pycocotools"),),
    "train": (
        *_REGIONS,
        _package("jinja2"),
        _package("keras"),
        _package("matplotlib"),
        _package("onnx"),
        _package("tensorboard"),
        _package("tensorflow", "tensorflow", "tensorflow-cpu"),
        _package("tf2onnx"),
    ),
    "onnx-cpu": (_ONNX_RUNTIME,),
    "onnx-gpu": (_ONNX_RUNTIME,),
    "grpc": (_package("tensorflow_serving", "tensorflow-serving-api"),),
    "ray": (_package("ray"),),
}

# The extras each command of `wsss-tf` needs; a command that is not named needs none. Where they
# hang on what it is given, the command stands here with each.
COMMANDS: dict[str, tuple[str, ...]] = {
    "ablate": ("train",),
    "benchmark": ("onnx-cpu",),
    "data prepare coco": ("coco",),
    "data prepare voc": ("regions",),
    "demo": ("train",),
    "evaluate": ("train",),
    "export": ("train", "onnx-cpu"),
    "masks": ("train",),
    "predict BUNDLE": ("onnx-cpu",),
    "predict RUN": ("train",),
    "regions": ("regions",),
    "report": ("train",),
    "train": ("train",),
}


def missing(extra: str) -> tuple[str, ...]:
    """Names of the packages of `extra` that are not installed.

    Args:
        extra: a key of `EXTRAS`.
    """
    return tuple(package.name for package in EXTRAS[extra] if not package.installed())


def pip_command(*extras: str) -> str:
    """The command that installs `extras` beside this package; without any, its base."""
    return f'pip install "wsss-tf[{",".join(extras)}]"' if extras else "pip install wsss-tf"


def require(extra: str) -> None:
    """Makes sure that the packages of `extra` are installed, without importing them.

    Raises:
        WsssError: names the packages that are missing and the pip command that brings them.
    """
    absent = missing(extra)
    if absent:
        raise WsssError(
            f"This needs {', '.join(absent)}, not installed here. Install with: "
            f"{pip_command(extra)}"
        )

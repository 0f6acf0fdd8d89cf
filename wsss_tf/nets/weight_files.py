"""Reads files of VGG-16 weights without trusting them: names and shapes first, then the data."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from wsss_tf.errors import CheckpointError
from wsss_tf.nets import vgg

FULLY_CONNECTED = ("fc6", "fc7", "predictions")
KERAS_NAMES = {"fc1": "fc6", "fc2": "fc7"}
_CONVOLUTIONS = tuple(
    name for block in range(1, len(vgg.BLOCKS) + 1) for name in vgg.convolution_names(block)
)
_FLOATS = ("float16", "float32", "float64")
# What zipfile, zlib and numpy's header parser are known to raise on files damaged at random.
_DAMAGED = (
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    SyntaxError,
    MemoryError,
    struct.error,
    tokenize.TokenError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)


class WeightFile(Protocol):
    """Weights by name, "block1_conv1_kernel" and so on; `shapes` is known before data is read."""

    source: str
    shapes: dict[str, tuple[int, ...]]

    def read(self, name: str) -> NDArray[np.float32]:
        """Returns a finite float32 array of shape `shapes[name]`, or raises CheckpointError."""


def open_weights(path: str | Path) -> WeightFile:
    """Opens a file of VGG-16 weights and reads its names and shapes, nothing else.

    Args:
        path: an `.npz` with `block{i}_conv{j}_kernel` (HWIO) and `_bias`, and optionally
            `fc6_kernel` [49 C, F], `fc7_kernel`, `predictions_kernel` and their biases; or an
            `.h5` as `keras.applications.VGG16` has it, with or without its top.

    Raises:
        CheckpointError: the file is missing, damaged, or holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such weights file. Give 'compact', 'imagenet', 'random', or a file."
        )
    if path.suffix == ".npz":
        weights: WeightFile = NpzWeights(path)
    elif path.suffix in (".h5", ".hdf5"):
        from wsss_tf.nets.h5_weights import H5Weights  # h5py loads only when a file needs it.

        weights = H5Weights(path)
    else:
        raise CheckpointError(
            f"{path}: weights must be an .npz or .h5 file. Received: suffix {path.suffix!r}."
        )
    check_names(weights)
    return weights


def check_names(weights: WeightFile) -> None:
    """Raises CheckpointError for a name that is not VGG-16's, and for half a classifier."""
    top = {f"{layer}_{part}" for layer in FULLY_CONNECTED for part in ("kernel", "bias")}
    known = top | {f"{layer}_{part}" for layer in _CONVOLUTIONS for part in ("kernel", "bias")}
    extra = sorted(set(weights.shapes) - known)
    if extra:
        raise CheckpointError(
            f"{weights.source}: holds {', '.join(extra[:5])}, which VGG-16 does not have. "
            "Weights are named like 'block1_conv1_kernel' and 'fc6_bias'."
        )
    missing = sorted(top - set(weights.shapes))
    if missing and len(missing) < len(top):
        raise CheckpointError(
            f"{weights.source}: holds some fully-connected layers but not {', '.join(missing)}. "
            "Give all of fc6, fc7 and predictions, or none."
        )


def checked(array: NDArray[Any], name: str, source: str) -> NDArray[np.float32]:
    """Returns the array as float32; CheckpointError when a value is not finite there."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(array).all():
        raise CheckpointError(
            f"{source}: {name} holds values that are not finite. Use weights from before the "
            "training that made them diverged."
        )
    return array


def require_float(dtype: np.dtype, name: str, source: str) -> None:
    """Raises CheckpointError for a dtype other than float16, float32 or float64."""
    if dtype.newbyteorder("=").name not in _FLOATS:
        raise CheckpointError(
            f"{source}: {name} must be one of {', '.join(_FLOATS)}. Received: dtype={dtype}."
        )


def damaged(source: str, error: BaseException) -> CheckpointError:
    """The error for a file that cannot be parsed."""
    return CheckpointError(
        f"{source}: the weights file is damaged, or is of another kind "
        f"({type(error).__name__}: {error}). Copy or download it again."
    )


class NpzWeights:
    """A WeightFile over an `.npz`; pickled members are refused, and so is a header that lies."""

    def __init__(self, path: Path):
        self.source = str(path)
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                headers = [self._header(archive, member) for member in members]
        except _DAMAGED as error:
            raise damaged(self.source, error) from error
        self._members = dict(zip([self._name(m) for m in members], members, strict=True))
        if len(self._members) != len(members):
            raise CheckpointError(f"{path}: holds a weight twice. Save the file again.")
        self.shapes = dict(zip(self._members, headers, strict=True))

    def read(self, name: str) -> NDArray[np.float32]:
        try:
            with (
                zipfile.ZipFile(self._path) as archive,
                archive.open(self._members[name]) as member,
            ):
                shape, fortran, dtype = _npy_header(member)
                size = math.prod(shape) * dtype.itemsize
                data = member.read(size)
                # Reading on to the end of the member is what checks its CRC.
                if len(data) != size or member.read(1):
                    raise ValueError(f"{name} holds {len(data)} bytes, its header says {size}")
        except _DAMAGED as error:
            raise damaged(self.source, error) from error
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return checked(array, name, self.source)

    def _header(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is compressed in a way that numpy does not use")
        with archive.open(member) as stream:
            shape, _, dtype = _npy_header(stream)
        require_float(dtype, self._name(member), self.source)
        return shape

    @staticmethod
    def _name(member: zipfile.ZipInfo) -> str:
        return member.filename.removesuffix(".npy")


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    # Version 2 lets a header be 4 GB long; numpy writes it only for dtypes that we refuse anyway.
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("an array is not in version 1.0 of the npy format")
    return npy.read_array_header_1_0(stream)

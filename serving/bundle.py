"""A bundle's folder, opened: every file of it there, unchanged and inside, before one is used."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_tf.errors import BundleError, DataError
from wsss_tf.files import safe_join, sha256
from wsss_tf.labels import LabelSpace
from wsss_tf.serving.onnx_wire import external_data

if TYPE_CHECKING:
    from wsss_tf.serving.contract import BundleContract

CONTRACT_FILE = "bundle.json"
_AGAIN = "Get the bundle again, or export it anew."
# Nothing but the bundle's own files may lie where models are looked for.
_MODEL_FOLDERS = ("onnx", "saved_model")


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: where it lies.
        contract: its bundle.json.
        labels: its classes.
    """

    folder: Path
    contract: BundleContract

    @property
    def labels(self) -> LabelSpace:
        return LabelSpace(self.contract.labels)

    def model_name(self, precision: str) -> str:
        """The file of the ONNX model in a precision, relative to the folder.

        Raises:
            ValueError: the bundle has none.
        """
        models = self.contract.models
        if not isinstance(precision, str) or precision not in models:
            there = ", ".join(models) or "none; export it with --onnx"
            raise ValueError(
                f"`precision` must be one that the bundle {self.folder} has ({there}). "
                f"Received: precision={precision!r}. Export it with that precision too."
            )
        return models[precision]

    def onnx(self, name: str) -> bytes:
        """The content of an ONNX file of the bundle, which is the one that its digest is of.

        Raises:
            BundleError: it has changed since the bundle was opened, is no ONNX file, or keeps its
                weights in other files.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}. {_AGAIN}") from error
        if hashlib.sha256(content).hexdigest() != self.contract.files[name].sha256:
            raise BundleError(f"{path}: is not the file that {CONTRACT_FILE} lists. {_AGAIN}")
        try:
            location = external_data(content)
        except ValueError as error:
            raise BundleError(f"{path}: is no ONNX file: {error}. {_AGAIN}") from error
        if location is not None:
            raise BundleError(
                f"{path}: must hold its weights itself. Received: external data in {location!r}, "
                f"which no bundle uses. {_AGAIN}"
            )
        return content


def is_bundle(folder: str | os.PathLike[str]) -> bool:
    """True where a folder passes for a bundle; `open_bundle` says whether it is a sound one."""
    return (Path(folder) / CONTRACT_FILE).is_file()


def open_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Opens a bundle, after every file that it lists was found there with its size and SHA-256.

    Raises:
        BundleError: `folder` is no bundle, or one of a newer format; a file is missing, changed,
            cut short or outside; or a file lies beside the models that the bundle does not list.
            All that is wrong is told at once.
    """
    folder = Path(folder)
    contract = _contract(folder)
    problems = [text for name in contract.files if (text := _problem(folder, contract, name))]
    problems += _foreign(folder, contract)
    if problems:
        raise BundleError("\n  ".join([f"{folder}: is damaged. {_AGAIN}", *problems]))
    return Bundle(folder, contract)


def _contract(folder: Path) -> BundleContract:
    from pydantic import ValidationError

    from wsss_tf.serving.contract import BundleContract

    content = _json(folder)
    try:
        return BundleContract.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        where = f"{folder / CONTRACT_FILE}: {place or 'it'}"
        raise BundleError(f"{where}: {first['msg']}. {_AGAIN}") from error


def _json(folder: Path) -> dict[str, Any]:
    """The content of bundle.json, once its format is known to be one that is read here."""
    from wsss_tf.serving.contract import FORMAT

    path = folder / CONTRACT_FILE
    _check_folder(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it must be an object")
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read: {error}. {_AGAIN}") from error
    number = content.get("format")
    if isinstance(number, bool):
        raise BundleError(f"{path}: `format` must be a number. Received: {number}. {_AGAIN}")
    if isinstance(number, int) and number > FORMAT:
        raise BundleError(
            f"{folder}: must be of format {FORMAT} or older. Received: format {number}, written by "
            f"wsss-tf {content.get('wsss_tf', '?')}. Upgrade wsss-tf here, or export it with this "
            "version."
        )
    return content


def _check_folder(folder: Path) -> None:
    if folder.is_file():
        raise BundleError(
            f"{folder}: must be a bundle's folder, the one with {CONTRACT_FILE}. Received: a file. "
            "A model alone has no labels, digests or input contract: give the bundle folder that "
            "it came in."
        )
    if not (folder / CONTRACT_FILE).is_file():
        parent = folder.absolute().parent
        hint = f"Did you mean {parent}?" if is_bundle(parent) else "Make one with wsss-tf export."
        raise BundleError(f"{folder}: no bundle here ({CONTRACT_FILE} is missing). {hint}")


def _problem(folder: Path, contract: BundleContract, name: str) -> str | None:
    """What is wrong with a listed file; None where it is as listed."""
    listed = contract.files[name]
    try:
        path = safe_join(folder, name)
        if not path.is_file():
            return f"{name}: is missing"
        size = path.stat().st_size
        if size != listed.bytes:
            return f"{name}: has {size:,} bytes instead of {listed.bytes:,}"
        return None if sha256(path) == listed.sha256 else f"{name}: is changed (SHA-256)"
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{name}: cannot be read: {error.strerror}"


def _foreign(folder: Path, contract: BundleContract) -> list[str]:
    """Files beside the models that the bundle does not list."""
    found = []
    for top in _MODEL_FOLDERS:
        for parent, folders, names in os.walk(folder / top):
            relative = Path(parent).relative_to(folder)
            links = [name for name in folders if Path(parent, name).is_symlink()]
            found += [(relative / name).as_posix() for name in [*names, *links]]
    return [
        f"{name}: is foreign, {CONTRACT_FILE} does not list it; take it out"
        for name in sorted(found)
        if name not in contract.files
    ]

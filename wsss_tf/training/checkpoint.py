"""One atomic file with all that a stage needs to go on: weights, seeds, optimizer, step."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from wsss_tf.errors import CheckpointError
from wsss_tf.files import atomic_write

FORMAT = 1
_HEADER = "header"
_DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def named_variables(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
) -> dict[str, Any]:
    """Every variable that a resumed run needs, by a name that is the same in every process.

    Args:
        model: weights, statistics and the states of its seed generators are all taken. A generator
            is named after its layer: its own path counts those that the process made before.
        optimizer: a built optimizer; None takes the model alone.

    Returns:
        name -> `keras.Variable`: "model/block1_conv1/kernel", "optimizer/0000", ...

    Raises:
        ValueError: two variables share a name, so a file could not tell them apart.
    """
    pairs = [
        (f"model/{layer.name}/{variable.name}", variable)
        for layer in model.layers
        for variable in layer.variables
    ]
    if optimizer is not None:
        # Their own names hold counters of the process; their order is that of the model's weights.
        pairs += [(f"optimizer/{i:04}", variable) for i, variable in enumerate(optimizer.variables)]
    named: dict[str, Any] = {}
    for name, variable in pairs:
        if name in named:
            raise ValueError(f"Variable names must be unique. Received: {name} twice.")
        named[name] = variable
    return named


def save_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None = None,
    *,
    step: int,
    state: dict[str, Any] | None = None,
) -> None:
    """Writes model, optimizer and `step` to `path`; the old file stays whole until the new one is.

    Args:
        path: an `.npz` file; equal contents give equal bytes.
        step: optimisation steps done.
        state: JSON-serialisable values of the loop.
    """
    arrays = {
        name: keras.ops.convert_to_numpy(variable.value)
        for name, variable in named_variables(model, optimizer).items()
    }
    header = json.dumps({"format": FORMAT, "step": step, "state": state or {}}, sort_keys=True)
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **{_HEADER: np.array(header)}, **arrays)


def read_header(path: Path) -> dict[str, Any]:
    """The step and the loop's state of a checkpoint, without reading its weights.

    Raises:
        CheckpointError: no checkpoint, a truncated one, or one of another format.
    """
    with _opened(path) as arrays:
        try:
            header = json.loads(str(arrays[_HEADER]))
            known = header["format"] == FORMAT
        except (KeyError, TypeError, *_DAMAGE) as error:
            raise CheckpointError(
                f"{path}: not a wsss-tf checkpoint ({error}). Delete it, and the stage starts anew."
            ) from error
    if not known:
        raise CheckpointError(
            f"{path}: the format must be {FORMAT}. Received: format={header['format']}. "
            "It was written by another version of wsss-tf."
        )
    return header


def load_checkpoint(
    path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
) -> dict[str, Any]:
    """Fills `model` (and `optimizer`) from `path`; missing, extra or misshapen entries are errors.

    Args:
        optimizer: None leaves the file's optimizer entries aside, for inference.

    Returns:
        The header: `step` and `state`.

    Raises:
        CheckpointError: with the first names that do not agree.
    """
    header = read_header(path)
    variables = named_variables(model, optimizer)
    with _opened(path) as arrays:
        stored = {name for name in arrays.files if name != _HEADER}
        if optimizer is None:
            stored = {name for name in stored if name.startswith("model/")}
        _require_same_names(path, stored, set(variables))
        try:
            values = {name: arrays[name] for name in variables}
        except _DAMAGE as error:
            raise _damaged(path, error) from error
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            raise CheckpointError(
                f"{path}: `{name}` must have shape {tuple(variable.shape)}. "
                f"Received: {values[name].shape}. The recipe describes another network."
            )
    for name, variable in variables.items():
        variable.assign(values[name])
    return header


def _require_same_names(path: Path, stored: set[str], expected: set[str]) -> None:
    for names, what in ((expected - stored, "lacks"), (stored - expected, "has unknown")):
        if names:
            some = ", ".join(sorted(names)[:3])
            raise CheckpointError(
                f"{path}: the checkpoint {what} {len(names)} variables: {some}. "
                "It belongs to another network; use the recipe that it was trained with."
            )


def _opened(path: Path) -> Any:
    try:
        arrays = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: no checkpoint. Train first with `wsss-tf train`."
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise _damaged(path, ValueError("a single array"))
    return arrays


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path}: the checkpoint is damaged ({error}). Delete it, and the stage starts anew."
    )

"""The folder of a run: its recipe, its stages, and run.json, which says what the run was."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import wsss_tf
from wsss_tf.config import Recipe, load_recipe, recipe_digest, recipe_text
from wsss_tf.errors import RunError
from wsss_tf.files import lock, sha256, write_json, write_text
from wsss_tf.labels import LabelSpace

FORMAT = 1
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "scikit-image", "scipy")


class RunFolder:
    """Paths and records of one run; open it with `RunFolder.open` or `RunFolder.existing`.

    Attributes:
        path: the folder.
        recipe: the resolved recipe.
    """

    def __init__(self, path: Path, recipe: Recipe):
        self.path, self.recipe = path, recipe

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, recipe: Recipe) -> Iterator[RunFolder]:
        """Locks `path` for writing; makes it, or goes on with the run of the same recipe there.

        Raises:
            RunError: the folder holds another recipe's run or foreign files, or is in use.
        """
        _require_room(path)
        with lock(path):
            run = cls(path, recipe)
            if _has_results(path):
                _require_same_recipe(path, recipe)
            else:
                write_text(path / "recipe.yaml", recipe_text(recipe))
                write_json(run.record_path, _new_record(recipe))
            yield run

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The run in `path`, for reading.

        Raises:
            RunError: there is none.
        """
        if not (path / "recipe.yaml").is_file():
            raise RunError(f"{path}: no run here (recipe.yaml is missing). Train one first.")
        return cls(path, load_recipe(path / "recipe.yaml"))

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def data_root(self) -> Path:
        """Where the photos are; scenes live inside the run unless the recipe says where."""
        return self.recipe.data.root or self.path / "data"

    @property
    def regions_folder(self) -> Path:
        """Where the regions of photos are kept; runs may share it if the recipe says where."""
        return self.recipe.data.regions_cache or self.path / "regions"

    def stage(self, name: str) -> Path:
        """Folder of "localize", "masks", "segment" or "report"."""
        return self.path / name

    def owns(self, path: Path) -> bool:
        """Whether `path` lies in the run's folder."""
        return path.resolve().is_relative_to(self.path.resolve())

    def record(self) -> dict[str, Any]:
        """run.json.

        Raises:
            RunError: it is missing, or not a JSON object.
        """
        try:
            found = json.loads(self.record_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.record_path}: cannot be read ({error}). Restore it, or train anew."
            ) from error
        if not isinstance(found, dict):
            raise RunError(f"{self.record_path}: must be a JSON object. Restore it, or train anew.")
        return found

    @property
    def labels(self) -> LabelSpace:
        """The classes that the run is trained on; they need no data set at hand."""
        names = self.record().get("labels")
        if names is None:
            raise RunError(f"{self.path}: stopped before it began. Call `wsss-tf train` again.")
        return LabelSpace(tuple(names))

    def record_labels(self, labels: LabelSpace) -> None:
        """Adds the classes to run.json; raises as `require_labels`."""
        record = self.record()
        if "labels" in record:
            self.require_labels(labels)
        else:
            write_json(self.record_path, {**record, "labels": list(labels.names)})

    def require_labels(self, labels: LabelSpace) -> None:
        """Raises RunError unless the run was trained on `labels`."""
        if labels != self.labels:
            raise RunError(
                f"{self.path}: this run has the classes {', '.join(self.labels.names)}, and "
                f"the data now have {', '.join(labels.names)}. Train into a new folder."
            )

    def record_files(self, paths: Iterable[Path], *, kind: str = "files") -> None:
        """Adds what is read before evaluation to run.json: absolute paths, with first digests.

        Args:
            paths: of files that the run has not made itself.
            kind: "files", which results hang on; "headers", photos that no stage looks into; or
                "kept", what a folder that runs share keeps of photos, which gets no digest.

        Raises:
            RunError: one of "files" has changed since an earlier stage read it.
        """
        record = self.record()
        listed = record.setdefault(kind, {})
        for path in paths:
            digest = None if kind == "kept" else sha256(path)
            if listed.setdefault(str(path.absolute()), digest) != digest and kind == "files":
                raise RunError(
                    f"{path}: changed since this run first read it. "
                    "Restore it, or train into a new folder."
                )
        write_json(self.record_path, record)

    def record_stage(self, name: str, seconds: float) -> None:
        """Adds a stage's time; a resumed stage adds up. Peak memory is the whole process's."""
        record = self.record()
        entry = record["stages"].setdefault(name, {"seconds": 0.0})
        entry.pop("adopted", None)  # Stopped in taking it over, and done here after all.
        entry["seconds"] = round(entry["seconds"] + seconds, 3)
        entry["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        write_json(self.record_path, record)


def _new_record(recipe: Recipe) -> dict[str, Any]:
    found = [dist for name in PACKAGES for dist in importlib.metadata.distributions(name=name)]
    return {
        "format": FORMAT,
        "wsss_tf": wsss_tf.__version__,
        "python": platform.python_version(),
        "versions": {dist.name: dist.version for dist in found},
        "seed": recipe.seed,
        "recipe_sha256": recipe_digest(recipe),
        "stages": {},
        "files": {},
    }


def _has_results(path: Path) -> bool:
    """A run that failed before its first result, say out of memory, may change its recipe."""
    results = ("localize/checkpoint.npz", "masks/*.png", "segment/checkpoint.npz")
    return any(any(path.glob(pattern)) for pattern in results)


def _require_room(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: a run needs a folder, and this is a file. Choose another --out.")
    if path.is_dir() and not (path / "recipe.yaml").exists():
        foreign = [name for name in os.listdir(path) if not name.startswith(".")]
        if foreign:
            raise RunError(
                f"{path}: holds files that are not of a run ({foreign[0]}, ...). "
                "Choose an empty or new folder for --out."
            )


def _require_same_recipe(path: Path, recipe: Recipe) -> None:
    old = load_recipe(path / "recipe.yaml")
    if recipe_digest(old) != recipe_digest(recipe):
        keys = _differing_keys(old.model_dump(mode="json"), recipe.model_dump(mode="json"))
        raise RunError(
            f"{path}: holds a run of another recipe; different: {', '.join(keys)}. "
            "Choose another --out, or go on with the run's own recipe.yaml."
        )


def _differing_keys(old: Any, new: Any, prefix: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            name
            for key in keys
            for name in _differing_keys(old.get(key), new.get(key), f"{prefix}{key}.")
        ]
    return [] if old == new else [prefix.removesuffix(".")]

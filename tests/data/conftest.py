"""Data sets made on the spot for the tests of data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss_tf.config import DataSettings
from wsss_tf.labels import palette


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int = 12, width: int = 16, seed: int = 0) -> np.ndarray:
    """A random photo, uint8 [height, width, 3]."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def label_map(ids: np.ndarray) -> bytes:
    """The bytes of a palette PNG, written without `wsss_tf.images`."""
    image = Image.frombytes("P", ids.shape[::-1], ids.astype(np.uint8).tobytes())
    image.putpalette(palette().ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def settings(**changes: Any) -> DataSettings:
    """Settings of a tagged folder whose one split serves for everything, unless changed."""
    values = {
        "source": "tagged_folder",
        "root": ".",
        "train_split": "train",
        "eval_split": "train",
        **changes,
    }
    return DataSettings.model_validate(values)


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """The functions above, for tests that need the content of files."""
    return SimpleNamespace(encoded=encoded, noise=noise, label_map=label_map, settings=settings)


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tagged folder: rows of tags.csv, and the content of files by their path."""

    def write(
        rows: Sequence[Sequence[str]],
        contents: Mapping[str, bytes] | None = None,
        *,
        header: Sequence[str] = ("photo", "split", "tags"),
    ) -> Path:
        root = tmp_path / "folder"
        (root / "images").mkdir(parents=True)
        contents = dict(contents or {})
        for row in rows:
            name = row[0]
            if name.startswith("images/"):
                contents.setdefault(name, encoded(noise()))
        for name, content in contents.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with open(root / "tags.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return root

    return write

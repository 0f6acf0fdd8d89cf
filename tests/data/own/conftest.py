"""Users' folders made on the spot, and the command that starts from them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from wsss_tf.cli.main import main


@pytest.fixture
def photo() -> Callable[..., bytes]:
    """Writes a random photo, the same for the same seed, and returns its content."""

    def write(path: Path, seed: int) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (10, 14, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG" if path.suffix == ".png" else "JPEG")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        return buffer.getvalue()

    return write


@pytest.fixture
def classes(tmp_path: Path, photo: Callable[..., bytes]) -> Path:
    """30 photos in a folder per class, cat and "hot dog", with stems of their own."""
    root = tmp_path / "mine"
    for number in range(30):
        photo(root / ("cat" if number % 2 else "hot dog") / f"{number:02}.jpg", number)
    return root


@pytest.fixture(scope="session")
def init() -> Callable[..., Result]:
    """`wsss-tf data init`."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["data", "init", *map(str, arguments)])

    return run

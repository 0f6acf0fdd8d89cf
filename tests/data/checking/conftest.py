"""Folders with each problem exactly once, and with none."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from wsss_tf.cli.main import main
from wsss_tf.labels import palette

HEIGHT, WIDTH = 12, 16


class Folder:
    """A tagged folder in the making; every photo has another content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows = ["photo,split,tags"]
        self.made = 0

    def photo(
        self, name: str, split: str | None, tags: str, *, orientation: int = 1, mode: str = "RGB"
    ) -> bytes:
        """Writes images/NAME, and its row unless `split` is None; the content of the file."""
        self.made += 1
        pixels = np.random.default_rng(self.made).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        buffer = io.BytesIO()
        kind = "PNG" if name.endswith(".png") else "JPEG"
        options = {"exif": exif} if orientation != 1 else {}
        Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
        self.write(f"images/{name}", buffer.getvalue())
        if split is not None:
            self.rows.append(f"images/{name},{split},{tags}")
        return buffer.getvalue()

    def mask(self, name: str, *ids: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
        """Writes masks/NAME.png in which each of the ids has pixels."""
        values = np.resize(np.array(ids, np.uint8), size)
        image = Image.frombytes("P", size[::-1], values.tobytes())
        image.putpalette(palette().ravel().tolist())
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        self.write(f"masks/{name}.png", buffer.getvalue())

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def finish(self) -> Path:
        self.write("tags.csv", ("\n".join(self.rows) + "\n").encode())
        return self.root


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder to fill."""
    return Folder(tmp_path / "folder")


@pytest.fixture
def clean(folder: Folder) -> Folder:
    """Four photos of two splits, with masks (1 cat, 2 dog, 255) that agree with the tags."""
    for name, split, tags, ids in (
        ("a.jpg", "train", "cat", (0, 1, 255)),
        ("b.png", "train", "cat dog", (0, 1, 2)),
        ("c.jpg", "val", "dog", (0, 2)),
        ("d.jpg", "val", "cat", (1,)),
    ):
        folder.photo(name, split, tags)
        folder.mask(name[0], *ids)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """`wsss-tf data check` with --json: its result, the data, and the count of each finding."""

    def check(root: Path, *options: str) -> SimpleNamespace:
        target = tmp_path / "check.json"
        result = invoke("data", "check", root, "--json", target, *options)
        data: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        items = {found["kind"]: found["items"] for found in data["findings"]}
        counts = {found["kind"]: found["count"] for found in data["findings"]}
        return SimpleNamespace(result=result, data=data, items=items, counts=counts)

    return check


def invoke(*arguments: object) -> Result:
    """A command of `wsss-tf`."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def command() -> Callable[..., Result]:
    """`invoke`, for tests."""
    return invoke


@pytest.fixture(scope="session")
def sources_of() -> Callable[[str], list[str]]:
    """Every address that a page would load."""
    return lambda page: re.findall(r'(?:src|href|url\()\s*=?\s*["\']?([^"\')\s>]+)', page)

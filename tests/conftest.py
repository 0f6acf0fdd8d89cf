"""What tests of several rooms share: seeds, a small data set, the real photos."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Read by TensorFlow when a test first imports it: warnings and errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# (stem, suffix, split, tags, height, width): every photo has a size of its own, one is a single
# row high, one has no tag, and PNG is there beside JPEG.
_PHOTOS = (
    ("a", ".jpg", "train", "cat", 32, 40),
    ("b", ".jpg", "train", "dog cat", 45, 33),
    ("c", ".png", "train", "dog", 37, 37),
    ("d", ".jpg", "val", "", 29, 50),
    ("e", ".png", "val", "cat", 40, 32),
    ("f", ".jpg", "val", "dog", 1, 19),
)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Ctrl-C reaches the processes that tests start, also where a shell runs them in background.

    Such a shell ignores SIGINT, and a process inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def without_root() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A context that gives up root's right to write everywhere, for as long as it lasts."""

    @contextlib.contextmanager
    def given_up() -> Iterator[None]:
        nobody, user = 65534, os.geteuid()
        if user == 0:
            os.seteuid(nobody)
        try:
            yield
        finally:
            os.seteuid(user)

    return given_up


@pytest.fixture
def disk(tmp_path):
    """Mounts a file system in memory, where that is allowed; a function changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if shutil.which("mount") is None or not mount("size=64k"):
        pytest.skip("file systems cannot be mounted here")
    mount.folder = folder
    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def random_generator() -> np.random.Generator:
    """A numpy generator that gives the same numbers in every run."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_seeds() -> None:
    """Seeds Python and, where a test module has loaded Keras, every generator Keras draws from."""
    random.seed(0)
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.set_random_seed(0)


@pytest.fixture
def tagged_root(tmp_path: Path) -> Path:
    """A tagged folder of 6 random photos: images/, masks/ (0 background, 1 cat, 2 dog), tags.csv.

    A class is in a photo's mask exactly when it is in its tags.
    """
    root = tmp_path / "tagged"
    generator = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rows = [("photo", "split", "tags")]
    for stem, suffix, split, tags, height, width in _PHOTOS:
        name = f"images/{stem}{suffix}"
        photo = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(photo).save(root / name)
        mask = np.zeros((height, width), np.uint8)
        for column, tag in enumerate(tags.split()):
            mask[:, column::3] = ("cat", "dog").index(tag) + 1
        label_map = Image.fromarray(mask, mode="P")
        label_map.putpalette([value for gray in range(256) for value in (gray, gray, gray)])
        label_map.save(root / "masks" / f"{stem}.png")
        rows.append((name, split, tags))
    with open(root / "tags.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root


TINY_RUN = (
    "data.scenes.train=12",
    "data.scenes.val=3",
    "data.scenes.size=48",
    "augment.crop=48",
    "localize.crop=48",
    "localize.batch_size=4",
    "localize.steps=6",
    "localize.learning_rates=[1e-3]",
    "localize.boundaries=[]",
    "segment.batch_size=2",
    "segment.steps=6",
    "segment.learning_rates=[1e-3]",
    "segment.boundaries=[]",
    "log.every=2",
    "log.checkpoint_every=3",
    "log.images_every=6",
)


@pytest.fixture(scope="session")
def tiny_overrides() -> tuple[str, ...]:
    """Overrides of the recipe `scenes` that train every stage in seconds, to no good result."""
    return TINY_RUN


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory):
    """A finished run of `tiny_overrides`, shared by tests that only read it."""
    from wsss_tf.config import load_recipe
    from wsss_tf.training import run_stages

    return run_stages(load_recipe("scenes", TINY_RUN), tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder of the real photos and weights, which may not be redistributed with the project."""
    named = os.environ.get("WSSS_TF_REAL")
    if not named:
        pytest.skip("WSSS_TF_REAL is not set: it names the folder of real photos and weights")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"WSSS_TF_REAL must name a folder. Received: {named!r}")
    return folder

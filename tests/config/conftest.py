"""A small valid recipe, and what it takes to see one refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.errors import ConfigError

SMALL = """
data: {source: scenes}
backbone: {weights: random, width: 0.25}
localize: {steps: 10, learning_rates: [1e-2]}
masks: {kind: multi_class}
segment: {loss: multi_class, steps: 20, learning_rates: [1e-2, 1e-3], boundaries: [15]}
"""


@pytest.fixture
def small_text() -> str:
    """A valid recipe of six lines, the first of them empty, on generated scenes."""
    return SMALL


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Writes a text or bytes to a recipe file and returns its path."""

    def write(content: str | bytes, name: str = "r.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def small(write, small_text) -> Path:
    """A file that holds `small_text`."""
    return write(small_text)


@pytest.fixture
def refused() -> Callable[..., str]:
    """Loads a recipe that must be refused and returns the message."""

    def refused(path, *overrides: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load_recipe(path, overrides)
        return str(caught.value)

    return refused

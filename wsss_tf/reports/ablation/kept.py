"""Scores that are found once: files of a folder, each named by what the scores hang on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import WsssError
from wsss_tf.files import read_jsonl, write_bytes
from wsss_tf.metrics import Scoring, tallies_from_rows
from wsss_tf.training import write_scores


@dataclass(frozen=True)
class Scores:
    """What `write_scores` left: the result, the rows of the photos, and where they are."""

    result: dict[str, Any]
    rows: list[dict[str, Any]]
    path: Path

    def tallies(self) -> NDArray[np.int64]:
        """Of the photos, for `paired_bootstrap`."""
        return tallies_from_rows(self.rows, self.result["classes"])

    def copy_to(self, path: Path) -> None:
        """Puts both files there too, as `wsss-tf evaluate` would; the same content stays."""
        for suffix in (".json", ".jsonl"):
            content, target = self.path.with_suffix(suffix).read_bytes(), path.with_suffix(suffix)
            if not target.exists() or target.read_bytes() != content:
                write_bytes(target, content)


def scores_path(folder: Path, name: str, of: Any) -> Path:
    """Where scores are kept.

    Args:
        folder: of the files.
        name: that theirs begin with.
        of: all that the scores hang on, as what JSON can hold; its digest ends their names.
    """
    canonical = json.dumps(of, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return folder / f"{name}_{digest[:20]}.json"


def is_kept(path: Path) -> bool:
    """Whether the scores of a `scores_path` are there, whole: others are found again."""
    try:
        read_scores(path).tallies()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, WsssError):
        return False
    return True


def read_scores(path: Path) -> Scores:
    """Scores that are kept."""
    result = json.loads(path.read_text(encoding="utf-8"))
    return Scores(result, read_jsonl(path.with_suffix(".jsonl")), path)


def kept_scores(path: Path, score: Callable[[], Scoring]) -> Scores:
    """The scores from their files, or found by `score` and written."""
    if not is_kept(path):
        write_scores(path, score())
    return read_scores(path)

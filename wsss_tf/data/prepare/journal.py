"""What an unfinished preparation has written so far, so that a second one goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsss_tf.files import JsonLines, read_jsonl, remove

NAME = ".prepare.jsonl"


class Journal:
    """The file OUT/.prepare.jsonl: what is prepared, then a line for each photo that is written.

    Args:
        out: the folder that is being prepared.
        identity: what decides on the bytes. The lines of another one are dropped.

    Attributes:
        kept: photo id -> SHA-256 of its photo and, where it has one, of its mask.
    """

    def __init__(self, out: Path, identity: dict[str, Any]) -> None:
        path = out / NAME
        self._lines = JsonLines(path)
        self.kept: dict[str, list[str]] = {}
        rows = read_jsonl(path)
        if rows and rows[0] == identity:
            self.kept = {row["id"]: row["sha256"] for row in rows[1:]}
        else:
            remove(path)
            self._lines.append(identity)

    def add(self, item: str, digests: list[str]) -> None:
        """Notes that the files of a photo are written."""
        self._lines.append({"id": item, "sha256": digests})

    def end(self) -> None:
        """Removes the file: the preparation is done."""
        remove(self._lines.path)


def begun(out: Path) -> dict[str, Any] | None:
    """The `identity` of the unfinished preparation in a folder; None without one.

    Raises:
        RunError: the journal is damaged.
    """
    rows = read_jsonl(out / NAME)
    return rows[0] if rows else None

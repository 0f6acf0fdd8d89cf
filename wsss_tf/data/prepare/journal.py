"""What an unfinished preparation has written so far, so that a second one goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wsss_tf.errors import RunError
from wsss_tf.files import JsonLines, read_jsonl, remove, write_text

NAME = ".prepare.jsonl"


class Journal:
    """The file OUT/.prepare.jsonl: what is prepared, then a line for each photo that is written.

    Args:
        out: the folder that is being prepared.
        identity: what decides on the bytes. The lines of another one are dropped, and so are all
            where one is damaged: what they are about is then written again.

    Attributes:
        kept: photo id -> SHA-256 of its photo and, where it has one, of its mask.
    """

    def __init__(self, out: Path, identity: dict[str, Any]) -> None:
        path = out / NAME
        self._lines = JsonLines(path)
        self.kept: dict[str, list[str]] = {}
        try:
            first, *rows = read_jsonl(path)
            self.kept = {row["id"]: list(row["sha256"]) for row in rows}
            whole = first == identity
        except (RunError, ValueError, KeyError, TypeError):  # None yet, or damaged.
            whole = False
        if not whole:
            self.kept = {}
            # At once: without its first line nothing would tell that the folder is ours.
            write_text(path, json.dumps(identity, ensure_ascii=False) + "\n")

    def add(self, item: str, digests: list[str]) -> None:
        """Notes that the files of a photo are written."""
        self._lines.append({"id": item, "sha256": digests})

    def end(self) -> None:
        """Removes the file: the preparation is done."""
        remove(self._lines.path)


def begun(out: Path) -> dict[str, Any] | None:
    """The `identity` of the unfinished preparation in a folder; None without one that says so."""
    try:
        with open(out / NAME, encoding="utf-8") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError):
        return None
    return first if isinstance(first, dict) else None

"""The folder that a demo or an ablation has to itself."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from wsss_tf.errors import RunError


def require_room(out: Path, ours: Collection[str], *, what: str) -> None:
    """Raises RunError for a file, or a folder that holds more than `what` writes.

    Args:
        out: the folder; it need not exist.
        ours: names of what may lie in it; hidden files always may.
        what: such as "a demo", for the message.
    """
    if out.is_file():
        raise RunError(f"{out}: is a file. Choose an empty or new folder for --out.")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    foreign = sorted(name for name in names - set(ours) if not name.startswith("."))
    if foreign:
        raise RunError(
            f"{out}: holds files that are not of {what} ({foreign[0]}, ...). "
            "Choose an empty or new folder for --out."
        )

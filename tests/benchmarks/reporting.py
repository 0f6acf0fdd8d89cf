"""What the benchmarks share: a table of rows, and this process's memory."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """Aligned columns, in the order in which rows first name them, the goal last."""
    columns = [*dict.fromkeys(key for row in rows for key in row if key != "goal")]
    columns += ["goal"] * any(row.get("goal") for row in rows)
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join(lines) + "\n"


def memory_kb(key: str) -> int:
    """Of /proc/self/status: `VmRSS`, what is held now, or `VmHWM`, the most ever held.

    `ru_maxrss` would not do: a process starts with that of the one which started it.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{key}:"))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)

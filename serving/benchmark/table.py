"""Rows of a benchmark as a Markdown table, which also reads as text, and what to know of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

_HEAD = (
    "form", "precision", "provider", "CRF", "HxW", "batch", "median ms", "p95 ms", "photos/s",
    "peak MB", "file MB", "agreement", "calls",
)  # fmt: skip
_TEXTS = 5  # Columns of words; numbers follow, which stand on the right.
_RANKS = 20
_CRF = {None: "-", "pairwise": "pairwise", "regions": "with regions"}


def table(rows: Sequence[Row], *, photos: int) -> str:
    """The rows in their order; one that failed has no times.

    Args:
        rows: of `Benchmark`.
        photos: how many real ones they are of; 0 for generated pictures.
    """
    cells = [_HEAD, *(_cells(row, "" if photos else "*") for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        [
            text.ljust(width) if place < _TEXTS else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in cells
    ]
    numbers = range(_TEXTS, len(widths))
    rule = ["-" * (width - (place in numbers)) for place, width in enumerate(widths)]
    lines.insert(1, [text + ":" * (place in numbers) for place, text in enumerate(rule)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def heading(facts: dict[str, Any]) -> str:
    """The machine in one line, from `machine_facts`."""
    threads, runtime, tensorflow = (facts[key] for key in ("threads", "onnxruntime", "tensorflow"))
    parts = [
        facts["board"],
        facts["cpu"],
        *facts["gpus"],
        f"{facts['cpus_allowed']} of {facts['cpus']} CPUs, {threads} thread{'s' * (threads > 1)}",
        f"onnxruntime {runtime}",
        f"TensorFlow {tensorflow}" if tensorflow else None,
        f"load {facts['load']} before",
    ]
    return "; ".join(filter(None, parts))


def notes(rows: Sequence[Row], *, photos: int, side: int | None = None) -> list[str]:
    """What a reader of the table must know.

    Args:
        rows, photos: as of `table`.
        side: to which the network itself reduces the longer side of photos, if it does.
    """
    told = [
        "Times are of a call with one batch, decoded photos in and labels out; the forms of one "
        "size and batch took turns. Memory is the most that the process of a form held, without a "
        "GPU's own. 1 MB is 1,000,000 bytes."
    ]
    if any(0 < row["calls"] < _RANKS and not row["error"] for row in rows):
        told.append(f"p95 is by nearest rank: of fewer than {_RANKS} calls, the slowest.")
    told.append(_about_agreement(photos))
    if side and any(max(row["height"], row["width"]) > side for row in rows):
        told.append(
            f"The network reduces photos to a longer side of {side}: beyond it, size costs little."
        )
    if any(row["crf"] and row["form"] != "onnx" for row in rows):
        told.append(
            "The CRF of SavedModel and server is pairwise and of the recipe's mode, that of ONNX "
            "of mode dense: these labels differ, and should."
        )
    if any(row["form"] == "server" for row in rows):
        told.append("The server's memory and files are its own and not seen from here.")
    return told + [f"Failed: {_name(row)}: {row['error']}" for row in rows if row["error"]]


def _about_agreement(photos: int) -> str:
    text = (
        "Agreement is the share of pixels with the label of onnx fp32 on the CPU, with its CRF "
        "in rows that have one"
    )
    if photos:
        return f"{text}; on {photos} photo{'s' * (photos > 1)}."
    return (
        f"{text}; here on generated pictures (*), which says little of photos; nor is a CRF's time "
        "that of photos. Give PHOTOS; the bundle's README.md has the parity table of its export."
    )


def _name(row: Row) -> str:
    words = [row["form"], row["precision"], row["provider"]]
    with_crf = ", with CRF" if row["crf"] else ""
    return " ".join(filter(None, words)) + (
        f", {row['height']}x{row['width']}, batch {row['batch']}{with_crf}"
    )


def _cells(row: Row, mark: str) -> tuple[str, ...]:
    failed = row["error"] is not None
    return (
        row["form"],
        row["precision"] or "-",
        row["provider"] or "-",
        _CRF[row["crf"]],
        f"{row['height']}x{row['width']}",
        str(row["batch"]),
        "FAILED" if failed else _number(row["median_ms"]),
        _number(row["p95_ms"]),
        _number(row["photos_per_second"]),
        _megabytes(row["peak_bytes"]),
        _megabytes(row["file_bytes"]),
        _share(row["agreement"], mark),
        str(row["calls"]),
    )


def _number(value: float | None) -> str:
    """Three digits at least: a difference that matters must be seen in small numbers too."""
    if value is None:
        return "-"
    return f"{value:.{max(0, 2 - math.floor(math.log10(max(value, 1e-3))))}f}"


def _megabytes(value: int | None) -> str:
    return _number(None if value is None else value / 1e6)


def _share(value: float | None, mark: str) -> str:
    if value is None:
        return "-"
    # Rounded down: not quite all must not look like all.
    return f"{math.floor(1e5 * value) / 1e5:.5f}{mark}"

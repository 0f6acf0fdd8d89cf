"""What a benchmark ran on, and how much memory there is left."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from wsss_tf.serving.providers import cpu_threads

# Limit, what is used of it, and the share of that which is a cache of files: cgroups 2 and 1.
_CGROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_BOARD = Path("/proc/device-tree/model")


def process_kb(key: str) -> int:
    """Of /proc/self/status, in KiB: `VmRSS`, what is held now, or `VmHWM`, the most ever held.

    `ru_maxrss` would not do: a process starts with that of the one which started it.
    """
    return _kilobytes(Path("/proc/self/status"), key)


def available_memory() -> int:
    """Bytes that processes may still take, on the machine or in this container."""
    free = [1024 * _kilobytes(Path("/proc/meminfo"), "MemAvailable")]
    free += [left for files in _CGROUPS if (left := _left(_CGROUP_ROOT, *files)) is not None]
    return max(min(free), 0)


def machine_facts(threads: int) -> dict[str, Any]:
    """The device and the versions that times hang on; JSON.

    Args:
        threads: that the forms are given.
    """
    import onnxruntime

    return {
        "cpu": _cpu(),
        "board": _board(),
        "gpus": _gpus(),
        "cpus_allowed": cpu_threads(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "tensorflow": _version("tensorflow", "tensorflow-cpu"),
    }


def _kilobytes(path: Path, key: str) -> int:
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise ValueError(f"`key` must be one of {path}. Received: key={key!r}.")


def _left(root: Path, limit: str, used: str, cache: str) -> int | None:
    """What a cgroup leaves; None without one, or without a limit."""
    try:
        most = int((root / limit).read_text())  # "max" where there is none.
        taken = int((root / used).read_text())
        pairs = (line.split() for line in (root / used).with_name("memory.stat").open())
        return most - taken + next((int(value) for key, value in pairs if key == cache), 0)
    except (OSError, ValueError):
        return None


def _version(*distributions: str) -> str | None:
    """Of the first that is installed; it is not loaded."""
    for name in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _board() -> str | None:
    """Of single-board computers, whose processor has no name of its own."""
    try:
        return _BOARD.read_text(encoding="utf-8").strip("\0\n") or None
    except OSError:
        return None


def _gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]

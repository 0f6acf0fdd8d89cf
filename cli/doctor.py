"""`wsss-tf doctor`: what is installed, which devices are seen, which commands can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

# An identity graph of one number: onnxruntime names a provider that it was built with even where
# the device or its libraries are missing, and only a session tells.
_IDENTITY = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a001011"
)


@click.command()
def doctor() -> None:
    """Say what is installed, which devices are seen, and which commands can run.

    \b
    Example:
      wsss-tf doctor
    """
    import platform

    from wsss_tf import __version__

    click.echo(f"wsss-tf {__version__}, Python {platform.python_version()}, {platform.platform()}")
    _section("Packages", _packages())
    _section("Devices", [_devices("tensorflow", _tensorflow), _devices("onnxruntime", _onnx)])
    _section("Commands", _commands())


def _section(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    click.echo(f"\n{title}")
    for first, second, third in rows:
        line = f"  {first:<{widths[0]}}  {second:<{widths[1]}}  {third}"
        click.echo(line.rstrip())


def _packages() -> list[tuple[str, str, str]]:
    from wsss_tf.requirements import BASE, EXTRAS, Package, pip_command

    extras_of: dict[Package, list[str]] = {package: [] for package in BASE}
    for extra, packages in EXTRAS.items():
        for package in packages:
            extras_of.setdefault(package, []).append(extra)
    rows = []
    for package, extras in extras_of.items():
        found = package.found()
        note = f"[{', '.join(extras)}]" if extras else "base"
        if not package.installed():
            rows.append((package.name, "missing", f"{note}  {pip_command(*extras[:1])}"))
            continue
        if len(found) > 1:
            names = " and ".join(name for name, _ in found)
            note += f"  {names} fill the same folder and break each other: uninstall both, add one"
        name, version = found[0] if found else (package.name, "version unknown")
        rows.append((name, version, note))
    return rows


def _devices(module: str, names: Callable[[], Sequence[str]]) -> tuple[str, str, str]:
    from importlib.util import find_spec

    if find_spec(module) is None:
        return module, "not installed", ""
    try:
        return module, ", ".join(names()), ""
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return module, "cannot be loaded", str(error).splitlines()[0]


def _tensorflow() -> list[str]:
    import os

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # The table is all that is asked for.
    import tensorflow as tf

    names = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        label = device.name.removeprefix("/physical_device:")
        names.append(" ".join(filter(None, [label, details.get("device_name")])))
    return names


def _onnx() -> list[str]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # Failing to load is an answer here, not a fault.
    names = []
    for provider in onnxruntime.get_available_providers():
        if provider == "AzureExecutionProvider":  # A remote service, not a device.
            continue
        loaded = _loads(onnxruntime, provider)
        name = provider.removesuffix("ExecutionProvider")
        names.append(name if loaded else f"{name} (built in, but does not load here)")
    return names


def _loads(onnxruntime: Any, provider: str) -> bool:
    try:
        session = onnxruntime.InferenceSession(_IDENTITY, providers=[provider], enable_fallback=0)
    except Exception:  # noqa: BLE001 (onnxruntime's errors have no base of their own)
        return False
    return provider in session.get_providers()


def _commands() -> list[tuple[str, str, str]]:
    from wsss_tf.requirements import COMMANDS, missing, pip_command

    rows = []
    for command, extras in sorted(COMMANDS.items()):
        absent = [name for extra in extras for name in missing(extra)]
        if absent:
            hint = pip_command(*(extra for extra in extras if missing(extra)))
            rows.append((command, "cannot run", f"needs {', '.join(absent)}: {hint}"))
        else:
            rows.append((command, "ready", ""))
    return rows

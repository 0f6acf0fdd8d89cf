"""Ctrl-C, what else ends a command like it, and what is said then."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

import click

STOPPED = 130
"""Exit status of a command that Ctrl-C has ended."""
GOES_ON = "Stopped. The same command goes on where this one ended."


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C ends the command and says that the same one goes on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(GOES_ON, err=True)
        sys.exit(STOPPED)


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal raise KeyboardInterrupt too, so that nothing is left behind.

    So does Ctrl-C for a job in the background, which is deaf to it otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

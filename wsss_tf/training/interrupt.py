"""Ctrl-C and SIGTERM end a run where what it saves is whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether the user asked to stop; a second Ctrl-C ends at once.

    Outside the main thread, where Python cannot catch signals, it always says no.
    """
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with _handler(ask):
        yield asked.is_set


def stop_at_once() -> contextlib.AbstractContextManager[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt: for work that may end anywhere and cleans up.

    SIGTERM would end the process without that, and a job in the background is deaf to Ctrl-C.
    """
    return _handler(signal.default_int_handler)


@contextlib.contextmanager
def _handler(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handles both signals; outside the main thread, where Python cannot, does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

"""Ctrl-C and SIGTERM end a run between two steps, so that what it saves is whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


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

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Asking again while a server is busy or gone, ever more slowly, until a deadline."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from wsss_tf.errors import ServerError
from wsss_tf.serving.address import Address
from wsss_tf.serving.service import Busy, TooLate

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

_Answer = TypeVar("_Answer")


class Deadline:
    """A time until which all attempts at one thing must be over.

    Args:
        seconds: from now.
        stop: once set, nothing is waited for any more.
    """

    def __init__(self, seconds: float, stop: threading.Event | None = None) -> None:
        self.seconds = seconds
        self.stop = stop or threading.Event()
        self.start = time.monotonic()

    @property
    def past(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    @property
    def left(self) -> float:
        """Seconds until the end; not above 0 when it is over."""
        return self.seconds - self.past


def patiently(ask: Callable[[float], _Answer], deadline: Deadline, where: Address) -> _Answer:
    """Calls `ask` until it raises no `Busy`.

    Pauses double from 0.1 to 5 s, each shortened at random by up to a half, so that many clients
    of a server that was gone do not all come back at once.

    Args:
        ask: gets the seconds that are left.
        deadline: of all calls together.
        where: for messages.

    Raises:
        TooLate: there is no time left for a first call.
        ServerError: it was still busy at the end; says how often it was asked, how long, and why.
        Exception: what else `ask` raises, at once; a `TooLate` after a `Busy` counts as the end.
    """
    tries = 0
    problem: Busy | None = None
    while (left := deadline.left) > 0:
        tries += 1
        try:
            return ask(left)
        except Busy as error:
            problem = error
        except TooLate:
            if problem is None:
                raise
            break  # Why it took so long is that it was busy before.
        pause = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        if pause >= deadline.left or deadline.stop.wait(pause):
            break
    if problem is None:
        raise TooLate(f"{where}: no answer within {deadline.seconds:g} s. Raise `timeout`.")
    raise ServerError(
        f"{where}: cannot answer, asked {tries} time{'s' if tries > 1 else ''} within "
        f"{deadline.past:.1f} s: {problem}. Check that the server runs there and keeps up, or "
        "raise `timeout`."
    ) from problem

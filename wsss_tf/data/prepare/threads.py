"""Work in threads, a bounded part of it at a time, with the results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")
_AHEAD = 4
_MOST = 16


def default_workers() -> int:
    """How many threads a preparation uses unless told: one a CPU it may use, at most 16."""
    return min(len(os.sched_getaffinity(0)), _MOST)


def in_threads(
    function: Callable[[Work], Result], items: Iterable[Work], workers: int
) -> Generator[tuple[Work, Result]]:
    """Yields each item and what `function` makes of it, in the order of the items.

    An error of `function` ends it, as closing the iterator does: what has not begun is dropped, and
    what has is waited for.

    Raises:
        ValueError: there is no thread to work in.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1. Received: workers={workers}.")
    begun: deque[tuple[Work, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            begun.append((item, pool.submit(function, item)))
            if len(begun) >= _AHEAD * workers:
                first, future = begun.popleft()
                yield first, future.result()
        while begun:
            first, future = begun.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

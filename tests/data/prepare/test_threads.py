"""Work in threads: results in order, a bounded part at a time, and nothing begun after an end."""

from __future__ import annotations

import threading
import time

import pytest

from wsss_tf.data.prepare.threads import default_workers, in_threads


@pytest.mark.parametrize("workers", [1, 3, 40])
def test_results_are_in_order_whichever_is_first(workers):
    def work(number):
        time.sleep(0.002 * (number % 3 == 0))
        return number * number

    assert list(in_threads(work, range(20), workers)) == [(n, n * n) for n in range(20)]


def test_work_is_done_at_once():
    meeting = threading.Barrier(3, timeout=10)
    assert len(list(in_threads(lambda _: meeting.wait(), range(3), 3))) == 3


def test_items_are_not_taken_far_ahead():
    taken = []
    results = in_threads(lambda n: n, (taken.append(n) or n for n in range(1000)), 2)
    next(results)
    assert len(taken) == 8
    results.close()
    assert len(taken) == 8


@pytest.mark.parametrize("end", ["error", "closed"])
def test_what_has_not_begun_is_dropped_at_an_end(end):
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if number == 1:
            go_on.wait(10)
        if number == 1 and end == "error":
            raise KeyError("an error")
        if number > 1:
            time.sleep(0.1)  # Long enough for the end to be seen.
        return number

    results = in_threads(work, range(100), 1)
    assert next(results) == (0, 0)
    threading.Timer(0.05, go_on.set).start()
    if end == "error":
        with pytest.raises(KeyError, match="an error"):
            next(results)
    else:
        results.close()
    count = len(begun)
    assert count < 4
    time.sleep(0.02)
    assert len(begun) == count


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="`workers` must be at least 1. Received: workers=0"):
        next(in_threads(str, [1], 0))
    assert 1 <= default_workers() <= 16

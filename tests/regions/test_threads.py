"""BLAS on one thread: while a photo is worked, and never after."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from wsss_tf.regions import boundary_map, crisp


def blas_threads():
    return {part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"}


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.fixture
def seen(monkeypatch):
    """Gets BLAS's numbers of threads each time that an energy is found."""
    numbers, original = [], crisp._coarse_energy

    def spy(*arguments):
        found = original(*arguments)
        numbers.append(blas_threads())
        return found

    monkeypatch.setattr(crisp, "_coarse_energy", spy)
    return numbers


@pytest.fixture
def two_threads():
    """Two threads wherever BLAS can have them, whatever the environment says."""
    with threadpool_limits(2, user_api="blas"):
        yield


def test_one_thread_inside_and_as_many_as_before_after(two_threads, photo, seen):
    before = blas_threads()
    boundary_map(photo, preset="fast")
    assert seen == [{1}]
    assert blas_threads() == before


def test_threads_come_back_after_an_error(two_threads, photo):
    before = blas_threads()
    with pytest.raises(ValueError, match="`photo` must"):
        boundary_map(photo[0])
    assert blas_threads() == before


def test_calls_of_several_python_threads_leave_each_other_the_limit(photo, seen):
    before, expected = blas_threads(), boundary_map(photo, preset="fast")
    found = []
    workers = [
        threading.Thread(
            target=lambda: found.extend(boundary_map(photo, preset="fast") for _ in range(5))
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60.0)
    assert seen == [{1}] * 21
    assert blas_threads() == before
    assert {image.tobytes() for image in found} == {expected.tobytes()}

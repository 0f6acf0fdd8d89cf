"""Photos through threads in their own order: prepared ahead, run in batches of one size, finished.

    source -> prepare (threads) -> run (one thread, a batch) -> finish (threads) -> yielded in order

Never more than `window` photos are on their way, the ones that wait to be yielded included: memory
does not grow with the number of photos, nor where one is slow or the caller is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from wsss_tf.errors import DataError

# One batch runs and one is ready, so that the device does not wait for this module.
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Stages:
    """What is done to a photo; a DataError from any of them is that photo's outcome.

    Attributes:
        prepare: from a photo as given to something that `run` takes.
        kind: of something prepared; those of one kind may run together.
        run: from a list of prepared ones of one kind to one raw result each.
        finish: from a prepared one and its raw result to the outcome.
    """

    prepare: Callable[[Any], Any]
    kind: Callable[[Any], Hashable]
    run: Callable[[Sequence[Any]], Sequence[Any]]
    finish: Callable[[Any, Any], Any]


@dataclass(eq=False)
class _Slot:
    """A photo on its way."""

    source: Any
    prepared: Future = field(default_factory=Future)
    outcome: Future = field(default_factory=Future)
    launched: bool = False
    seconds: float = 0.0

    def work(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a stage and adds up its time."""
        before = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.seconds += time.perf_counter() - before


@dataclass(frozen=True)
class Done:
    """A photo and what became of it.

    Attributes:
        source: the photo as it was given.
        outcome: what `Stages.finish` returned, or the DataError.
        seconds: of work on it, its share of a batch included.
    """

    source: Any
    outcome: Any
    seconds: float


def in_order(
    photos: Iterable[Any], stages: Stages, *, batch_size: int, threads: int, window: int
) -> Generator[Done, None, None]:
    """Yields what becomes of each photo, in the order of `photos`, which are taken as needed.

    Args:
        photos: of any length.
        stages: what is done to them.
        batch_size: photos that run together, at most. Fewer do where no more of one kind are
            within the window.
        threads: that prepare and finish.
        window: photos on their way, at most; at least `batch_size`.

    Raises:
        Exception: of a stage, other than DataError; the photos before it were yielded.
    """
    pipeline = _Pipeline(iter(photos), stages, batch_size, threads, window)
    try:
        yield from pipeline.outcomes()
    finally:
        pipeline.close()


class _Pipeline:
    def __init__(
        self, source: Iterator[Any], stages: Stages, batch_size: int, threads: int, window: int
    ) -> None:
        self.source, self.stages = source, stages
        self.batch_size, self.window = batch_size, max(window, batch_size)
        self.slots: deque[_Slot] = deque()
        self.batches: set[Future] = set()
        self.exhausted = False
        self.workers = ThreadPoolExecutor(threads, thread_name_prefix="wsss-photo")
        self.device = ThreadPoolExecutor(1, thread_name_prefix="wsss-network")
        # Not the threads above, where a photo that is done would wait behind all that are ahead.
        self.finishers = ThreadPoolExecutor(threads, thread_name_prefix="wsss-finish")
        # Raw results are the largest things here: the network waits where they pile up.
        self.raw = threading.Semaphore(2 * threads)

    def outcomes(self) -> Iterator[Done]:
        while True:
            self._fill()
            if not self.slots:
                return
            if self.slots[0].outcome.done():
                slot = self.slots.popleft()
                yield Done(slot.source, slot.outcome.result(), slot.seconds)
                continue
            if not self._launch():
                self._wait()

    def close(self) -> None:
        """Ends the threads; what has not begun is not begun any more."""
        self.device.shutdown(cancel_futures=True)
        self.workers.shutdown(cancel_futures=True)
        self.finishers.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        while not self.exhausted and len(self.slots) < self.window:
            try:
                slot = _Slot(next(self.source))
            except StopIteration:
                self.exhausted = True
                return
            slot.prepared = self.workers.submit(self._prepare, slot)
            self.slots.append(slot)

    def _prepare(self, slot: _Slot) -> Any:
        with _outcome_of(slot):
            return slot.work(self.stages.prepare, slot.source)

    def _launch(self) -> bool:
        """Starts a batch where there is one worth starting; False where there is none yet."""
        self.batches = {batch for batch in self.batches if not batch.done()}
        if len(self.batches) >= _BATCHES_AHEAD:
            return False
        group = self._group()
        if not group:
            return False
        for slot in group:
            slot.launched = True
        self.batches.add(self.device.submit(self._run, group))
        return True

    def _group(self) -> list[_Slot]:
        """The first full batch of one kind; else, once no more can come, the oldest photo's."""
        groups: dict[Hashable, list[_Slot]] = {}
        coming = False
        for slot in self.slots:
            if slot.launched:
                continue
            if not slot.prepared.done():
                coming = True
                continue
            if slot.outcome.done():  # Asked last: one that fails has its outcome first.
                continue
            group = groups.setdefault(self.stages.kind(slot.prepared.result()), [])
            group.append(slot)
            if len(group) == self.batch_size:
                return group
        return [] if coming or not groups else next(iter(groups.values()))

    def _run(self, group: list[_Slot]) -> None:
        before = time.perf_counter()
        prepared = [slot.prepared.result() for slot in group]
        try:
            results = self.stages.run(prepared)
        except DataError as error:
            self._run_alone(group, error)
            return
        except BaseException as error:  # noqa: BLE001 (raised where the outcome is yielded)
            for slot in group:
                slot.outcome.set_exception(error)
            return
        share = (time.perf_counter() - before) / len(group)
        for slot, one, result in zip(group, prepared, results, strict=True):
            slot.seconds += share
            self.raw.acquire()
            self.finishers.submit(self._finish, slot, one, result)

    def _run_alone(self, group: list[_Slot], error: DataError) -> None:
        """What fails as a batch, for want of memory as a rule, may pass one by one."""
        if len(group) == 1:
            group[0].outcome.set_result(error)
            return
        for slot in group:
            self._run([slot])

    def _finish(self, slot: _Slot, prepared: Any, result: Any) -> None:
        try:
            with _outcome_of(slot):
                slot.outcome.set_result(slot.work(self.stages.finish, prepared, result))
        finally:
            self.raw.release()

    def _wait(self) -> None:
        """Until something has ended that may let a batch start or the oldest photo be yielded."""
        ahead = [slot.prepared for slot in self.slots if not slot.prepared.done()]
        wait([self.slots[0].outcome, *self.batches, *ahead], return_when=FIRST_COMPLETED)


@contextlib.contextmanager
def _outcome_of(slot: _Slot) -> Iterator[None]:
    """An error in the block is the photo's outcome: yielded if a DataError, raised otherwise."""
    try:
        yield
    except DataError as error:
        slot.outcome.set_result(error)
    except BaseException as error:  # noqa: BLE001 (raised where the outcome is yielded)
        slot.outcome.set_exception(error)

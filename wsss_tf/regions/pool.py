"""The same work on many files, in processes of their own that share nothing with this one."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from wsss_tf.errors import DataError, RunError

# Set before numpy loads: a library reads its variable once.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_SERVE = "import sys; from wsss_tf.regions.pool import serve; serve(int(sys.argv[1]))"
# A worker removes its unfinished file when told to end; one deep in a solver hears it late.
_GRACE_S = 2.0


class _Outcome(NamedTuple):
    """What a worker says of a file; the first one says that it has started."""

    value: Any
    error: Exception | None


class _Worker:
    """A process and the path that it works on."""

    def __init__(self, function: Callable[[Path], Any]) -> None:
        self.function = function
        self.path: Path | None = None
        self.connection, theirs = Pipe()
        # Not `multiprocessing`: its processes import the caller's main script again, which may load
        # TensorFlow or start the work anew. A group of its own, as Ctrl-C is for this process.
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(theirs.fileno())],
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": _import_path()},
                stdin=subprocess.PIPE,  # Nothing is written; it closes when this process dies.
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        self._send(function)

    def give(self, path: Path) -> None:
        """Lets the process work on `path` next."""
        self.path = path
        self._send(path)

    def outcome(self) -> _Outcome | None:
        """What the process says next; None where it has ended instead."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            return None

    def _send(self, thing: object) -> None:
        # A process that has ended is met where its answer is awaited.
        with contextlib.suppress(ConnectionError):
            self.connection.send(thing)

    def ended(self) -> str:
        """Waits until the process, whose connection is closed, has ended, and says how."""
        self.connection.close()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        status = self.process.returncode
        return f"signal {-status}" if status < 0 else f"status {status}"


def map_files(
    function: Callable[[Path], Any], paths: Sequence[Path], *, processes: int | None = None
) -> Generator[tuple[Path, Any], None, None]:
    """Calls `function` with each path, in processes that hold numpy's libraries to one thread.

    The processes end at once when the caller stops, by an error, Ctrl-C or `close`, and by
    themselves when the caller is killed.

    Args:
        function: can be pickled, and imported without the caller's main script.
        paths: the files.
        processes: how many work; None: one a CPU. One, or one path, works in this process.

    Yields:
        Each path and what the function returned, or its DataError; in the order they are done. A
        process that was killed gives a DataError for its file, and another takes its place.

    Raises:
        ValueError: `processes` is below 1.
        RunError: no process can be started.
        Exception: whatever else `function` raises.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"`processes` must be at least 1. Received: processes={processes}.")
    count = min(processes or _cpus(), len(paths))
    if count <= 1:
        for path in paths:
            yield path, _result(_outcome(function, path))
        return
    workers: list[_Worker] = []
    try:
        for _ in range(count):
            workers.append(_Worker(function))
        yield from _shared(deque(paths), workers)
    finally:
        _end(workers)


def serve(descriptor: int) -> None:
    """What a worker runs: it takes a function, then paths, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_end_with_caller, daemon=True).start()
    with Connection(descriptor) as connection:
        try:
            function = connection.recv()
            connection.send(_Outcome(None, None))
            while True:
                outcome = _outcome(function, connection.recv())
                connection.send(_sendable(outcome))
        except (EOFError, ConnectionError):
            return


def _end_with_caller() -> None:
    """Stops the work in the middle of a photo too when the caller dies."""
    # Not `sys.stdin`, whose lock this thread would hold while the interpreter shuts down.
    os.read(0, 1)
    ident = threading.main_thread().ident
    if ident is not None:
        signal.pthread_kill(ident, signal.SIGTERM)


def _shared(waiting: deque[Path], workers: list[_Worker]) -> Iterator[tuple[Path, Any]]:
    """Hands the paths out one by one, to whichever worker asks next."""
    while workers:
        for connection in wait([worker.connection for worker in workers]):
            worker = next(worker for worker in workers if worker.connection is connection)
            path, outcome = worker.path, worker.outcome()
            if outcome is None:
                index = workers.index(worker)
                del workers[index]
                if path is None:
                    raise RunError(
                        f"A worker process could not start; it ended with {worker.ended()}. What "
                        "it says is above. `wsss-tf regions --processes 1` does without."
                    )
                if waiting:
                    workers.insert(index, _Worker(worker.function))
                outcome = _Outcome(None, _killed(path, worker.ended()))
            elif waiting:
                worker.give(waiting.popleft())
            else:
                workers.remove(worker)
                worker.ended()
            if path is not None:
                yield path, _result(outcome)


def _outcome(function: Callable[[Path], Any], path: Path) -> _Outcome:
    try:
        return _Outcome(function(path), None)
    except MemoryError:
        return _Outcome(None, _killed(path, "too little memory"))
    except Exception as error:  # noqa: BLE001 (raised again where the caller is)
        return _Outcome(None, error)


def _result(outcome: _Outcome) -> Any:
    """The value or the DataError; any other error is raised."""
    if outcome.error is None or isinstance(outcome.error, DataError):
        return outcome.error or outcome.value
    raise outcome.error


def _sendable(outcome: _Outcome) -> _Outcome:
    """The same, made sure to survive the way; an error takes its traceback along as a note."""
    if outcome.error is None:
        return outcome
    text = "".join(traceback.format_exception(outcome.error))
    outcome.error.add_note(f"In a worker process:\n{text}")
    try:
        pickle.loads(pickle.dumps(outcome.error))
    except Exception:  # noqa: BLE001 (errors of other packages can do anything here)
        return _Outcome(None, RuntimeError(text))
    return outcome


def _killed(path: Path, ending: str) -> DataError:
    return DataError(
        f"{path}: the process that worked on it ended with {ending}. Where memory ran out, use "
        "fewer processes (`wsss-tf regions --processes 1`), or reduce the photo."
    )


def _cpus() -> int:
    """Those that this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _import_path() -> str:
    """This process's, so that a worker finds the same packages wherever they lie."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for worker in workers:
        try:
            worker.process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            worker.process.kill()
        worker.ended()

"""The parent's end of a worker: starts it, asks it, and knows why it has gone."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wsss_tf.errors import WsssError
from wsss_tf.serving.benchmark.cases import Case, Form

_MODULE = "wsss_tf.serving.benchmark.worker"
_PATIENCE_S = 10


class Answer(NamedTuple):
    """Of one call.

    Attributes:
        seconds: that it took, without the way to the worker and back.
        peak_kb: the most memory that the worker has held until then, in KiB.
    """

    seconds: float
    peak_kb: int


class Worker:
    """A process that has loaded one form; a context manager that leaves none behind.

    Args:
        form: to load.
        case: that it will be given.
        threads: for it, on the CPU.
        log: a file for what the process says, of which the end is shown where it dies.

    Raises:
        WsssError: the form cannot be loaded; says why.
    """

    def __init__(self, form: Form, case: Case, *, threads: int, log: Path) -> None:
        self._log = log
        options = {**form.options, "threads": threads, "crf": case.crf, "batch": case.batch}
        # -P: a file of the current folder must not stand in for a module.
        command = [sys.executable, "-P", "-m", _MODULE, form.loader, json.dumps(options)]
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, photos: Sequence[Path], labels: Sequence[Path] = ()) -> Answer:
        """Runs the form on photos of one size, at once.

        Args:
            photos: .npy files, uint8 [H, W, 3].
            labels: .npy files to write, one for each photo, or none.

        Raises:
            WsssError: it failed on them, or the process has died; says why.
        """
        request = {"photos": [str(path) for path in photos], "labels": [str(p) for p in labels]}
        with contextlib.suppress(BrokenPipeError):  # It has died: its answer says so.
            self._stdin.write(json.dumps(request) + "\n")
            self._stdin.flush()
        answer = self._answer()
        return Answer(answer["seconds"], answer["peak_kb"])

    def close(self) -> None:
        """Ends the process, in the middle of a call too; it holds nothing that is worth keeping."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def _answer(self) -> dict[str, Any]:
        line = self._stdout.readline()
        if not line.endswith("\n"):
            raise WsssError(self._death())
        answer = json.loads(line)
        if "error" in answer:
            raise WsssError(answer["error"])
        return answer

    def _death(self) -> str:
        try:
            status = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return "Its process no longer answers."
        if status == -signal.SIGKILL:
            return "Its process was killed (SIGKILL), for want of memory as a rule."
        if status < 0:
            return f"Its process died of signal {-status} ({signal.strsignal(-status)})."
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"Its process ended with status {status}: {said[-1] if said else 'no message'}"

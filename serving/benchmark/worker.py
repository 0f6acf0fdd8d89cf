"""A process that loads one form and runs it when it is told to, one timed call at a time.

    python -m wsss_tf.serving.benchmark.worker MODULE:FUNCTION OPTIONS

Both ends speak lines of JSON. The worker begins with {"ready": true}. A request names the files
of the photos, and, where the labels are wanted, the files to write: {"photos": [...], "labels":
[...]}. The answer has the seconds of the call and the most memory that the process has held so far,
in KiB. Whatever goes wrong is {"error": "..."}.

It ends with its input, so that it outlives its parent by one call at most.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import WsssError
from wsss_tf.serving.benchmark.loaders import Run
from wsss_tf.serving.benchmark.machine import process_kb

_LONGEST_MESSAGE = 600


def main(arguments: Sequence[str]) -> None:
    """Serves standard input.

    Args:
        arguments: "module:function" of a loader, and its options as JSON.
    """
    # Ctrl-C reaches the whole group of processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _answers()
    loader, options = arguments
    try:
        module, _, function = loader.partition(":")
        run = getattr(importlib.import_module(module), function)(json.loads(options))
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told as a row of the table)
        _send(answers, {"error": _message(error)})
        return
    _send(answers, {"ready": True})
    for line in sys.stdin:
        _send(answers, _answer(run, json.loads(line)))


def _answers() -> IO[str]:
    """Standard output, kept for answers: what libraries print goes where the log goes."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _send(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _answer(run: Run, request: dict[str, Any]) -> dict[str, Any]:
    try:
        photos = [np.load(path) for path in request["photos"]]
        before = time.perf_counter()
        found = run(photos)
        seconds = time.perf_counter() - before
        _check(photos, found)
        for path, labels in zip(request.get("labels") or [], found, strict=False):
            np.save(path, labels)
    except Exception as error:  # noqa: BLE001 (as above)
        return {"error": _message(error)}
    return {"seconds": seconds, "peak_kb": process_kb("VmHWM")}


def _check(photos: Sequence[NDArray[np.uint8]], found: Sequence[NDArray[np.uint8]]) -> None:
    """A form that answers with something else was not asked what the others were."""
    received = [(labels.dtype.name, labels.shape) for labels in found]
    if received != [("uint8", photo.shape[:2]) for photo in photos]:
        raise ValueError(
            f"A form must give a uint8 label map for each of {len(photos)} photos of "
            f"{photos[0].shape[:2]}. Received: {received[:2]}."
        )


def _message(error: Exception) -> str:
    """In one line; the kind of error too, where the message was not written for users."""
    text = " ".join(str(error).split())
    if not isinstance(error, WsssError | ValueError):
        text = f"{type(error).__name__}: {text}"
    return text[:_LONGEST_MESSAGE]


if __name__ == "__main__":
    main(sys.argv[1:])

"""What every command that needs TensorFlow does first."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


def start_tensorflow() -> None:
    """Loads TensorFlow without its start-up chatter; with `--verbose` it may chat, and load later.

    Raises:
        WsssError: the packages of the extra [train] are missing; names the pip command.
    """
    from wsss_tf.requirements import require

    require("train")
    if logging.getLogger().isEnabledFor(logging.INFO):
        return
    # Errors of its C++ part that matter reach Python as exceptions; `wsss-tf doctor` shows devices.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stderr_held_back():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """TensorFlow's C++ code writes to the descriptor itself; what it wrote is shown on an error."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)

"""Which devices really run the models of a bundle here: each is tried in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wsss_tf.errors import WsssError
from wsss_tf.serving.benchmark.cases import Case, Form
from wsss_tf.serving.benchmark.process import Worker
from wsss_tf.serving.providers import PROVIDERS


def tried(form: Form, *, threads: int, scratch: Path) -> str | None:
    """Loads a form and lets it go.

    Args:
        form: to load.
        threads: of it.
        scratch: a folder for its log.

    Returns:
        Why it cannot be loaded; None where it can.
    """
    try:
        # Not here: a device's libraries would stay in this process, with some of its memory.
        Worker(form, Case((1, 1), False, 1), threads=threads, log=scratch / "tried.txt").close()
    except WsssError as error:
        return str(error)
    return None


def onnx_providers(
    asked: Sequence[str], reason: Callable[[str], str | None], *, say: Callable[[str], None]
) -> list[str]:
    """The providers to time.

    Args:
        asked: for these; none stands for all that can be used. The CPU always can.
        reason: why one cannot be used, by trying; None where it can.
        say: told of one that this onnxruntime has, and that cannot be used.

    Raises:
        WsssError: one of those `asked` for cannot be used.
    """
    import onnxruntime

    built_in = onnxruntime.get_available_providers()
    there = [name for name, chain in PROVIDERS.items() if chain[0] in built_in]
    found = []
    for provider in asked or there:
        why = None if provider == "cpu" else reason(provider)
        if why is None:
            found.append(provider)
        elif asked:
            raise WsssError(f"{provider}: cannot be timed. {why}")
        else:
            say(f"{provider}: left out. {why}")
    return found

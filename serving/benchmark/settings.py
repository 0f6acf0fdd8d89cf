"""How long forms are timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsss_tf.serving.providers import cpu_threads

# Below that a median means nothing, however long a call takes.
_LEAST_CALLS = 3


@dataclass(frozen=True)
class Settings:
    """How long forms are timed.

    Args:
        threads: of each form, on the CPU; None: one for each CPU.
        repeats: timed calls of each form in each case, at most.
        seconds: after which a form has had enough calls, if it had three.

    Raises:
        ValueError: one of them is not above 0.
    """

    threads: int | None = None
    repeats: int = 20
    seconds: float = 20.0

    def __post_init__(self) -> None:
        for name in ("threads", "repeats", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}.")

    @property
    def workers(self) -> int:
        """Threads of each form on the CPU."""
        return self.threads or cpu_threads()

    def has_enough(self, seconds: Sequence[float]) -> bool:
        """Whether calls that took `seconds` are enough."""
        count = len(seconds)
        least = min(_LEAST_CALLS, self.repeats)
        return count >= self.repeats or (count >= least and sum(seconds) >= self.seconds)

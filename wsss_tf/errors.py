"""The errors a user can mend: a bad file, data set, recipe, checkpoint or run folder."""

from __future__ import annotations

from collections.abc import Iterable


class WsssError(Exception):
    """Base of all errors below. The message alone tells what is wrong and what to do about it.

    The command line prints it without a traceback and exits with status 2.
    """


class ConfigError(WsssError):
    """A recipe or an override is wrong."""


class DataError(WsssError):
    """A photo, a label map or a data set is wrong."""


class DataProblems(DataError):
    """Everything found wrong with a data set, reported at once.

    Args:
        problems: one line for each problem.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(self.problems)  # Lets the exception be pickled and copied.

    def __str__(self) -> str:
        count = len(self.problems)
        heading = f"{count} problem{'' if count == 1 else 's'}:"
        return "\n  ".join([heading, *self.problems])


class CheckpointError(WsssError):
    """A checkpoint or a weights file is missing, damaged or does not fit the network."""


class BundleError(WsssError):
    """A bundle, or a file of it, is missing, damaged, foreign or of a newer format."""


class RunError(WsssError):
    """A run folder, or another place we write to, cannot be used."""


class ServerError(WsssError):
    """A server cannot be reached, is too busy or too slow, or answers with something else."""

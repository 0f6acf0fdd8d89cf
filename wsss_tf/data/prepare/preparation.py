"""What every preparation does around what is its own: asks, looks at what is there, writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsss_tf.data.prepare.folder import differences, read_finished
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.progress import counting_bar
from wsss_tf.data.prepare.threads import default_workers
from wsss_tf.data.prepare.writing import write_prepared

_SHOWN = 3


@dataclass(frozen=True)
class Request:
    """What a user asks of a preparation.

    Attributes:
        root: where the archives or what they unpack to are, or are downloaded to.
        out: the prepared folder, empty, missing or from an earlier call.
        say: shows a line to the user.
        download: whether to fetch archives that are not in `root`.
        any_archive: whether archives of another content than the originals are taken.
        workers: number of threads; None: as `default_workers` has it.
    """

    root: Path
    out: Path
    say: Callable[[str], None]
    download: bool = False
    any_archive: bool = False
    workers: int | None = None


def complete(
    request: Request,
    about: About,
    collect: Callable[[ExitStack], tuple[list[Item], list[str]]],
) -> dict[str, Any]:
    """Prepares `request.out`, unless every file there is as an earlier call has written it.

    Args:
        request: of the user.
        about: the data set and the sources, with what is to be noted about them.
        collect: opens the archives, to be closed by the stack, and gives the photos and further
            notes. Called only if there is something to write.

    Returns:
        The content of data.json.

    Raises:
        DataError, DataProblems, RunError: as `collect` and `write_prepared` do.
    """
    workers = request.workers or default_workers()
    record = read_finished(request.out, about)
    if record is not None:
        with counting_bar(f"Comparing {request.out}", "file") as progress:
            other = differences(request.out, record, about, workers=workers, progress=progress)
        if not other:
            request.say(f"{request.out} is prepared already, every file as it was written.")
            return record
        request.say(
            f"{request.out}: missing, or not as written: {len(other):,} of its files, such as "
            f"{', '.join(other[:_SHOWN])}. All are written again."
        )
    with ExitStack() as stack:
        items, notes = collect(stack)
        about = replace(about, notes=(*about.notes, *notes))
        for note in about.notes:
            request.say(f"Note: {note}")
        with counting_bar(about.data_set, "photo") as progress:
            return write_prepared(request.out, items, about, workers=workers, progress=progress)

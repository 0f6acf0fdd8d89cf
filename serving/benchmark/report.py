"""A benchmark as text and as JSON: what it was of, on what, and what came out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsss_tf import __version__
from wsss_tf.files import write_json
from wsss_tf.serving.benchmark.cases import Case
from wsss_tf.serving.benchmark.machine import machine_facts
from wsss_tf.serving.benchmark.settings import Settings
from wsss_tf.serving.benchmark.table import heading, notes, table
from wsss_tf.serving.benchmark.timing import Benchmark
from wsss_tf.serving.benchmark.trial import Row
from wsss_tf.serving.bundle import Bundle

FORMAT = 1


@dataclass
class Report:
    """What is known so far.

    Args:
        bundle: that is timed.
        settings: how long.
        photos: that it is timed on; none where pictures are generated.
        cases: in which it is timed.

    Attributes:
        machine: from `machine_facts`.
        rows: of the cases that are done.
    """

    bundle: Bundle
    settings: Settings
    photos: Sequence[Path]
    cases: Sequence[Case]
    machine: dict[str, Any] = field(init=False)
    rows: list[Row] = field(default_factory=list, init=False)
    _done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.machine = machine_facts(self.settings.workers)

    def fill(self, benchmark: Benchmark) -> Iterator[None]:
        """Adds the rows of each case, and yields after each."""
        for case in self.cases:
            self.rows += benchmark.rows(case)
            self._done += 1
            yield

    @property
    def failed(self) -> int:
        """Rows that have an error instead of times."""
        return sum(row["error"] is not None for row in self.rows)

    def text(self) -> str:
        """Headings, the table and its notes, in Markdown."""
        count, contract = len(self.photos), self.bundle.contract
        told = notes(self.rows, photos=count, side=contract.views.side)
        return "\n\n".join(
            [
                f"{self.bundle.folder}: weights {contract.weights_sha256[:12]}, "
                f"wsss-tf {__version__}",
                heading(self.machine),
                table(self.rows, photos=count),
                "\n".join(f"- {note}" for note in told),
            ]
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes everything as JSON, the seconds of every call too; atomically.

        `complete` is true in it once no case is left.

        Raises:
            RunError: it cannot be written.
        """
        contract = self.bundle.contract
        write_json(
            path,
            {
                "format": FORMAT,
                "complete": self._done == len(self.cases),
                "wsss_tf": __version__,
                "bundle": str(self.bundle.folder),
                "weights_sha256": contract.weights_sha256,
                "models": {
                    name: contract.files[file].sha256 for name, file in contract.models.items()
                },
                "machine": self.machine,
                "settings": dataclasses.asdict(self.settings),
                "photos": [str(path) for path in self.photos] or None,
                "rows": self.rows,
            },
        )

"""One form in one case, in a process of its own: its seconds, memory, labels and error."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsss_tf.errors import WsssError
from wsss_tf.serving.benchmark.cases import Case, Form
from wsss_tf.serving.benchmark.figures import agreement, summary
from wsss_tf.serving.benchmark.process import Worker
from wsss_tf.serving.benchmark.settings import Settings

Row = dict[str, Any]

# The first call of a form allocates, and compiles on some devices.
_WARM_UP = 2


@dataclass
class Trial:
    """A form in a case: shown every photo once, then timed call by call, then a row.

    What fails is kept as its `error`, and nothing more is asked of it.

    Args:
        form: to time.
        case: in which.
        photos: .npy files of its size.

    Attributes:
        seconds: of the timed calls.
        peak_kb: the most memory that its process has held, in KiB.
        agreement: with the labels that `begin` was given; None without any.
        error: why it failed; None so far.
        labels: files of its labels, one for each photo, once they are all there.
    """

    form: Form
    case: Case
    photos: Sequence[Path]
    seconds: list[float] = field(default_factory=list)
    peak_kb: int = 0
    agreement: float | None = None
    error: str | None = None
    labels: Sequence[Path] = ()
    _worker: Worker | None = None

    def begin(
        self, threads: int, scratch: Path, expected: Sequence[Path], *, keep: bool = False
    ) -> None:
        """Loads the form and shows it every photo once, untimed.

        Args:
            threads: of it.
            scratch: a folder for its log and labels.
            expected: files of the labels to compare with; may be none.
            keep: whether the files of its own labels stay.
        """
        folder = Path(tempfile.mkdtemp(dir=scratch))
        try:
            self._worker = Worker(self.form, self.case, threads=threads, log=folder / "log.txt")
            labels = [folder / path.name for path in self.photos]
            for turn in range(max(-(-len(labels) // self.case.batch), _WARM_UP)):
                self._call(self._worker, turn, labels)
            if expected:
                self.agreement = agreement(labels, expected)
            self.labels = labels
        except WsssError as error:
            self._fail(error)
        if not keep:
            for path in folder.glob("*.npy"):
                path.unlink()

    def call(self, settings: Settings) -> bool:
        """Times one more call; False where there are enough."""
        if self._worker is None or self.error or settings.has_enough(self.seconds):
            return False
        try:
            self.seconds.append(self._call(self._worker, len(self.seconds)))
        except WsssError as error:
            self._fail(error)
        return self.error is None

    def close(self) -> None:
        """Ends the process."""
        if self._worker:
            self._worker.close()

    def row(self) -> Row:
        """What is known of it; without times where it failed."""
        form, case = self.form, self.case
        known = not (form.remote or self.error)
        return {
            "form": form.name,
            "precision": form.precision,
            "provider": form.provider,
            "crf": form.crf if case.crf else None,
            "height": case.size[0],
            "width": case.size[1],
            "batch": case.batch,
            "calls": len(self.seconds),
            **summary([] if self.error else self.seconds, case.batch),
            "peak_bytes": 1024 * self.peak_kb if known else None,
            "file_bytes": form.size(crf=case.crf),
            "agreement": self.agreement,
            "error": self.error,
            "seconds": self.seconds,
        }

    def _fail(self, error: WsssError) -> None:
        self.error = str(error)
        self.close()  # Its memory is for the others.

    def _call(self, worker: Worker, turn: int, labels: Sequence[Path] = ()) -> float:
        """One call on the photos whose turn it is, over and over from the first."""
        places = [
            (turn * self.case.batch + place) % len(self.photos) for place in range(self.case.batch)
        ]
        answer = worker.call(
            [self.photos[place] for place in places],
            [labels[place] for place in places] if labels else (),
        )
        self.peak_kb = answer.peak_kb
        return answer.seconds

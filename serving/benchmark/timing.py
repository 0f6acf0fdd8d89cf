"""All forms of a network in turns, so that a busy machine slows them alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsss_tf.serving.benchmark.cases import Case, Form, Size
from wsss_tf.serving.benchmark.machine import available_memory
from wsss_tf.serving.benchmark.settings import Settings
from wsss_tf.serving.benchmark.trial import Row, Trial

# Another worker is started beside others only where the largest so far would fit by this factor.
_MARGIN = 1.5


@dataclass
class Benchmark:
    """Forms of one network, which are all given the same photos.

    Each is loaded by a process of its own for each case. Those of one case live side by side and
    are timed in turns, as many as memory allows; the others follow.

    Args:
        forms: to time.
        photos: .npy files of each size that is asked for, as `write_arrays` gives them.
        settings: how long.
        scratch: a folder for label maps and logs.
        reference: whose labels the others' are held against.
        say: told of every form before it is loaded.
    """

    forms: Sequence[Form]
    photos: Mapping[Size, Sequence[Path]]
    settings: Settings
    scratch: Path
    reference: Form
    say: Callable[[str], None] = lambda text: None
    _expected: dict[tuple[Size, bool], Sequence[Path]] = field(default_factory=dict, init=False)
    _largest_kb: int = field(default=0, init=False)

    def rows(self, case: Case) -> list[Row]:
        """Times every form in a case; one row each, in their order.

        A form that cannot be loaded, that fails or whose process dies has an `error` in its row.
        """
        expected = self._labels_of_reference(case)
        left, rows = list(self.forms), []
        while left:
            rows += [trial.row() for trial in self._in_turns(case, left, expected)]
        return rows

    def _in_turns(self, case: Case, left: list[Form], expected: Sequence[Path]) -> list[Trial]:
        """Takes as many forms from `left` as memory allows and times them; at least one."""
        trials: list[Trial] = []
        with contextlib.ExitStack() as stack:
            while left and (not trials or self._has_room(trials, left[0])):
                self.say(f"{case}: {left[0]}")
                trials.append(Trial(left.pop(0), case, self.photos[case.size]))
                stack.callback(trials[-1].close)
                trials[-1].begin(self.settings.workers, self.scratch, expected)
                self._largest_kb = max(self._largest_kb, trials[-1].peak_kb)
            while [trial for trial in trials if trial.call(self.settings)]:
                pass
        return trials

    def _has_room(self, trials: Sequence[Trial], form: Form) -> bool:
        # How much of a GPU's memory is left is not known: no two share one.
        if form.on_gpu and any(trial.form.on_gpu for trial in trials):
            return False
        return available_memory() > _MARGIN * 1024 * self._largest_kb

    def _labels_of_reference(self, case: Case) -> Sequence[Path]:
        """Files of the labels of each photo; none where the reference failed."""
        key = case.size, case.crf
        if key not in self._expected:
            self.say(f"{case.size[0]}x{case.size[1]}: labels of {self.reference} to compare with")
            trial = Trial(self.reference, Case(*key, batch=1), self.photos[case.size])
            with contextlib.closing(trial):
                trial.begin(self.settings.workers, self.scratch, (), keep=True)
            self._expected[key] = trial.labels
            if trial.error:
                self.say(f"{case}: nothing to compare with. {trial.error}")
        return self._expected[key]

"""What a training loop tells: a progress bar, metrics.jsonl, TensorBoard, and the alarm for NaN."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wsss_tf.errors import RunError
from wsss_tf.files import JsonLines, truncate_jsonl


class Journal:
    """Collects steps and writes them out in windows, so that a GPU is not read at every step.

    Args:
        folder: of the stage; gets `metrics.jsonl` and TensorBoard events.
        name: of the stage, for messages.
        start: steps done before; rows of later steps, which a killed run left, are dropped.
        steps: steps in all.
        photo_ids: the id of each photo by its `index`.
    """

    def __init__(
        self, folder: Path, *, name: str, start: int, steps: int, photo_ids: Sequence[str]
    ):
        self._name, self._photo_ids = name, photo_ids
        self._pending: list[tuple[int, Any, Any, Any]] = []
        self._waited, self._since = 0.0, time.perf_counter()
        metrics = folder / "metrics.jsonl"
        truncate_jsonl(metrics, lambda row: row["step"] <= start)
        self._rows = JsonLines(metrics)
        self._events = tf.summary.create_file_writer(str(folder))
        self._bar = tqdm(total=steps, initial=start, desc=name, unit="step")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        self._events.close()

    def waited(self, seconds: float) -> None:
        """Adds time in which the network had to wait for data."""
        self._waited += seconds

    def step(self, number: int, loss: Any, norm: Any, indices: Any) -> None:
        """Takes note of step `number` (from 1): its loss, gradient norm and photos, all unread."""
        self._pending.append((number, loss, norm, indices))
        self._bar.update()

    def flush(self, *, learning_rate: float) -> None:
        """Writes the pending steps as one row.

        Raises:
            RunError: a loss or gradient was not finite; names the first such step and its photos.
        """
        if not self._pending:
            return
        losses = [float(loss) for _, loss, _, _ in self._pending]
        norms = [float(norm) for _, _, norm, _ in self._pending]
        for (number, _, _, indices), loss, norm in zip(self._pending, losses, norms, strict=True):
            if not math.isfinite(loss) or not math.isfinite(norm):
                raise self._not_finite(number, loss, norm, indices)
        now = time.perf_counter()
        seconds = max(now - self._since, 1e-9)
        row = {
            "step": self._pending[-1][0],
            "loss": float(np.mean(losses)),
            "gradient_norm": float(np.mean(norms)),
            "learning_rate": learning_rate,
            "steps_per_second": len(losses) / seconds,
            "data_wait": self._waited / seconds,
        }
        self._rows.append(row)
        with self._events.as_default():
            for key in row.keys() - {"step"}:
                tf.summary.scalar(key, row[key], step=row["step"])
        self._bar.set_postfix(loss=f"{row['loss']:.3f}")
        self._pending, self._waited, self._since = [], 0.0, now

    def picture(self, number: int, picture: np.ndarray) -> None:
        """Shows uint8 [H, W, 3] on TensorBoard."""
        with self._events.as_default():
            tf.summary.image(self._name, picture[None], step=number)

    def _not_finite(self, number: int, loss: float, norm: float, indices: Any) -> RunError:
        photos = ", ".join(self._photo_ids[int(i)] for i in np.asarray(indices))
        return RunError(
            f"{self._name}: stopped at step {number}: the loss is {loss}, the gradient norm "
            f"{norm}. Photos of that step: {photos}. The last checkpoint is whole; lower "
            f"`{self._name}.learning_rates` and train into a new folder."
        )

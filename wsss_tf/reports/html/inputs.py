"""What the report reads of a run: JSON that `wsss-tf evaluate` and the stages wrote, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from wsss_tf.errors import RunError
from wsss_tf.files import read_jsonl


class Part(BaseModel):
    """Some of the keys of a JSON object."""

    # A newer version may write more; what is read must still be what it says it is.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


class Interval(Part):
    """A bootstrap interval over photos; fractions."""

    level: float = 0.95
    resamples: int | None = None
    low: float | None = None
    high: float | None = None


class Trimap(Part):
    """Scores within a band around the edges of the truth, by the band's width in pixels."""

    width: list[float]
    pixel_accuracy: list[float | None]
    miou: list[float | None]

    @model_validator(mode="after")
    def _lengths_agree(self) -> Trimap:
        if not len(self.width) == len(self.pixel_accuracy) == len(self.miou):
            raise ValueError("trimap: width, pixel_accuracy and miou must have one length")
        return self


class Evaluation(Part):
    """evaluate_SPLIT.json, evaluate_SPLIT_crf.json or masks_SPLIT.json; scores are fractions.

    Attributes:
        confusion: pixels, truth by row and prediction by column.
        checkpoint: SHA-256 of the network's; None in files of earlier versions, and of masks.
    """

    split: str
    photos: int
    checkpoint: str | None = None
    crf: dict[str, Any] | None = None
    scales: list[float] = [1.0]
    flip: bool = False
    classes: list[str] = []
    miou: float | None = None
    iou: dict[str, float | None]
    pixel_accuracy: float | None = None
    mean_class_accuracy: float | None = None
    miou_interval: Interval | None = None
    foreground_miou: float | None = None
    confusion: list[list[int]] | None = None
    trimap: Trimap | None = None

    @model_validator(mode="after")
    def _confusion_is_square(self) -> Evaluation:
        side = len(self.names)
        rows = self.confusion
        if rows is not None and [len(row) for row in rows] != [side] * side:
            raise ValueError("confusion: must have one row and one column a class")
        return self

    @property
    def names(self) -> list[str]:
        """The classes in the order of their ids."""
        return self.classes or list(self.iou)


class PhotoScore(Part):
    """A line of the .jsonl beside an evaluation; None where no pixel counts."""

    id: str
    miou: float | None = None
    pixel_accuracy: float | None = None


Kind = TypeVar("Kind", bound=BaseModel)


def read_json(path: Path, *, again: str) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file.

    Args:
        path: of the file.
        again: the command that writes it anew, for the message.

    Raises:
        RunError: the file is not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path.name}: cannot be read ({error}). Make it anew: {again}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path.name}: must hold a JSON object. Make it anew: {again}")
    return content


def read_evaluation(path: Path, *, again: str) -> Evaluation | None:
    """An evaluation; None where there is no file. Raises RunError as `read_json`."""
    content = read_json(path, again=again)
    return None if content is None else checked(Evaluation, content, path.name, again)


def read_photo_scores(path: Path, *, again: str) -> list[PhotoScore]:
    """The scores of each photo; none where there is no file. Raises RunError as `read_json`."""
    try:
        rows = read_jsonl(path)
    except RunError as error:
        raise RunError(f"{path.name}: cannot be read ({error}). Make it anew: {again}") from error
    return [checked(PhotoScore, row, path.name, again) for row in rows]


def checked(kind: type[Kind], content: Any, name: str, again: str) -> Kind:
    """`content` as a `kind`; RunError names the file, what is wrong in it, and the command."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise RunError(f"{name}: {place}: {first['msg']}. Make it anew: {again}") from error

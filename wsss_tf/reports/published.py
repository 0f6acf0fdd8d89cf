"""What others report for the three data sets of the paper, class by class, to stand beside ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from wsss_tf.config import DataSettings
from wsss_tf.data.prepare.record import read_record
from wsss_tf.errors import DataError
from wsss_tf.labels import label_space

SPLIT = "val"
_COCO_YEAR = 2014
DATA_SETS = ("voc", "coco", "youtube_objects")


@dataclass(frozen=True)
class Column:
    """The figures of one method.

    Attributes:
        name: of the method; "paper" and what it was trained on for the paper's.
        miou: mean over classes, a fraction.
        iou: of each class, a fraction; without the background for methods that have none.
    """

    name: str
    miou: float
    iou: Mapping[str, float]


@dataclass(frozen=True)
class Published:
    """A table of the paper.

    Attributes:
        table: its name, such as "Table 8".
        of: what was scored.
        source: the paper.
        columns: the paper's own method first.
        note: what to know of the figures, a sentence; "" for nothing.
    """

    table: str
    of: str
    source: str
    columns: tuple[Column, ...]
    note: str


def published_for(data: DataSettings, classes: Sequence[str], split: str) -> Published | None:
    """The table for a data set of the paper's; None for other data, some of the classes, no val.

    Args:
        data: of the recipe.
        classes: that were scored, in the order of their ids.
        split: that was scored.
    """
    name = paper_data_set(data, classes)
    return read_published(name) if name and split == SPLIT else None


def paper_data_set(data: DataSettings, classes: Sequence[str]) -> str | None:
    """Which data set of the paper's a recipe is for, as `DATA_SETS` names it; None for another one.

    A prepared folder is what its data.json says, if that is still there: COCO 2017 is another one.

    Args:
        data: of the recipe.
        classes: that are scored, in the order of their ids; some of a data set's are not enough.
    """
    if data.keep is not None or data.source not in ("voc", "prepared"):
        return None
    name = "voc" if data.source == "voc" else _prepared_data_set(data)
    if name not in DATA_SETS:
        return None
    return name if label_space(name).names == tuple(classes) else None


def _prepared_data_set(data: DataSettings) -> str | None:
    try:
        record = read_record(Path(data.root or "")) or {}
    except DataError:
        return None
    name, settings = record.get("data_set"), record.get("settings")
    if name == "coco" and settings != {"year": _COCO_YEAR}:
        return None
    return name if isinstance(name, str) else None


def read_published(data_set: str) -> Published:
    """The table of a data set: "voc" (Table 1), "coco" (8) or "youtube_objects" (7).

    Raises:
        ValueError: another name.
    """
    if data_set not in DATA_SETS:
        raise ValueError(
            f"`data_set` must be one of {', '.join(DATA_SETS)}. Received: data_set={data_set!r}."
        )
    text = resources.files("wsss_tf.reports").joinpath("published.json").read_text("utf-8")
    content = json.loads(text)
    table = content[data_set]
    columns = (
        Column(
            one["name"],
            one["miou"] / 100.0,
            {name: figure / 100.0 for name, figure in one["iou"].items()},
        )
        for one in table["columns"]
    )
    note = table.get("note", "")
    return Published(table["table"], table["of"], content["source"], tuple(columns), note)

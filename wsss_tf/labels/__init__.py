"""Label spaces: class names, their ids, the one palette, and the two reserved ids.

The built-in ones are the JSON files beside this one, read when they are first asked for.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from wsss_tf.labels.palette import palette
from wsss_tf.labels.space import BACKGROUND, IGNORE, UNKNOWN, LabelSpace, from_tags

__all__ = [
    "BACKGROUND",
    "COCO",
    "IGNORE",
    "SCENES",
    "UNKNOWN",
    "VOC",
    "YOUTUBE_OBJECTS",
    "LabelSpace",
    "coco_categories",
    "from_tags",
    "label_space",
    "palette",
]

VOC: LabelSpace
"""PASCAL VOC: 20 classes and background."""
COCO: LabelSpace
"""COCO: 80 things in annotation order, ids 1..80 without the gaps of the annotation files."""
YOUTUBE_OBJECTS: LabelSpace
"""YouTube-Objects: 10 classes and background, under VOC's names and in VOC's order."""
SCENES: LabelSpace
"""The generated scenes: 8 classes and background."""

_SPACES = ("voc", "coco", "youtube_objects", "scenes")


def label_space(name: str) -> LabelSpace:
    """Returns a built-in label space: "voc", "coco", "youtube_objects" or "scenes"."""
    if name not in _SPACES:
        raise ValueError(
            f"`name` must be one of {', '.join(map(repr, _SPACES))}. Received: name={name!r}."
        )
    return _space(name)


def coco_categories() -> dict[int, str]:
    """Returns the classes of `COCO` by their category ids in annotation files: 1..90, with gaps."""
    return dict(zip(_read("coco")["category_ids"], label_space("coco").tags, strict=True))


@functools.cache
def _space(name: str) -> LabelSpace:
    return LabelSpace(tuple(_read(name)["names"]))


def _read(name: str) -> dict[str, Any]:
    text = resources.files("wsss_tf.labels").joinpath(f"{name}.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def __getattr__(name: str) -> LabelSpace:
    # No file is read at import: a command's help must not wait for it.
    if name.lower() in _SPACES and name.isupper():
        return _space(name.lower())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""COCO's instances_*.json: the images and the annotations of each, checked, in little memory."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.prepare.coco_shapes import MOST_SIDE, Shape, check_shape, read_shape, shape_mask
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.images import MAX_PIXELS
from wsss_tf.labels import IGNORE, coco_categories, label_space

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object, or a crowd of one class.

    Attributes:
        id: of the annotation.
        image_id: of its image.
        label: its class, an id of label space coco, 1 to 80.
        area: as the file has it, pixels.
        crowd: whether it is a crowd.
        shape: its pixels.
    """

    id: int
    image_id: int
    label: int
    area: float
    crowd: bool
    shape: Shape


@dataclass(frozen=True, slots=True)
class Image:
    """One photo, as the file names it."""

    id: int
    file_name: str
    height: int
    width: int


@dataclass
class Instances:
    """What one file holds.

    Attributes:
        images: in the order of their ids.
        annotations: of each image, by its id, in the order of the file; images without any are
            not keys.
        left_out: ids of annotations of which a part covers nothing: polygons of fewer than three
            points, or no run lengths.
    """

    images: list[Image] = field(default_factory=list)
    annotations: dict[int, list[Annotation]] = field(default_factory=dict)
    left_out: list[int] = field(default_factory=list)


def read_instances(content: bytes, name: str) -> Instances:
    """Reads an instances file, in memory of about its own size.

    Args:
        content: of the file; hand over the only reference, as it is freed early.
        name: of the file, for messages.

    Raises:
        DataProblems: it is no such file; or what is wrong in it, a line for each kind.
    """
    problems = _Problems(name)
    try:
        text = content.decode("utf-8-sig")
        del content
        # Objects one by one: the numbers of all polygons as Python's own take 2 GB.
        document = json.loads(text, object_hook=lambda one: _compact(one, problems))
        del text
    except (ValueError, RecursionError) as error:
        raise DataProblems([f"{name}: is no JSON: {error}. Get the file again."]) from error
    parts = document if isinstance(document, dict) else {}
    lists = [parts.get(key) for key in ("images", "annotations", "categories")]
    if not all(isinstance(one, list) for one in lists):
        raise DataProblems(
            [
                f"{name}: must have the lists images, annotations and categories. Get "
                "instances_*.json of COCO: captions and keypoints have no masks."
            ]
        )
    found = _assembled(parts["images"], parts["annotations"], parts["categories"], problems)
    if problems:
        raise DataProblems(problems.lines())
    return found


def label_map(annotations: Iterable[Annotation], height: int, width: int) -> NDArray[np.uint8]:
    """One label a pixel: that of the smallest object by the area in the file.

    A crowd takes part like an object, and its pixels are 255. Of two of one area, the later in the
    file wins. What no object covers is background.

    Returns:
        uint8 [height, width], ids of label space coco and 255.

    Raises:
        DataError: as `shape_mask`.

    Source: Saleh et al., TPAMI 2017, Section 4.1.
    """
    labels = np.zeros((height, width), np.uint8)
    for one in sorted(annotations, key=lambda one: -one.area):
        try:
            covered = shape_mask(one.shape, height, width)
        except DataError as error:
            raise DataError(f"annotation {one.id}: {error}") from error
        labels[covered] = IGNORE if one.crowd else one.label
    return labels


def tags_of(annotations: Iterable[Annotation]) -> tuple[str, ...]:
    """The classes of the annotations, each once, in the order of the label space.

    Crowds count, and so do objects that smaller ones hide or that cover no pixel: they are in the
    photo, which is what a tag says.
    """
    names = label_space("coco").names
    return tuple(names[label] for label in sorted({one.label for one in annotations}))


class _Problems:
    """Ids of what is wrong, by the rule that is broken.

    Attributes:
        refused: ids of images that are in the file and broke one: their annotations did not.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.refused: set[int] = set()
        self._found: dict[str, list[Any]] = {}

    def add(self, rule: str, which: Any) -> None:
        self._found.setdefault(rule, []).append(which)

    def __bool__(self) -> bool:
        return bool(self._found)

    def lines(self) -> list[str]:
        return [
            f"{self._name}: {rule}. Received: {len(found)} that do not, such as "
            f"{', '.join(repr(one)[:80] for one in found[:_SHOWN])}. Get the file again, or take "
            "them out of it."
            for rule, found in self._found.items()
        ]


def _compact(one: dict[str, Any], problems: _Problems) -> Any:
    """An object of the file as it is read: annotations and images in a form of their own."""
    if "segmentation" in one:
        return _annotation(one, problems)
    if "file_name" in one:
        image = _image(one, problems)
        if image is None and _is_whole(one.get("id")):
            problems.refused.add(one["id"])
        return image
    return one


def _annotation(one: dict[str, Any], problems: _Problems) -> Annotation | None:
    number, image = one.get("id"), one.get("image_id")
    category, area, crowd = one.get("category_id"), one.get("area"), one.get("iscrowd", 0)
    if not _is_whole(number) or not _is_whole(image):
        problems.add("annotations must have whole numbers as id and image_id", number)
    elif not _is_size(area):
        problems.add("annotations must have an area of 0 or more", number)
    elif not _is_whole(crowd) or crowd not in (0, 1):
        problems.add("annotations must have 0 or 1 as iscrowd", number)
    elif not _is_whole(category) or category not in _labels():
        problems.add(
            "annotations must be of one of the 80 categories of COCO, whose ids are 1 to 90 with "
            "gaps",
            number,
        )
    else:
        try:
            shape = read_shape(one["segmentation"])
        except ValueError as error:
            problems.add(f"annotations {error}", number)
            return None
        return Annotation(number, image, _labels()[category], area, bool(crowd), shape)
    return None


def _image(one: dict[str, Any], problems: _Problems) -> Image | None:
    number, name = one.get("id"), one["file_name"]
    height, width = one.get("height"), one.get("width")
    if not _is_whole(number):
        problems.add("images must have a whole number as id", number)
    elif not isinstance(name, str) or not name or PurePosixPath(name).name != name:
        problems.add("images must have a file name without folders", number)
    elif not (_is_side(height) and _is_side(width)):
        problems.add(f"images must have a height and a width of 1 to {MOST_SIDE:,}", number)
    elif height * width > MAX_PIXELS:
        problems.add(f"images must have at most {MAX_PIXELS:,} pixels", number)
    else:
        return Image(number, name, height, width)
    return None


def _assembled(
    images: list[Any], annotations: list[Any], categories: list[Any], problems: _Problems
) -> Instances:
    _check_categories(categories, problems)
    by_id: dict[int, Image] = {}
    for image in images:
        if isinstance(image, Image):
            if image.id in by_id:
                problems.add("images must have each an id of their own", image.id)
            by_id[image.id] = image
        elif image is not None:  # None: refused when it was read.
            problems.add("images must be objects with a file_name", image)
    found = Instances(sorted(by_id.values(), key=lambda image: image.id))
    numbers = set[int]()
    for one in annotations:
        if isinstance(one, Annotation):
            if one.id in numbers:
                problems.add("annotations must have each an id of their own", one.id)
            numbers.add(one.id)
            _add(found, one, by_id.get(one.image_id), problems)
        elif one is not None:
            problems.add("annotations must be objects with a segmentation", one)
    return found


def _add(found: Instances, one: Annotation, image: Image | None, problems: _Problems) -> None:
    if image is None:
        if one.image_id not in problems.refused:
            problems.add("annotations must name an image that the file has", one.id)
        return
    try:
        check_shape(one.shape, image.height, image.width)
    except ValueError as error:
        problems.add(f"annotations {error}", one.id)
        return
    if one.shape.left_out:
        found.left_out.append(one.id)
    found.annotations.setdefault(one.image_id, []).append(one)


def _check_categories(categories: list[Any], problems: _Problems) -> None:
    names = coco_categories()
    for one in categories:
        pair = (one.get("id"), one.get("name")) if isinstance(one, dict) else (None, one)
        if not _is_whole(pair[0]) or names.get(pair[0]) != pair[1]:
            problems.add("categories must be COCO's 80, such as 1 person and 90 toothbrush", pair)


@functools.cache
def _labels() -> dict[int, int]:
    """The id in label space coco of each category id."""
    return {category: label for label, category in enumerate(coco_categories(), start=1)}


def _is_size(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_side(value: Any) -> TypeGuard[int]:
    return _is_whole(value) and 0 < value <= MOST_SIDE


def _is_whole(value: Any) -> TypeGuard[int]:
    return type(value) is int  # A bool is no id.

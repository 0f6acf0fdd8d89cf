"""COCO's polygons, run lengths and overlaps, pixel by pixel against pycocotools and a slow loop."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from wsss_tf.data.prepare.coco_instances import Annotation, label_map, tags_of
from wsss_tf.data.prepare.coco_shapes import Shape, check_shape, read_shape, shape_mask
from wsss_tf.errors import DataError

codec = pytest.importorskip("pycocotools.mask")


def rectangle(x: float, y: float, width: float, height: float) -> list[float]:
    """The polygon of a rectangle."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def random_polygon(rng: np.random.Generator, height: int, width: int) -> list[float]:
    """3 to 12 points in the photo or a little outside, some on pixel edges, as JSON has them."""
    count = int(rng.integers(3, 13))
    points = rng.uniform(-2, [width + 2, height + 2], (count, 2)).round(int(rng.integers(0, 3)))
    return [float(value) for value in points.ravel()]


def reference(segmentation, height: int, width: int) -> np.ndarray:
    """The mask by pycocotools' own route from a segmentation to pixels (`COCO.annToMask`)."""
    if isinstance(segmentation, list):
        runs = codec.merge(codec.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        runs = codec.frPyObjects(segmentation, height, width)
    else:
        runs = segmentation
    return codec.decode(runs).astype(bool)


@pytest.mark.parametrize("seed", range(8))
def test_polygons_are_filled_as_pycocotools_does(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 80, 2))
    covered = 0
    for _ in range(60):
        polygons = [random_polygon(rng, height, width) for _ in range(rng.integers(1, 4))]
        found = shape_mask(read_shape(polygons), height, width)
        assert found.dtype == bool
        assert np.array_equal(found, reference(polygons, height, width))
        covered += found.sum()
    assert covered > 0


@pytest.mark.parametrize("compressed", [False, True], ids=["list", "text"])
@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_are_read_as_pycocotools_does(seed, compressed):
    rng = np.random.default_rng(seed)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        height, width = (int(side) for side in rng.integers(1, 300, 2))
        mask = rng.random((height, width)) < share
        encoded = codec.encode(np.asfortranarray(mask.astype(np.uint8)))
        segmentation = {"size": [height, width], "counts": encoded["counts"].decode()}
        if not compressed:
            flat = mask.ravel(order="F")
            edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
            counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
            segmentation["counts"] = counts
        found = shape_mask(read_shape(segmentation), height, width)
        assert np.array_equal(found, mask)
        assert np.array_equal(found, reference(segmentation, height, width))


def annotation(number: int, segmentation, area: float, label: int = 1, crowd: bool = False):
    return Annotation(number, 1, label, area, crowd, read_shape(segmentation))


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_object_has_the_pixel(seed):
    rng = np.random.default_rng(seed)
    height, width = 40, 50
    segmentations, objects = [], []
    for number in range(12):
        crowd = number % 4 == 3
        segmentation = [random_polygon(rng, height, width)]
        if crowd:
            blob = (rng.random((height, width)) < 0.3).astype(np.uint8)
            text = codec.encode(np.asfortranarray(blob))["counts"].decode()
            segmentation = {"size": [height, width], "counts": text}
        segmentations.append(segmentation)
        # Areas of the file need not be those of the masks, and two may be equal.
        area = float(rng.integers(1, 8) * 100)
        objects.append(annotation(number, segmentation, area, int(rng.integers(1, 81)), crowd))
    masks = [reference(segmentation, height, width) for segmentation in segmentations]
    expected = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            smallest = None
            for one, mask in zip(objects, masks, strict=True):
                if mask[y, x] and (smallest is None or one.area <= smallest.area):
                    smallest = one
            if smallest is not None:
                expected[y, x] = 255 if smallest.crowd else smallest.label
    found = label_map(objects, height, width)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)
    assert {0, 255} < set(np.unique(found).tolist())


def test_a_fork_lies_on_the_table_and_a_crowd_behind_the_person():
    """The paper's example; and a crowd hides what is larger than it, not what is smaller."""
    table, fork = [rectangle(0, 0, 20, 10)], [rectangle(4, 4, 3, 2)]
    objects = [annotation(1, fork, 6.0, 43), annotation(2, table, 200.0, 61)]
    found = label_map(objects, 10, 20)
    assert (found[5, 5], found[0, 0]) == (43, 61)
    whole = {"size": [10, 20], "counts": [0, 200]}
    crowd = annotation(3, whole, 100.0, 1, crowd=True)
    found = label_map([*objects, crowd], 10, 20)
    assert (found[5, 5], found[0, 0]) == (43, 255)


def test_every_annotation_gives_a_tag_once_in_the_order_of_the_classes():
    hidden = annotation(1, [rectangle(0, 0, 2, 2)], 9.0, 80)
    crowd = annotation(2, [rectangle(0, 0, 4, 4)], 1.0, 1, crowd=True)
    nothing = annotation(3, [[1.0, 1.0, 2.0, 2.0]], 0.0, 12)
    assert tags_of([hidden, crowd, nothing, hidden]) == ("person", "stop sign", "toothbrush")
    assert tags_of([]) == ()


@pytest.mark.parametrize(
    ("segmentation", "left_out"),
    [
        ([[1.0, 1.0, 5.0, 5.0]], 1),  # pycocotools reads two points as a box.
        ([[], rectangle(1, 1, 3, 3), [2.0, 2.0]], 2),
        ([], 1),
        ({"size": [8, 9], "counts": []}, 1),
        ({"size": [8, 9], "counts": ""}, 1),
        ([rectangle(1, 1, 3, 3)], 0),
        # Annotation 918 of train2014: three points and more that cover no pixel.
        ([[6.65, 3.33, 6.65, 3.33, 7.68, 3.33, 7.68, 3.33]], 0),
    ],
)
def test_what_covers_nothing_is_counted_or_empty(segmentation, left_out):
    shape = read_shape(segmentation)
    assert shape.left_out == left_out
    rest = rectangle(1, 1, 3, 3) in segmentation if isinstance(segmentation, list) else False
    assert shape_mask(shape, 8, 9).sum() == (9 if rest else 0)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "polygons, or counts and size"),
        ({"counts": [1]}, "polygons, or counts and size"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "lists of numbers"),
        ([["1", "2", "3", "4", "5", "6"]], "lists of numbers"),
        ([[1, 2, 3, 4, 5, True]], "lists of numbers"),
        ([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]], "an x and a y"),
        ([[1.0, 2.0, 3.0, 4.0, 5.0, float("nan")]], "finite"),
        ({"size": [8, 9], "counts": [70, 3]}, "add up to"),
        ({"size": [8, 9], "counts": [74, -2]}, "add up to"),
        ({"size": [8, 9], "counts": [1.5]}, "whole numbers"),
        ({"size": [8, 9], "counts": "ä"}, "whole numbers"),
        ({"size": [8.0, 9], "counts": [72]}, "as the size"),
        ({"size": [8], "counts": [8]}, "as the size"),
    ],
)
def test_what_is_no_segmentation_is_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        read_shape(segmentation)


def test_what_cannot_lie_in_the_photo_is_refused():
    runs = read_shape({"size": [8, 9], "counts": [72]})
    check_shape(runs, 8, 9)
    with pytest.raises(ValueError, match="size of its photo"):
        check_shape(runs, 9, 8)
    check_shape(read_shape([rectangle(-1, -1, 12, 10)]), 8, 9)
    # Traced point by point, this one alone would take 400 GB.
    with pytest.raises(ValueError, match="lies in its photo"):
        check_shape(read_shape([rectangle(0, 0, 1e10, 4)]), 8, 9)


@pytest.mark.parametrize("text", ["0", "o", "PPP", "oooooooooooooooo", "Q2", "@0"])
def test_damaged_run_lengths_are_no_mask(text):
    """pycocotools gives memory that nobody filled for the first of them."""
    with pytest.raises(DataError, match="add up to the pixels"):
        shape_mask(Shape(counts=text, size=(4, 4)), 4, 4)


def test_without_pycocotools_the_pip_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(DataError, match=r'pip install "wsss-tf\[coco\]"'):
        shape_mask(Shape(), 4, 4)

"""A file that breaks after the data set was opened is named, and never skipped."""

from __future__ import annotations

import pytest
import tensorflow as tf

from wsss_tf.config import AugmentSettings
from wsss_tf.data import named_errors, open_dataset, photo_dataset, training_batches
from wsss_tf.errors import DataError

NAMES = "abcdef"


@pytest.fixture
def dataset(write_folder, build):
    rows = [(f"images/{name}.png", "train", "cat") for name in NAMES]
    masks = {f"masks/{name}.png": build.label_map(build.noise()[..., 0]) for name in NAMES}
    return open_dataset(build.settings(), root=write_folder(rows, masks))


def iterate(dataset, *, masks=None, start=2):
    return training_batches(
        dataset,
        "train",
        augment=AugmentSettings(crop=16),
        batch_size=2,
        seed=1,
        start_step=start,
        steps=9,
        masks=masks,
    )


def test_whole_files_give_all_batches(dataset):
    assert len(list(iterate(dataset, masks=dataset.mask_folder))) == 9


@pytest.mark.parametrize("name", ["a", "d"])
@pytest.mark.parametrize("damage", ["truncated", "text", "gone"])
def test_a_damaged_photo_is_named(dataset, name, damage):
    order = [int(row) for batch in iterate(dataset) for row in batch["index"]]
    row = NAMES.index(name)
    path = dataset.photos["train"][row].path
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"a text")
    if damage == "gone":
        path.unlink()
    batches, seen = iterate(dataset), []
    with pytest.raises(DataError, match=rf"{name}\.png: cannot be decoded.*Put the file back"):
        seen.extend(int(row) for batch in batches for row in batch["index"])
    assert seen == order[: order.index(row) // 2 * 2]


@pytest.mark.parametrize("damage", ["size", "colours", "gone"])
def test_a_damaged_mask_is_named(dataset, build, damage):
    path = dataset.mask_folder / "c.png"
    other = build.noise(5, 5)
    contents = {"size": build.label_map(other[..., 0]), "colours": build.encoded(build.noise())}
    path.write_bytes(contents.get(damage, b""))
    if damage == "gone":
        path.unlink()
    part = r"c\.png: must have the size of its photo, 16 x 12" if damage == "size" else r"c\.png: "
    with pytest.raises(DataError, match=part):
        list(iterate(dataset, masks=dataset.mask_folder))


def test_whole_photos_name_the_file_through_a_map(dataset):
    photos = dataset.photos["train"]
    photos[4].path.write_bytes(b"")
    elements = photo_dataset(photos, dataset.labels).map(lambda element: element["index"])
    seen = []
    with pytest.raises(DataError, match=r"e\.png: cannot be decoded"):
        seen.extend(int(index) for index in named_errors(elements.prefetch(1), photos))
    assert seen == [0, 1, 2, 3]


def test_an_error_of_another_kind_stays_what_it_is(dataset):
    photos = dataset.photos["train"]

    def fail(element):
        with tf.control_dependencies([tf.debugging.Assert(element["index"] < 2, ["too far"])]):
            return tf.identity(element["index"])

    with pytest.raises(tf.errors.InvalidArgumentError, match="too far"):
        list(named_errors(photo_dataset(photos, dataset.labels).map(fail), photos))

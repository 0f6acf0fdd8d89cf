"""A number of views: which one a batch holds, and that without it nothing has changed."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import AugmentSettings, DataSettings
from wsss_tf.data import open_dataset, training_dataset
from wsss_tf.data.augment import cut_photo, random_window
from wsss_tf.data.pipeline import shuffled_row
from wsss_tf.images import read_photo

CROP, BATCH, SEED = 24, 4, 5


@pytest.fixture
def dataset(tagged_root):
    return open_dataset(DataSettings(source="tagged_folder", root=tagged_root), root=tagged_root)


def batches(dataset, steps, *, start=0, batch=BATCH, **augment):
    elements = training_dataset(
        dataset,
        "train",
        augment=AugmentSettings(crop=CROP, **augment),
        batch_size=batch,
        seed=SEED,
        start_step=start,
        steps=steps,
    )
    return list(elements.as_numpy_iterator())


def items(dataset, steps, **arguments):
    """(row, view, photo) of every place in the series."""
    return [
        (int(row), int(view), photo)
        for batch in batches(dataset, steps, **arguments)
        for row, view, photo in zip(batch["index"], batch["view"], batch["photo"], strict=True)
    ]


def test_views_of_the_epochs_come_in_turn_and_come_again(dataset):
    count = len(dataset.split("train"))
    series = items(dataset, 9, views=2)
    assert [view for _, view, _ in series] == [n // count % 2 for n in range(9 * BATCH)]
    first: dict[tuple[int, int], np.ndarray] = {}
    for row, view, photo in series:
        np.testing.assert_array_equal(first.setdefault((row, view), photo), photo)
    assert len(first) == 2 * count
    assert not np.array_equal(first[0, 0], first[0, 1])


def test_a_view_does_not_hang_on_how_many_there_are(dataset):
    two, five = (
        {(row, view): photo for row, view, photo in items(dataset, 4, views=views)}
        for views in (2, 5)
    )
    assert two.keys() <= five.keys()
    for place, photo in two.items():
        np.testing.assert_array_equal(photo, five[place])


def test_the_order_is_the_one_without_views_and_starts_anywhere(dataset):
    whole = batches(dataset, 6, views=3)
    rows = [batch["index"] for batch in batches(dataset, 6)]
    np.testing.assert_array_equal([batch["index"] for batch in whole], rows)
    for later, batch in zip(batches(dataset, 2, start=4, views=3), whole[4:], strict=True):
        assert later.keys() == batch.keys()
        for name, value in batch.items():
            np.testing.assert_array_equal(later[name], value)
    assert whole[0]["view"].dtype == np.int32


@pytest.mark.parametrize("views", [None, 2])
def test_windows_are_drawn_from_these_seeds(dataset, views):
    # Written out here: the seeds of null may never change, or no run could be resumed or repeated.
    photos = dataset.split("train")
    augment = AugmentSettings(crop=CROP, views=views)
    found = batches(dataset, 3, views=views)
    assert ("view" in found[0]) == (views is not None)
    for n in range(3 * BATCH):
        row = int(shuffled_row(tf.constant(n, tf.int64), len(photos), seed=SEED))
        number = n if views is None else n // len(photos) % views * len(photos) + row
        stream = tf.constant([SEED, 1 if views is None else 2], tf.int64)
        seed = tf.random.experimental.stateless_fold_in(
            stream, tf.constant(number, tf.int64), alg="philox"
        )
        photo = read_photo(photos[row].path)
        window = random_window(tf.constant(photo.shape[:2]), seed, augment=augment)
        expected, _ = cut_photo(tf.constant(photo), window)
        np.testing.assert_array_equal(found[n // BATCH]["photo"][n % BATCH], expected)

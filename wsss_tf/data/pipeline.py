"""The tf.data pipelines: shuffled, augmented training batches, and photos one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from wsss_tf.config import AugmentSettings
from wsss_tf.data.augment import cut_nearest, cut_photo, random_window, reduced_size
from wsss_tf.data.decode import decode_photo, ids_from_colours
from wsss_tf.data.element_errors import named_errors
from wsss_tf.data.sources import DataSet, Photo, tag_matrix
from wsss_tf.labels import IGNORE, LabelSpace

_ORDER_STREAM, _AUGMENT_STREAM, _VIEW_STREAM = 0, 1, 2


def training_dataset(
    dataset: DataSet,
    split: str,
    *,
    augment: AugmentSettings,
    batch_size: int,
    seed: int,
    start_step: int,
    steps: int,
    masks: Path | None = None,
) -> tf.data.Dataset:
    """Batches number `start_step` to `start_step + steps - 1` of an endless series.

    Batch t is a function of (seed, t) and of the files alone: training goes on from any step
    without a replay. Every photo comes once per epoch, in an order of that epoch's own; batches
    run on across the end of an epoch.

    Args:
        dataset, split: the photos.
        augment: side, scale, crop and flip; with `views`, view e mod `views` in epoch e.
        batch_size: photos in a batch.
        seed: of order and augmentation, 0 or more.
        start_step: steps already done; the first batch is the one of the next step.
        steps: number of batches.
        masks: a folder of `<id>.png` label maps in the grid of their photos.

    Returns:
        A data set of dictionaries: photo uint8 [B, crop, crop, 3] RGB, valid bool [B, crop, crop]
        (False beyond the photo), tags float32 [B, K], index int32 [B] (row of the photo in its
        split), with `masks` mask uint8 [B, crop, crop] (255 beyond the photo), and with
        `augment.views` view int32 [B].
        An unreadable file gives a tf.errors.OpError; `training_batches` names the file.
    """
    photos = dataset.split(split)
    table = _table(photos, dataset.labels, masks)

    def example(n: tf.Tensor) -> dict[str, tf.Tensor]:
        row = shuffled_row(n, len(photos), seed=seed)
        if augment.views is None:
            return _example(table, row, _seed(seed, _AUGMENT_STREAM, n), augment)
        view = n // len(photos) % augment.views
        window_seed = _seed(seed, _VIEW_STREAM, view * len(photos) + tf.cast(row, tf.int64))
        return {**_example(table, row, window_seed, augment), "view": tf.cast(view, tf.int32)}

    items = tf.data.Dataset.range(start_step * batch_size, (start_step + steps) * batch_size)
    items = items.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return items.batch(batch_size, drop_remainder=True).prefetch(2)


def training_batches(dataset: DataSet, split: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Iterates over `training_dataset` of the same arguments, with errors that name the file.

    Raises:
        DataError: a photo or a mask has become unreadable since the data set was opened.
    """
    photos, masks = dataset.split(split), arguments.get("masks")
    batch_size, start = arguments["batch_size"], arguments["start_step"] * arguments["batch_size"]

    def rows(batch: int) -> list[int]:
        first = start + batch * batch_size
        series = tf.data.Dataset.range(first, first + batch_size)
        order = series.map(lambda n: shuffled_row(n, len(photos), seed=arguments["seed"]))
        return [int(row) for row in order]

    return named_errors(
        training_dataset(dataset, split, **arguments), photos, rows=rows, masks=masks
    )


def photo_dataset(
    photos: Sequence[Photo], labels: LabelSpace, *, side: int | None = None
) -> tf.data.Dataset:
    """Photos one at a time, in order, whole.

    Args:
        photos: any photos of one data set.
        labels: the classes of the tags.
        side: the longer side is reduced to this; None for the natural size.

    Returns:
        A data set of dictionaries: photo uint8 [H, W, 3] RGB, tags float32 [K], index int32 [].
        Iterate through `named_errors(..., photos)` for errors that name the file.
    """
    table = _table(photos, labels, None)

    def example(n: tf.Tensor) -> dict[str, tf.Tensor]:
        photo = decode_photo(tf.io.read_file(table["path"][n]), table["orientation"][n])
        if side is not None:
            size = reduced_size(tf.shape(photo)[:2], side)
            pixels = tf.image.resize(photo, size, antialias=True)
            photo = tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
        return {"photo": photo, "tags": table["tags"][n], "index": tf.cast(n, tf.int32)}

    items = tf.data.Dataset.range(len(photos))
    items = items.map(example, num_parallel_calls=2, deterministic=True)
    return items.prefetch(1)


def shuffled_row(n: tf.Tensor, count: int, *, seed: int) -> tf.Tensor:
    """Row of the n-th photo of an endless series that shuffles `count` photos anew each epoch.

    Args:
        n: int64 [], 0 or more.
        count: photos in an epoch, 1 or more.
        seed: 0 or more.

    Returns:
        int32 [], 0..count-1.
    """
    order = _seed(seed, _ORDER_STREAM, n // count)
    row = tf.random.experimental.index_shuffle(n % count, order, count - 1)
    return tf.cast(row, tf.int32)


def _seed(seed: int, stream: int, n: tf.Tensor) -> tf.Tensor:
    """int64 [2] for the stateless generators: another for every stream and every n."""
    start = tf.constant([seed % 2**63, stream], tf.int64)
    return tf.random.experimental.stateless_fold_in(start, n, alg="philox")


def _table(photos: Sequence[Photo], labels: LabelSpace, masks: Path | None) -> dict[str, tf.Tensor]:
    """What the graph looks up by row."""
    table = {
        "path": tf.constant([os.fsencode(photo.path) for photo in photos], tf.string),
        "orientation": tf.constant([photo.orientation for photo in photos], tf.int32),
        "tags": tf.constant(tag_matrix(photos, labels)),
    }
    if masks is not None:
        paths = [os.fsencode(masks / f"{photo.id}.png") for photo in photos]
        table["mask"] = tf.constant(paths, tf.string)
    return table


def _example(
    table: dict[str, tf.Tensor], row: tf.Tensor, seed: tf.Tensor, augment: AugmentSettings
) -> dict[str, tf.Tensor]:
    photo = decode_photo(tf.io.read_file(table["path"][row]), table["orientation"][row])
    window = random_window(tf.shape(photo)[:2], seed, augment=augment)
    pixels, valid = cut_photo(photo, window)
    side = augment.crop
    example = {
        "photo": tf.ensure_shape(pixels, [side, side, 3]),
        "valid": tf.ensure_shape(valid, [side, side]),
        "tags": table["tags"][row],
        "index": row,
    }
    if "mask" in table:
        colours = tf.io.decode_png(tf.io.read_file(table["mask"][row]), channels=3)
        tf.debugging.assert_equal(tf.shape(colours), tf.shape(photo))
        ids = ids_from_colours(cut_nearest(colours, window))
        mask = tf.where(valid, ids, tf.constant(IGNORE, tf.uint8))
        example["mask"] = tf.ensure_shape(mask, [side, side])
    return example

"""Training batches as a function of the step, and photos one at a time."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import AugmentSettings
from wsss_tf.data import open_dataset, photo_dataset, training_dataset
from wsss_tf.data.pipeline import shuffled_row
from wsss_tf.images import read_photo

CROP = 24


def position_photo(height: int, width: int) -> np.ndarray:
    """A photo whose red is the row and whose green is the column."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(x, 77)], -1).astype(np.uint8)


def id_at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The mask of a position photo, as a function of the position."""
    return ((rows.astype(int) * 31 + columns) % 255).astype(np.uint8)


@pytest.fixture
def dataset(write_folder, build):
    """Five photos of several sizes, one of a single pixel, and masks that tell the position."""
    sizes = {"a": (40, 60), "b": (60, 33), "c": (16, 50), "d": (1, 1), "ë": (20, 20)}
    contents = {}
    for name, size in sizes.items():
        photo = position_photo(*size)
        contents[f"images/{name}.png"] = build.encoded(photo)
        contents[f"masks/{name}.png"] = build.label_map(id_at(photo[..., 0], photo[..., 1]))
    tags = ["cat", "dog", "cat dog", "dog", "cat"]
    rows = [(f"images/{name}.png", "train", tag) for name, tag in zip(sizes, tags, strict=True)]
    return open_dataset(build.settings(), root=write_folder(rows, contents))


def batches(dataset, steps=8, *, start=0, batch=3, seed=5, masks=True, **augment):
    elements = training_dataset(
        dataset,
        "train",
        augment=AugmentSettings(crop=CROP, **augment),
        batch_size=batch,
        seed=seed,
        start_step=start,
        steps=steps,
        masks=dataset.mask_folder if masks else None,
    )
    return list(elements.as_numpy_iterator())


def digest(elements) -> str:
    result = hashlib.sha256()
    for element in elements:
        for name in sorted(element):
            result.update(name.encode() + element[name].tobytes())
    return result.hexdigest()


@pytest.mark.parametrize("batch", [1, 3])
def test_batches_have_the_promised_shapes(dataset, batch):
    elements = batches(dataset, 4, batch=batch)
    assert len(elements) == 4
    expected = {
        "photo": ((batch, CROP, CROP, 3), np.uint8),
        "valid": ((batch, CROP, CROP), np.bool_),
        "mask": ((batch, CROP, CROP), np.uint8),
        "tags": ((batch, 2), np.float32),
        "index": ((batch,), np.int32),
    }
    matrix = dataset.tag_matrix("train")
    for element in elements:
        got = {name: (value.shape, value.dtype) for name, value in element.items()}
        assert got == expected
        np.testing.assert_array_equal(element["tags"], matrix[element["index"]])
    assert "mask" not in batches(dataset, 1, masks=False)[0]


@pytest.mark.parametrize("flip", [False, True])
def test_photo_and_mask_are_cut_in_step(dataset, flip):
    mirrored = 0
    for element in batches(dataset, 20, scale=[1.0, 1.0], flip=flip):
        photo, valid, mask = element["photo"], element["valid"], element["mask"]
        expected = id_at(photo[..., 0], photo[..., 1])
        np.testing.assert_array_equal(mask[valid], expected[valid])
        assert (mask[~valid] == 255).all()
        assert (photo[~valid] == (124, 117, 104)).all()
        assert (photo[valid][:, 2] == 77).all()
        assert valid.any(axis=(1, 2)).all()
        columns = photo[..., 1].astype(int)
        mirrored += int((np.diff(columns, axis=2)[valid[:, :, 1:] & valid[:, :, :-1]] < 0).any())
    assert (mirrored > 0) == flip


def test_scaled_masks_hold_ids_of_the_photo_only(dataset):
    for element in batches(dataset, 8, scale=[0.4, 2.5]):
        for index, mask, valid in zip(
            element["index"], element["mask"], element["valid"], strict=True
        ):
            photo = read_photo(dataset.photos["train"][index].path)
            ids = set(id_at(photo[..., 0], photo[..., 1]).ravel())
            assert set(mask[valid].ravel()) <= ids


def test_element_t_depends_on_seed_and_t_alone(dataset):
    whole = batches(dataset, 9)
    for start in (4, 8):
        assert digest(batches(dataset, 9 - start, start=start)) == digest(whole[start:])
    assert digest(batches(dataset, 9, seed=6)) != digest(whole)
    # Of a seed of any size.
    assert digest(batches(dataset, 2, seed=2**70 + 1)) != digest(whole[:2])
    assert batches(dataset, 1, start=10**9)[0]["photo"].shape == (3, CROP, CROP, 3)


def test_another_process_gets_the_same_bits(dataset, tmp_path):
    code = f"""
import hashlib, pathlib
from wsss_tf.config import AugmentSettings, DataSettings
from wsss_tf.data import open_dataset, training_dataset
root = pathlib.Path({str(dataset.mask_folder.parent)!r})
settings = DataSettings(source="tagged_folder", root=root, eval_split="train")
elements = training_dataset(
    open_dataset(settings, root=root), "train", augment=AugmentSettings(crop={CROP}),
    batch_size=3, seed=5, start_step=4, steps=3, masks=root / "masks",
)
result = hashlib.sha256()
for element in elements.as_numpy_iterator():
    for name in sorted(element):
        result.update(name.encode() + element[name].tobytes())
print(result.hexdigest())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest(batches(dataset, 7)[4:])


def test_training_reads_no_mask_of_the_data_set(dataset):
    with_masks = digest(batches(dataset, 5, masks=False))
    shutil.rmtree(dataset.mask_folder)
    assert digest(batches(dataset, 5, masks=False)) == with_masks


def test_every_epoch_has_every_photo_once_in_its_own_order(dataset):
    elements = batches(dataset, 20, batch=4)
    epochs = np.concatenate([element["index"] for element in elements]).reshape(-1, 5)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(5), (16, 1)))
    assert len({tuple(epoch) for epoch in epochs}) > 10


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000])
def test_the_order_is_a_permutation_for_every_count(count):
    series = tf.data.Dataset.range(count, 2 * count)
    rows = list(series.map(lambda n: shuffled_row(n, count, seed=3)).as_numpy_iterator())
    np.testing.assert_array_equal(np.sort(rows), np.arange(count))


def test_photos_of_an_epoch_get_other_windows_in_the_next(dataset):
    elements = batches(dataset, 10, batch=1)
    photos = [element["photo"] for element in elements]
    rows = [int(element["index"][0]) for element in elements]
    first = rows.index(0)
    again = rows.index(0, first + 1)
    assert (photos[first] != photos[again]).any()


def test_whole_photos_come_in_order(dataset):
    photos = dataset.photos["train"]
    for index, element in enumerate(photo_dataset(photos, dataset.labels).as_numpy_iterator()):
        np.testing.assert_array_equal(element["photo"], read_photo(photos[index].path))
        np.testing.assert_array_equal(element["tags"], dataset.tag_matrix("train")[index])
        assert element["index"] == index
    shapes = [
        element["photo"].shape
        for element in photo_dataset(photos[::-1], dataset.labels, side=20).as_numpy_iterator()
    ]
    assert shapes == [(20, 20, 3), (1, 1, 3), (6, 20, 3), (20, 11, 3), (13, 20, 3)]
    assert not list(photo_dataset([], dataset.labels))

"""Segmenter: the right labels in the right order, batches of one size, bounded memory."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from wsss_tf.errors import DataError
from wsss_tf.serving import Segmenter
from wsss_tf.serving.network import Network
from wsss_tf.serving.pipeline import Stages, in_order

SIZES = ((20, 30), (31, 17), (1, 1), (20, 30), (64, 48), (1, 40))


def labels(segmenter, photos):
    return [found.labels for found in segmenter(photos)]


@pytest.fixture
def batches(monkeypatch):
    """Gets the shape of every batch that a network runs."""
    shapes, original = [], Network.__call__

    def spy(self, batch, *, probabilities):
        shapes.append((batch.shape[:3], probabilities))
        return original(self, batch, probabilities=probabilities)

    monkeypatch.setattr(Network, "__call__", spy)
    return shapes


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("threads", [1, 3])
def test_labels_are_the_networks_and_in_order(tiny, bundle, batch_size, threads):
    photos = [tiny.noise(*SIZES[index % len(SIZES)], seed=index) for index in range(30)]
    segmenter = Segmenter(bundle, batch_size=batch_size, threads=threads)
    for _ in range(2):  # One segmenter serves any number of calls.
        found = labels(segmenter, photos)
        assert len(found) == len(photos)
        for photo, label_map in zip(photos, found, strict=True):
            assert label_map.dtype == np.uint8
            np.testing.assert_array_equal(label_map, tiny.expected(photo))


def test_paths_and_arrays_and_generators_are_photos(tiny, bundle, photos):
    paths = sorted(photos.iterdir())
    given = [str(paths[0]), tiny.noise(8, 8, 9), paths[1]]
    found = list(Segmenter(bundle)(iter(given)))
    assert [each.photo for each in found] == [paths[0], None, paths[1]]
    np.testing.assert_array_equal(found[0].labels, tiny.expected(tiny.noise(20, 30, 0)))
    np.testing.assert_array_equal(found[2].labels, tiny.expected(tiny.noise(31, 17, 1)))
    assert all(each.error is None and each.seconds > 0 for each in found)


def test_no_photo_is_no_result(bundle):
    assert list(Segmenter(bundle)([])) == []


def test_a_photo_that_cannot_be_read_is_an_error_and_the_others_go_on(bundle, photos):
    (photos / "p1.png").write_bytes(b"no photo")
    given = [photos / "p0.png", photos / "p1.png", photos / "gone.png", photos / "p2.png"]
    found = list(Segmenter(bundle, batch_size=2)(given))
    assert [each.error is None for each in found] == [True, False, False, True]
    assert "p1.png: must be an image" in str(found[1].error)
    with pytest.raises(DataError, match="gone.png: does not exist"):
        _ = found[2].labels


def test_photos_of_one_size_run_together(tiny, bundle, batches):
    sizes = [(20, 30), (30, 20)] * 8
    photos = [tiny.noise(*size, seed=index) for index, size in enumerate(sizes)]
    found = labels(Segmenter(bundle, batch_size=4, threads=2), photos)
    for photo, label_map in zip(photos, found, strict=True):
        np.testing.assert_array_equal(label_map, tiny.expected(photo))
    assert sum(shape[0] for shape, _ in batches) == 16
    assert sorted(shape[0] for shape, _ in batches) == [4, 4, 4, 4]


def test_only_what_is_enlarged_needs_probabilities(tiny, batches, tmp_path):
    bundle = tiny.write_bundle(tmp_path / "b", max_side=32)
    small, large = tiny.noise(20, 32), np.repeat(tiny.noise(16, 12), 8, axis=0).repeat(8, axis=1)
    found = labels(Segmenter(bundle), [small, large])
    assert batches == [((1, 20, 32), False), ((1, 32, 24), True)]
    np.testing.assert_array_equal(found[0], tiny.expected(small))
    assert found[1].shape == (128, 96)


def test_a_large_photo_is_seen_in_the_size_of_the_graph(tiny, batches, tmp_path):
    """Not in two steps, to `max_side` here and on to `side` there."""
    bundle = tiny.write_bundle(tmp_path / "b", max_side=64, views={"side": 32})
    assert labels(Segmenter(bundle), [tiny.noise(65, 40)])[0].shape == (65, 40)
    assert labels(Segmenter(bundle), [tiny.noise(64, 40)])[0].shape == (64, 40)
    assert batches == [((1, 32, 20), True), ((1, 64, 40), False)]


def test_a_batch_that_fails_is_tried_one_by_one(tiny, bundle, monkeypatch):
    original = Network._run

    def short_of_memory(self, batch, output):
        if len(batch) > 1 or batch[0, 0, 0, 0] == 7:
            raise RuntimeError("Failed to allocate memory\nmore")
        return original(self, batch, output)

    monkeypatch.setattr(Network, "_run", short_of_memory)
    photos = [tiny.noise(6, 6, seed) for seed in range(4)]
    photos[2][0, 0, 0], photos[1][0, 0, 0] = 7, 8
    found = list(Segmenter(bundle, batch_size=4)(photos))
    assert [each.error is None for each in found] == [True, True, False, True]
    assert "Failed to allocate memory. Try --tile" in str(found[2].error)
    np.testing.assert_array_equal(found[3].labels, tiny.expected(photos[3]))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), 3],
    ids=["grey", "float", "empty", "a number"],
)
def test_what_is_no_photo_is_a_wrong_argument(tiny, bundle, wrong):
    done = Segmenter(bundle)([tiny.noise(4, 4), wrong])
    assert next(done).labels.shape == (4, 4)
    with pytest.raises(ValueError, match="must be a path or uint8"):
        next(done)


def test_one_photo_is_not_a_list(bundle, photos):
    for single in ("a.jpg", photos / "p0.png", np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="Put it into a list"):
            Segmenter(bundle)(single)


OPTIONS = {
    "batch_size": {"batch_size": 0},
    "threads": {"threads": -1},
    "tile": {"tile": 2.5},
    "regions without a CRF": {"regions": True},
    "overlap without tiles": {"overlap": 8},
    "tiles that are all overlap": {"tile": 100, "overlap": 40},
    "negative overlap": {"tile": 100, "overlap": -1},
    "no CRF in the bundle": {"crf": True},
    "a CRF by a word": {"crf": "no"},
    "threads that are a truth": {"threads": True},
    "half an overlap": {"tile": 512, "overlap": 1.5},
    "no limit of pixels": {"max_pixels": None},
    "providers": {"provider": ["cpu"]},
    "precisions": {"precision": ["fp32"]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_wrong_options_are_refused(bundle, options):
    with pytest.raises(ValueError, match="must"):
        Segmenter(bundle, **options)


def threads_of_ours():
    return [each for each in threading.enumerate() if each.name.startswith("wsss-")]


def test_a_caller_that_stops_early_leaves_no_thread(tiny, bundle):
    done = Segmenter(bundle)(tiny.noise(9, 9, seed) for seed in range(10**9))
    next(done)
    assert threads_of_ours()
    done.close()
    assert threads_of_ours() == []


@pytest.mark.parametrize("batch_size", [1, 5])
def test_no_more_photos_are_on_their_way_than_the_window(batch_size):
    """Taken from the source less yielded, whoever is slow: the caller, a photo, the network."""
    taken = yielded = most = 0
    generator = np.random.default_rng(0)
    naps = generator.uniform(0, 0.004, 200)

    def source():
        nonlocal taken, most
        for index in range(200):
            taken += 1
            most = max(most, taken - yielded)
            yield index

    def prepare(index):
        time.sleep(naps[index] if index != 3 else 0.2)  # One is very slow.
        return index

    stages = Stages(
        prepare, lambda index: index % 3, lambda group: [10 * i for i in group], lambda _, raw: raw
    )
    outcomes = []
    for done in in_order(source(), stages, batch_size=batch_size, threads=3, window=12):
        outcomes.append(done.outcome)
        yielded += 1
        time.sleep(naps[-yielded] / 4)
    assert outcomes == [10 * index for index in range(200)]
    assert most <= 12


def test_raw_results_do_not_pile_up():
    """The network waits where finishing is slower than it."""
    waiting = most = 0
    lock = threading.Lock()

    def count(change):
        nonlocal waiting, most
        with lock:
            waiting += change
            most = max(most, waiting)

    def run(group):
        count(len(group))
        return group

    def finish(prepared, raw):
        time.sleep(0.005)
        count(-1)
        return raw

    stages = Stages(lambda index: index, lambda index: 0, run, finish)
    done = in_order(range(60), stages, batch_size=1, threads=2, window=40)
    assert [each.outcome for each in done] == list(range(60))
    assert most <= 2 * 2 + 1


def test_an_unexpected_error_reaches_the_caller_in_its_turn():
    def prepare(index):
        if index == 2:
            raise ZeroDivisionError("a fault of ours")
        return index

    stages = Stages(prepare, lambda index: 0, lambda group: group, lambda prepared, raw: raw)
    done = in_order(range(5), stages, batch_size=2, threads=2, window=4)
    assert [next(done).outcome, next(done).outcome] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(done)
    assert threads_of_ours() == []


@pytest.mark.parametrize(("side", "given"), [(200, 200), (201, 32)])
def test_a_graph_that_reduces_photos_gets_them_whole(tiny, tmp_path, monkeypatch, side, given):
    views = {"side": 32, "grid_side": 200}
    bundle = tiny.write_bundle(tmp_path / "b", max_side=64, views=views)
    seen = []
    network = Network.__call__

    def watched(self, batch, *, probabilities):
        seen.append(max(batch.shape[1:3]))
        return network(self, batch, probabilities=probabilities)

    monkeypatch.setattr(Network, "__call__", watched)
    photos = [tiny.noise(side, 50, seed) for seed in range(3)]
    assert all(found.error is None for found in Segmenter(bundle, batch_size=3)(photos))
    # Large ones one by one.
    assert seen == ([given] * 3 if given > 64 else [given])

"""The numbers of a benchmark, its table and its photos, without a process."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from wsss_tf.errors import DataError, RunError
from wsss_tf.serving.benchmark import chosen, write_arrays
from wsss_tf.serving.benchmark.cases import Case, Form
from wsss_tf.serving.benchmark.figures import agreement, percentile, summary
from wsss_tf.serving.benchmark.machine import _CGROUPS, _left, available_memory, process_kb
from wsss_tf.serving.benchmark.photos import MAX_PHOTOS, fitted, generated
from wsss_tf.serving.benchmark.settings import Settings
from wsss_tf.serving.benchmark.table import heading, notes, table


def nearest_rank(values, percent):
    """By counting: the smallest value that `percent` of all do not exceed."""
    for value in sorted(values):
        if 100 * sum(other <= value for other in values) >= percent * len(values):
            return value
    raise AssertionError


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 39, 40, 41, 100])
def test_p95_is_the_nearest_rank(random_generator, count):
    values = random_generator.permutation(count).astype(float).tolist()
    assert percentile(values, 0.95) == nearest_rank(values, 95)
    assert percentile(values, 0.0) == min(values)
    assert percentile(values, 1.0) == max(values)


def test_p95_of_twenty_is_the_last_but_one_and_of_nineteen_the_last():
    assert percentile(range(20), 0.95) == 18
    assert percentile(range(19), 0.95) == 18


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_no_percentile_of_nothing(values, share):
    with pytest.raises(ValueError, match="`values` must not be empty"):
        percentile(values, share)


def test_summary_of_calls():
    found = summary([0.1, 0.4, 0.2, 0.3], batch=5)
    assert found["median_ms"] == pytest.approx(250)
    assert found["p95_ms"] == pytest.approx(400)
    assert found["photos_per_second"] == pytest.approx(5 * 4 / 1.0)
    assert set(summary([], batch=5).values()) == {None}


def test_agreement_counts_pixels_not_photos(tmp_path):
    pairs = {"a": ((2, 5), 1), "b": ((3, 30), 9)}
    for name, (size, wrong) in pairs.items():
        labels = np.zeros(size, np.uint8)
        np.save(tmp_path / f"{name}0.npy", labels)
        labels.flat[:wrong] = 1
        np.save(tmp_path / f"{name}1.npy", labels)
    files = [[tmp_path / f"{name}{index}.npy" for name in pairs] for index in (0, 1)]
    assert agreement(*files) == pytest.approx(90 / 100)
    assert agreement(files[0], files[0]) == 1


def test_enough_calls():
    settings = Settings(1, repeats=5, seconds=2.0)
    assert not settings.has_enough([9.0, 9.0])  # Too few, however long they took.
    assert settings.has_enough([9.0, 9.0, 9.0])
    assert not settings.has_enough([0.1] * 4)
    assert settings.has_enough([0.1] * 5)
    assert Settings(1, repeats=1).has_enough([0.1])


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"seconds": 0.0}, {"threads": -1}])
def test_settings_are_above_0(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be above 0"):
        Settings(**wrong)


def row(**changes):
    return {
        "form": "onnx", "precision": "fp32", "provider": "cpu", "crf": None, "height": 321,
        "width": 500, "batch": 4, "calls": 20, "median_ms": 1234.5, "p95_ms": 2.345,
        "photos_per_second": 0.01234, "peak_bytes": 412_340_000, "file_bytes": 82_053_569,
        "agreement": 0.999996, "error": None, "seconds": [], **changes,
    }  # fmt: skip


def cells(line):
    return [text.strip() for text in line.strip("|").split("|")]


def test_table_is_aligned_markdown():
    failed = row(
        precision=None, crf="regions", median_ms=None, p95_ms=None, photos_per_second=None,
        peak_bytes=None, file_bytes=None, agreement=None, calls=0, error="It broke.",
    )  # fmt: skip
    lines = table([row(), failed], photos=3).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len({line.count("|") for line in lines}) == 1
    assert set(lines[1]) == set("|- :")
    assert cells(lines[2]) == [
        "onnx", "fp32", "cpu", "-", "321x500", "4", "1234", "2.35", "0.0123", "412", "82.1",
        "0.99999", "20",
    ]  # fmt: skip
    assert cells(lines[3])[1:8] == ["-", "cpu", "with regions", "321x500", "4", "FAILED", "-"]
    assert cells(lines[3])[-2:] == ["-", "0"]


def test_agreement_on_generated_pictures_is_marked():
    assert cells(table([row()], photos=0).splitlines()[2])[-2] == "0.99999*"
    assert "generated pictures (*)" in " ".join(notes([row()], photos=0))
    assert "on 7 photos." in " ".join(notes([row()], photos=7))


def test_notes_are_those_of_the_rows():
    assert len(notes([row()], photos=1)) == 2
    few = notes([row(calls=19)], photos=1)
    assert "of fewer than 20 calls, the slowest" in few[1]
    two = notes([row(crf="regions"), row(crf="pairwise", form="saved_model")], photos=1)
    assert "these labels differ" in two[-1]
    assert "these labels differ" not in notes([row(crf="regions")], photos=1)[-1]
    assert "to a longer side of 499" in notes([row()], photos=1, side=499)[-1]
    assert len(notes([row()], photos=1, side=500)) == 2
    assert "not seen from here" in notes([row(form="server")], photos=1)[-1]
    broken = row(error="It broke.", calls=0, provider=None, crf="pairwise")
    assert notes([broken], photos=1)[-1] == (
        "Failed: onnx fp32, 321x500, batch 4, with CRF: It broke."
    )


def test_heading_names_what_is_known():
    facts = {
        "cpu": "A CPU", "board": None, "gpus": ["A GPU"], "cpus_allowed": 2, "cpus": 8,
        "threads": 1, "load": 0.5, "python": "3.11.0", "onnxruntime": "1.2.3", "tensorflow": None,
    }  # fmt: skip
    expected = "A CPU; A GPU; 2 of 8 CPUs, 1 thread; onnxruntime 1.2.3; load 0.5 before"
    assert heading(facts) == expected
    more = heading({**facts, "board": "A board", "threads": 2, "tensorflow": "2.0"})
    assert more.startswith("A board; A CPU; ")
    assert "2 threads; onnxruntime 1.2.3; TensorFlow 2.0; " in more


def test_names_of_cases_and_forms():
    assert str(Case((3, 4), True, 2)) == "3x4, batch 2, with CRF"
    form = Form("onnx", "fp16", "cuda", "a:b", bytes=10, crf_bytes=5)
    assert (str(form), form.on_gpu) == ("onnx fp16 cuda", True)
    assert (form.size(crf=False), form.size(crf=True)) == (10, 15)
    server = Form("server", None, None, "a:b")
    assert (str(server), server.on_gpu, server.size(crf=True)) == ("server", False, None)


def test_memory_of_this_process_and_of_the_machine():
    assert 1_000 < process_kb("VmRSS") <= process_kb("VmHWM")
    with pytest.raises(ValueError, match="`key` must be one of"):
        process_kb("VmNothing")
    assert available_memory() > 0


@pytest.mark.parametrize("files", _CGROUPS, ids=["cgroup2", "cgroup1"])
def test_memory_that_a_container_leaves(tmp_path, files):
    limit, used, cache = files
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    assert _left(tmp_path, *files) is None
    (tmp_path / limit).write_text("1000\n")
    (tmp_path / used).write_text("700\n")
    (tmp_path / used).with_name("memory.stat").write_text(f"anon 1\n{cache} 250\nother 3\n")
    assert _left(tmp_path, *files) == 1000 - 700 + 250
    (tmp_path / limit).write_text("max\n")
    assert _left(tmp_path, *files) is None


def test_at_most_16_photos_evenly(tmp_path):
    paths = [tmp_path / str(index) for index in range(100)]
    found = chosen(paths)
    assert len(found) == MAX_PHOTOS
    assert np.ptp(np.diff([int(path.name) for path in found])) <= 1
    assert chosen(paths[:3]) == paths[:3]


def test_photos_are_cut_around_their_middle():
    photo = np.zeros((60, 200, 3), np.uint8)
    photo[:, 90:110] = 255
    found = fitted(photo, (30, 40))
    assert found.shape == (30, 40, 3)
    # Halved: the white band is 10 wide, in the middle of what is left of 100.
    np.testing.assert_array_equal(found[:, 17:23], 255)
    assert found[:, :12].max() == found[:, 28:].max() == 0
    assert fitted(photo, (60, 200)) is photo


def test_arrays_of_every_size(tiny, photos, tmp_path):
    (tmp_path / "out").mkdir()
    paths = sorted(photos.iterdir())[:2]
    sizes = [(20, 30), (64, 8)]
    written = write_arrays(paths, sizes, tmp_path / "out")
    assert {size: [np.load(file).shape for file in files] for size, files in written.items()} == {
        size: [(*size, 3)] * 2 for size in sizes
    }
    np.testing.assert_array_equal(np.load(written[20, 30][0]), tiny.noise(20, 30, seed=0))


def test_generated_pictures_differ_and_come_again(tmp_path):
    (tmp_path / "out").mkdir()
    files = write_arrays([], [(40, 51)], tmp_path / "out")[40, 51]
    pictures = [np.load(file) for file in files]
    assert len(pictures) == 4
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((40, 51, 3), "uint8")}
    assert len({picture.tobytes() for picture in pictures}) == 4
    np.testing.assert_array_equal(generated((40, 51), 2), pictures[2])


def test_a_photo_or_a_folder_that_cannot_be_used(photos, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    with pytest.raises(DataError, match="bad.jpg: must be an image"):
        write_arrays([bad], [(4, 4)], tmp_path)
    with pytest.raises(RunError, match="TMPDIR"):
        write_arrays([photos / "p0.png"], [(4, 4)], tmp_path / "nowhere")


def test_an_enlarged_photo_covers_the_size():
    photo = np.asarray(Image.new("RGB", (3, 2), (7, 8, 9)))
    found = fitted(photo, (50, 20))
    assert found.shape == (50, 20, 3)
    np.testing.assert_array_equal(found, np.broadcast_to(np.uint8([7, 8, 9]), found.shape))

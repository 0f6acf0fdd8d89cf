"""The file of kept activations: an entry is whole or absent, whatever happened to the file."""

import errno
import logging
import os
from collections import namedtuple

import numpy as np
import pytest

from wsss_tf.errors import RunError
from wsss_tf.training.activation_file import NAME, ActivationFile

SHAPE = (3, 4, 5)
ENTRY = 2 * 3 * 4 * 5 + 4  # Bytes.
ABOUT = {"seed": 0}


def opened(folder, about=ABOUT, *, entries=6):
    return ActivationFile.open(folder, about, entries=entries, shape=SHAPE)


def values(seed):
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float16)


@pytest.fixture
def written(tmp_path):
    """The path of a file whose entries 1 and 4 are written."""
    with opened(tmp_path) as file:
        for entry in (1, 4):
            file.write(entry, values(entry))
    return file.path


def entries(tmp_path, about=ABOUT):
    """Which entries are whole; each must have its own values."""
    with opened(tmp_path, about) as file:
        found = {entry: file.read(entry) for entry in range(6)}
    kept = {entry: array for entry, array in found.items() if array is not None}
    for entry, array in kept.items():
        np.testing.assert_array_equal(array, values(entry))
        assert array.dtype == np.float16
    return set(kept)


def test_entries_are_read_as_they_were_written(written, tmp_path, caplog):
    assert entries(tmp_path) == {1, 4}
    assert not caplog.records  # Absence is no damage.


def test_zeros_are_values_and_extremes_are_kept(tmp_path):
    extreme = np.zeros(SHAPE, np.float16)
    extreme[0, 0] = [65504.0, 6e-8, np.inf, -65504.0, np.nan]
    with opened(tmp_path) as file:
        file.write(0, np.zeros(SHAPE, np.float16))
        file.write(5, extreme)
        np.testing.assert_array_equal(file.read(0), np.zeros(SHAPE))
        np.testing.assert_array_equal(file.read(5), extreme)


@pytest.mark.parametrize("position", [0, ENTRY - 5, ENTRY - 1], ids=["first", "last", "checksum"])
def test_a_changed_byte_makes_the_entry_absent_and_is_told_once(
    written, tmp_path, caplog, position
):
    content = bytearray(written.read_bytes())
    for entry in (1, 4):
        content[entry * ENTRY + position] ^= 1
    written.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert entries(tmp_path) == set()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("size", "whole"), [(0, set()), (1, set()), (ENTRY + 7, set()), (5 * ENTRY - 1, {1})]
)
def test_a_short_file_keeps_what_is_whole(written, tmp_path, size, whole):
    written.write_bytes(written.read_bytes()[:size])
    assert entries(tmp_path) == whole
    with opened(tmp_path) as file:
        file.write(1, values(1))
    assert entries(tmp_path) == {1}


def test_a_longer_file_and_noise_are_no_entries(written, tmp_path):
    written.write_bytes(np.random.default_rng(0).bytes(9 * ENTRY))
    assert entries(tmp_path) == set()


def test_the_file_of_something_else_copied_over_it_is_not_believed(written, tmp_path):
    other = {"seed": 1}
    assert entries(tmp_path, other) == set()
    [path] = [path for path in tmp_path.glob(f"*/{NAME}") if path != written]
    path.write_bytes(written.read_bytes())
    assert entries(tmp_path, other) == set()


def test_an_entry_moved_to_another_place_is_not_believed(written, tmp_path):
    content = bytearray(written.read_bytes())
    content[0:ENTRY] = content[ENTRY : 2 * ENTRY]
    written.write_bytes(content)
    assert entries(tmp_path) == {1, 4}


def test_a_writer_that_stops_halfway_leaves_no_entry(tmp_path, monkeypatch, caplog):
    write = os.pwrite

    def halfway(descriptor, content, offset):
        write(descriptor, content[: ENTRY // 2], offset)
        raise KeyboardInterrupt

    with opened(tmp_path) as file, monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", halfway)
        with pytest.raises(KeyboardInterrupt):
            file.write(2, values(2))
    assert entries(tmp_path) == set()
    assert not caplog.records


def test_a_short_write_goes_on(tmp_path, monkeypatch):
    write = os.pwrite
    with opened(tmp_path) as file, monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, content, at: write(fd, content[:50], at))
        file.write(2, values(2))
    assert entries(tmp_path) == {2}


def test_a_second_user_is_refused(written, tmp_path):
    with (
        opened(tmp_path),
        pytest.raises(RunError, match="in use by process"),
        opened(tmp_path),
    ):
        pass
    with opened(tmp_path), opened(tmp_path, {"seed": 1}):
        pass  # Another file of the same folder.


def test_a_full_disk_is_told_before_with_its_numbers(tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 6 * ENTRY - 1))
    with pytest.raises(RunError, match=r"6 activations of 3 x 4 x 5.*7.44e-07 GB") as error:
        opened(tmp_path).__enter__()
    assert "augment.views" in str(error.value)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 6 * ENTRY))
    with caplog.at_level(logging.INFO), opened(tmp_path):
        assert "keeps 6 activations of 3 x 4 x 5, 7.44e-07 GB" in caplog.text


def test_a_disk_that_fills_up_is_a_run_error(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with opened(tmp_path) as file, monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RunError, match="No space left"):
            file.write(0, values(0))


def test_wrong_values_are_refused(tmp_path):
    with opened(tmp_path) as file:
        with pytest.raises(ValueError, match="float16 of shape"):
            file.write(0, values(0)[:2])
        with pytest.raises(ValueError, match="float32"):
            file.write(0, values(0).astype(np.float32))

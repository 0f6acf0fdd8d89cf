"""A preparation that is killed, runs out of disk or is refused goes on to the same bytes."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal

import pytest

from wsss_tf import files
from wsss_tf.data.own import read_layout
from wsss_tf.data.prepare import writing
from wsss_tf.data.prepare.items import Item
from wsss_tf.data.tagged_folder import list_tagged_folder
from wsss_tf.errors import DataError, DataProblems, RunError


def test_killed_before_or_after_any_file_and_called_again(pets, items, whole, tmp_path):
    """Every place where a file gets its name, and every line of the journal: `kill -9` there."""
    killed = 0
    for step in range(60):
        out = tmp_path / f"out{step}"
        status = _in_a_child(lambda out=out, step=step: _write_and_die(pets, out, step))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            assert pets.tree(out) == pets.tree(whole)
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1
        assert pets.finished(out) == (None, [])
        if (out / "data.json").exists():
            assert pets.tree(whole).items() <= pets.tree(out).items()
        else:
            listing = list_tagged_folder(out)
            assert listing.entries == []
            assert len(listing.problems) == 1
            if (out / ".prepare.jsonl").exists():
                assert "is not prepared to the end" in listing.problems[0]
            assert read_layout(out).source is None
        pets.write(out, items)
        assert pets.tree(out) == pets.tree(whole)
    # The journal, 7 photos and masks, 3 lists, tags.csv, SHA256SUMS and data.json, before and
    # after; 4 lines.
    assert killed == 2 * 14 + 4


def _in_a_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (nothing may run on in the child)
            os._exit(1)
    return os.waitpid(child, 0)[1]


def _write_and_die(pets, out, step):
    """Writes with one thread and kills itself at the step-th moment."""
    moments = iter(range(1000))
    replace, append = os.replace, files.JsonLines.append

    def moment():
        if next(moments) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_replace(source, target):
        moment()
        replace(source, target)
        moment()

    def dying_append(self, row):
        append(self, row)
        moment()

    os.replace, files.JsonLines.append = dying_replace, dying_append
    pets.write(out, pets.items, workers=1)


def test_what_is_written_is_kept_by_the_next_call(pets, tmp_path, monkeypatch):
    items, out, made = pets.items_of(12), tmp_path / "out", []

    def photo(item):
        if item.id == "p9":
            raise KeyboardInterrupt
        made.append(item.id)
        return item.photo()

    counted = [Item(i.id, i.suffix, lambda i=i: photo(i), i.mask, i.tags, i.splits) for i in items]
    with pytest.raises(KeyboardInterrupt):
        pets.write(out, counted, workers=1)
    assert not (out / "data.json").exists()
    first, made[:] = list(made), []
    assert first[:9] == [f"p{n}" for n in range(9)]
    # One photo is damaged meanwhile, of another the journal does not know.
    (out / "images/p3.png").write_bytes(b"damaged")
    pets.write(out, items)
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


def test_a_kept_photo_is_not_read_again(pets, items, tmp_path):
    def broken():
        raise DataError("a bad sector")

    out, last = tmp_path / "out", items[-1]
    bad = Item(last.id, last.suffix, broken, last.mask, last.tags, last.splits)
    with pytest.raises(DataProblems, match="p3: a bad sector"):
        pets.write(out, [*items[:-1], bad])
    before = pets.stamps(out / "images")
    silent = [Item(i.id, i.suffix, broken, i.mask, i.tags, i.splits) for i in items[:-1]]
    pets.write(out, [*silent, last])
    after = pets.stamps(out / "images")
    assert {path: after[path] for path in before} == before
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


def test_a_finished_folder_that_is_begun_again_is_unfinished(pets, items, whole):
    def broken():
        raise DataError("a bad sector")

    (whole / "images/p0.jpg").unlink()
    with pytest.raises(DataProblems, match="p0: a bad sector"):
        pets.write(whole, [dataclasses.replace(items[0], photo=broken), *items[1:]])
    assert not {"data.json", "tags.csv"} & set(pets.tree(whole))


def test_another_version_keeps_nothing(pets, items, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("wsss_tf.data.prepare.writing.__version__", "0.0.1")
    bad = Item("p9", ".jpg", lambda: b"none", None, (), ("train",))
    with pytest.raises(DataProblems):
        pets.write(out, [*items, bad])
    (out / "masks/p0.png").write_bytes(b"as another version wrote it")
    monkeypatch.undo()
    pets.write(out, items)
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


@pytest.mark.parametrize("damage", [b"\0" * 40, b"{}\n", b'{"id": "p1"}\n', b"[1]\n"])
def test_a_damaged_journal_starts_over(pets, items, tmp_path, damage):
    out, bad = tmp_path / "out", Item("p9", ".jpg", lambda: b"none", None, (), ("train",))
    with pytest.raises(DataProblems):
        pets.write(out, [*items, bad])
    with open(out / ".prepare.jsonl", "ab") as file:
        file.write(damage + b'\n{"id": "p0", "sha256": []}\n')
    pets.write(out, items)
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


def test_what_another_process_prepares_meanwhile_is_not_written_over(
    pets, items, tmp_path, monkeypatch
):
    """The other one ends between the first look at the folder and the lock."""
    out, lock = tmp_path / "out", writing.lock
    about = dataclasses.replace(pets.ABOUT, settings=(("n", 4),))

    def late(folder):
        monkeypatch.setattr(writing, "lock", lock)
        pets.write(out, items, about)
        return lock(folder)

    monkeypatch.setattr(writing, "lock", late)
    with pytest.raises(DataError, match="holds another preparation.*differs in settings"):
        pets.write(out, items)
    pets.write(tmp_path / "whole", items, about)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


def test_two_processes_do_not_prepare_one_folder(pets, items, tmp_path):
    with files.lock(tmp_path / "out"), pytest.raises(RunError, match="is in use by process"):
        pets.write(tmp_path / "out", items)


def test_a_write_that_fails_stops_and_the_next_call_completes(
    pets, items, whole, tmp_path, monkeypatch
):
    out, fsync, calls = tmp_path / "out", os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot be written: No space left .* Free space"):
        pets.write(out, items)
    monkeypatch.undo()
    assert not {"data.json", "tags.csv"} & set(pets.tree(out))
    pets.write(out, items)
    assert pets.tree(out) == pets.tree(whole)


def test_a_full_disk(pets, tmp_path, disk):
    items, out = pets.items_of(30), disk.folder / "out"
    for _ in range(2):  # The second call finds the disk full from the beginning.
        with pytest.raises(RunError, match="No space left on device"):
            pets.write(out, items)
        assert not {"data.json", "tags.csv"} & set(pets.tree(out))
    assert disk("remount,size=4m")
    pets.write(out, items)
    pets.write(tmp_path / "whole", items)
    assert pets.tree(out) == pets.tree(tmp_path / "whole")


def test_a_read_only_folder(pets, items, disk):
    out = disk.folder / "out"
    assert disk("remount,size=4m")
    pets.write(out, items)
    (out / "images/p0.jpg").unlink()
    before = pets.tree(out)
    assert disk("remount,ro")
    with pytest.raises(RunError, match="cannot be written: Read-only file system"):
        pets.write(out, items)
    assert pets.tree(out) == before

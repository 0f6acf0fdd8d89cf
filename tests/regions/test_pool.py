"""map_files: every path once, errors where they belong, and no process outlives its caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from wsss_tf.errors import DataError, RunError
from wsss_tf.regions.pool import map_files

# Workers import their function, so it lies in a module of its own.
SOURCE = """
import os, signal, time
from pathlib import Path
from wsss_tf.errors import DataError

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)
    def __reduce__(self):
        raise TypeError("not to be sent")

def work(path):
    if path.name == "bad":
        raise DataError("bad: is no photo")
    if path.name == "wrong":
        raise ZeroDivisionError("a fault of ours")
    if path.name == "large":
        raise MemoryError
    if path.name == "odd":
        raise Odd(1, 2)
    if path.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if path.name == "long":
        Path(path.parent, f"pid-{os.getpid()}").touch()
        time.sleep(60)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The function `work` above."""
    (tmp_path / "pool_test_work.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import pool_test_work

    yield pool_test_work.work
    del sys.modules["pool_test_work"]


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within that time; a zombie that nobody reaps has ended."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(int(seconds * 20)):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def wait_for(folder: Path, pattern: str, count: int) -> list[int]:
    """The process ids in the names of files, once there are that many."""
    for _ in range(600):
        found = sorted(folder.glob(pattern))
        if len(found) >= count:
            return [int(path.name.split("-")[1]) for path in found]
        time.sleep(0.05)
    pytest.fail(f"{count} files {pattern} did not come")


def test_every_path_is_done_once_and_bad_ones_do_not_stop_the_others(work, capfd):
    paths = [Path(name) for name in ("a", "bad", "b", "c", "killed", "d")]
    found = dict(map_files(work, paths, processes=2))
    assert sorted(found) == sorted(paths)
    assert isinstance(found[Path("bad")], DataError)
    assert str(found[Path("bad")]) == "bad: is no photo"
    assert isinstance(found[Path("killed")], DataError)
    assert "ended with signal 9" in str(found[Path("killed")])
    for name in "abcd":
        pid, *threads = found[Path(name)]
        assert pid != os.getpid()
        assert threads == ["1", "1"]
    assert capfd.readouterr() == ("", "")


def test_all_workers_may_be_killed(work):
    found = list(map_files(work, [Path("killed")] * 3, processes=2))
    assert len(found) == 3
    assert all(isinstance(outcome, DataError) for _, outcome in found)


@pytest.mark.parametrize(("names", "processes"), [("ab", 1), ("a", 4), ("", 4), ("", None)])
def test_one_process_or_one_path_needs_no_pool(work, names, processes):
    found = list(map_files(work, [Path(name) for name in names], processes=processes))
    assert [(path.name, outcome[0]) for path, outcome in found] == [(n, os.getpid()) for n in names]


@pytest.mark.parametrize("processes", [1, 2])
def test_another_error_is_raised(work, processes):
    with pytest.raises(ZeroDivisionError, match="a fault of ours") as caught:
        list(map_files(work, [Path("wrong"), Path("wrong")], processes=processes))
    if processes > 1:
        assert "pool_test_work.py" in caught.value.__notes__[0]


def test_an_error_that_cannot_be_sent_is_told_in_words(work):
    with pytest.raises(RuntimeError, match="pool_test_work.Odd"):
        list(map_files(work, [Path("odd"), Path("odd")], processes=2))


@pytest.mark.parametrize("processes", [0, -1])
def test_processes_are_at_least_one(work, processes):
    with pytest.raises(ValueError, match="`processes` must be at least 1"):
        list(map_files(work, [Path("a"), Path("b")], processes=processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_photo_that_memory_does_not_hold_is_its_own_error(work, processes):
    found = dict(map_files(work, [Path("large"), Path("a")], processes=processes))
    assert "too little memory" in str(found[Path("large")])
    assert isinstance(found[Path("large")], DataError)
    assert isinstance(found[Path("a")], tuple)


def test_a_function_that_workers_cannot_import_is_an_error(work, tmp_path, capfd):
    (tmp_path / "pool_test_work.py").unlink()
    with pytest.raises(RunError, match="could not start"):
        list(map_files(work, [Path("a"), Path("b")], processes=2))
    assert "pool_test_work" in capfd.readouterr().err


def test_closing_ends_the_workers_at_once(work, tmp_path):
    done = map_files(work, [tmp_path / "a", tmp_path / "long", tmp_path / "long"], processes=2)
    first, _ = next(done)
    assert first.name == "a"
    pids = wait_for(tmp_path, "pid-*", 1)
    before = time.monotonic()
    done.close()
    assert time.monotonic() - before < 5.0
    assert all(gone(pid, 0.1) for pid in pids)


def started(tmp_path: Path, source: str) -> subprocess.Popen[str]:
    """A script that works without `if __name__ == "__main__"`, in a process group of its own."""
    (tmp_path / "pool_test_work.py").write_text(SOURCE)
    (tmp_path / "script.py").write_text(textwrap.dedent(source))
    command = [sys.executable, str(tmp_path / "script.py")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)


ENDLESS = """
from pathlib import Path
from pool_test_work import work
from wsss_tf.regions.pool import map_files

here = Path(__file__).parent
(here / f"started-{__import__('os').getpid()}").touch()
list(map_files(work, [here / "long"] * 4, processes=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_caller(tmp_path, number):
    script = started(tmp_path, ENDLESS)
    pids = wait_for(tmp_path, "pid-*", 2)
    os.killpg(script.pid, number)
    _, errors = script.communicate(timeout=10)
    assert all(gone(pid) for pid in pids)
    assert errors.count("Traceback") == (number == signal.SIGINT)
    assert len(list(tmp_path.glob("started-*"))) == 1

"""files.py: whole or absent, whatever ends the writer."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from wsss_tf import files
from wsss_tf.errors import DataError, DataProblems, RunError


def run_python(source: str, *arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def test_write_makes_parents_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    files.write_text(path, "één")
    assert path.read_text(encoding="utf-8") == "één"
    files.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.txt"]


def test_written_file_has_the_users_permissions(tmp_path):
    files.write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("mine"), FileNotFoundError(2, "absent", "other")])
def test_error_in_the_block_keeps_the_old_content(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write():
        with files.atomic_write(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_killed_writer_keeps_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    writer = run_python(
        """
        import sys, time
        from wsss_tf import files
        with files.atomic_write(sys.argv[1]) as file:
            file.write(b"new" * 100_000)
            print("writing", flush=True)
            time.sleep(60)
        """,
        path,
    )
    assert writer.stdout.readline() == "writing\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    with files.lock(tmp_path):
        assert sorted(os.listdir(tmp_path)) == [".lock", "file"]


def test_read_only_folder(without_root):
    folder = Path(tempfile.mkdtemp())  # Unlike tmp_path, not below a folder that only we may enter.
    folder.chmod(0o555)
    try:
        for write in (
            lambda: files.write_bytes(folder / "file", b""),
            lambda: files.JsonLines(folder / "file").append({}),
            lambda: files.lock(folder).__enter__(),
        ):
            with (
                pytest.raises(RunError, match=r"written: Permission denied\. Choose a folder that"),
                without_root(),
            ):
                write()
    finally:
        folder.rmdir()


def test_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/below: cannot be written"):
        files.write_bytes(tmp_path / "file" / "below", b"")
    with pytest.raises(RunError, match="cannot be written"):
        files.JsonLines(tmp_path / "file" / "below").append({})


def test_target_that_is_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=r"folder: cannot be written: Is a directory\. Move away"):
        files.write_bytes(tmp_path / "folder", b"")
    assert os.listdir(tmp_path) == ["folder"]


def on_a_full_disk(source: str, path: Path) -> str:
    """Runs `source` where no file may grow beyond 1,000 bytes: EFBIG stands for ENOSPC.

    In a process of its own, as the limit would also hold for what pytest itself writes.
    """
    limited = (
        "import resource, signal, sys\n"
        "from wsss_tf import files\n"
        "from wsss_tf.errors import RunError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "path = sys.argv[1]\n"
        "try:\n" + textwrap.indent(textwrap.dedent(source), "    ") + "\n"
        "except RunError as error:\n"
        "    print(error)\n"
    )
    process = run_python(limited, path)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


def test_full_disk_keeps_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    said = on_a_full_disk("files.write_bytes(path, bytes(100_000))", path)
    assert said.startswith(f"{path}: cannot be written: File too large")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_full_disk_tears_at_most_the_last_json_line(tmp_path):
    log = files.JsonLines(tmp_path / "log.jsonl")
    log.append({"step": 1})
    said = on_a_full_disk("files.JsonLines(path).append({'text': 'x' * 2000})", log.path)
    assert said.startswith(f"{log.path}: cannot be written: File too large")
    assert log.path.stat().st_size == 1000
    assert files.read_jsonl(log.path) == [{"step": 1}]
    log.append({"step": 2})
    assert files.read_jsonl(log.path) == [{"step": 1}, {"step": 2}]


def test_json_is_indented_ordered_and_strict(tmp_path):
    path = tmp_path / "file.json"
    files.write_json(path, {"b": "é", "a": [1]})
    assert path.read_text(encoding="utf-8") == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.JsonLines(tmp_path / "log").append({"loss": float("inf")})
    assert os.listdir(tmp_path) == ["file.json"]


def test_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content" * 100_000)
    assert files.sha256(path) == hashlib.sha256(b"content" * 100_000).hexdigest()


@pytest.mark.parametrize("name", ["a.jpg", "sub/a.jpg", "not yet/there", "a..b", "./a"])
def test_safe_join_inside(tmp_path, name):
    assert files.safe_join(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "..", "../a", "sub/../../a", "sub/../a", "..\\a", "a\0b"]
)
def test_safe_join_refuses(tmp_path, name):
    with pytest.raises(DataError, match="must stay inside"):
        files.safe_join(tmp_path, name)


def test_safe_join_and_links(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "inside").symlink_to("sub")
    (root / "outside").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (tmp_path / "alias").symlink_to(root)
    assert files.safe_join(root, "inside/a") == root / "inside" / "a"
    assert files.safe_join(tmp_path / "alias", "sub/a") == tmp_path / "alias" / "sub" / "a"
    for name in ("outside", "outside/a"):
        with pytest.raises(DataError, match="through a link"):
            files.safe_join(root, name)


def test_lock_is_held_against_another_process(tmp_path):
    holder = run_python(
        """
        import sys
        from wsss_tf import files
        with files.lock(sys.argv[1]):
            print("held", flush=True)
            sys.stdin.read()
        """,
        tmp_path,
        stdin=subprocess.PIPE,
    )
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(RunError, match=f"is in use by process {holder.pid}"),
        files.lock(tmp_path),
    ):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with files.lock(tmp_path) as folder:
        assert folder == tmp_path
    with files.lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_json_lines(tmp_path):
    path = tmp_path / "below" / "log.jsonl"
    assert files.read_jsonl(path) == []
    assert files.truncate_jsonl(path, lambda row: True) == []
    assert not path.exists()
    rows = [{"step": step, "name": "é\n"} for step in range(4)]
    for row in rows:
        files.JsonLines(path).append(row)
    assert files.read_jsonl(path) == rows
    assert files.truncate_jsonl(path, lambda row: row["step"] < 2) == rows[:2]
    assert files.read_jsonl(path) == rows[:2]


@pytest.mark.parametrize("torn", [b'{"ste', b'{"step": 2}', b"\xff"])
def test_torn_last_json_line(tmp_path, torn):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + torn)
    assert files.read_jsonl(path) == [{"step": 1}]
    files.JsonLines(path).append({"step": 3})
    assert files.read_jsonl(path) == [{"step": 1}, {"step": 3}]


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b"\xff", b""])
def test_wrong_json_line_is_named(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    with pytest.raises(RunError, match=r"log\.jsonl:2: "):
        files.read_jsonl(path)


def test_data_problems_lists_every_one():
    assert str(DataProblems(["one"])) == "1 problem:\n  one"
    problems = DataProblems(iter(["one", "two"]))
    assert problems.problems == ("one", "two")
    assert str(problems) == "2 problems:\n  one\n  two"


def test_paths_may_be_text(tmp_path):
    files.write_text(str(tmp_path / "file"), "x")
    assert files.safe_join(str(tmp_path), Path("file")) == tmp_path / "file"

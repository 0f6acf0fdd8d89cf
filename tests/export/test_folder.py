"""A folder that is whole or absent, whatever ends its writer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from wsss_tf.errors import RunError
from wsss_tf.export.folder import new_folder, require_new


def build(out: Path, error: BaseException | None = None) -> None:
    with new_folder(out) as folder:
        (folder / "onnx").mkdir()
        (folder / "onnx" / "model.onnx").write_bytes(b"model")
        if error:
            raise error
        (folder / "bundle.json").write_text("{}")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("made", [False, True], ids=["new", "empty"])
def test_becomes_the_folder(tmp_path, made):
    out = tmp_path / "below" / "bundle"
    if made:
        out.mkdir(parents=True)
    build(out)
    assert names(tmp_path) == [
        "below",
        "below/bundle",
        "below/bundle/bundle.json",
        "below/bundle/onnx",
        "below/bundle/onnx/model.onnx",
    ]


def test_takes_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build(Path("bundle"))
    assert "bundle/bundle.json" in names(tmp_path)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError(2, "o", "x")])
def test_an_error_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)) as caught:
        build(tmp_path / "bundle", error)
    assert caught.value is error
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "fix"), [(errno.ENOSPC, "Free space"), (errno.EIO, "Check the disk")]
)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, number, fix):
    with pytest.raises(RunError, match=rf"bundle: cannot be written: .*{fix}"):
        build(tmp_path / "bundle", OSError(number, os.strerror(number)))
    assert names(tmp_path) == []


def test_a_folder_with_content_is_refused_and_kept(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(RunError, match="must be a new or empty folder"):
        build(tmp_path)
    assert names(tmp_path) == ["mine"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_a_link_is_refused(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "file":
        out.touch()
    else:
        out.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="a file or a link"):
        build(out)
    assert names(tmp_path) == ["out"]


def test_a_killed_writer_leaves_no_bundle_and_the_next_call_makes_one(tmp_path):
    source = """
    import os, signal, sys
    from pathlib import Path
    from wsss_tf.export.folder import new_folder, require_new
    with new_folder(Path(sys.argv[1])) as folder:
        (folder / "half.onnx").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    out = tmp_path / "bundle"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source), str(out)])
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == [".bundle.wsss-tmp", ".bundle.wsss-tmp/.lock",
                               ".bundle.wsss-tmp/half.onnx"]  # fmt: skip
    build(out)
    assert names(tmp_path) == ["bundle", "bundle/bundle.json", "bundle/onnx",
                               "bundle/onnx/model.onnx"]  # fmt: skip


def test_two_writers_of_one_folder_do_not_meet(tmp_path):
    out = tmp_path / "bundle"
    with new_folder(out) as folder:
        (folder / "first").touch()
        with pytest.raises(RunError, match="is in use by process"):
            build(out)
    assert names(out) == ["first"]


def test_a_place_that_is_read_only(without_root):
    parent = Path(tempfile.mkdtemp())  # Unlike tmp_path, not below a folder only we may enter.
    parent.chmod(0o555)
    try:
        with (
            pytest.raises(RunError, match="must lie in a folder that you may write to"),
            without_root(),
        ):
            build(parent / "bundle")
        assert names(parent) == []
    finally:
        parent.rmdir()


def test_a_mount_point_is_refused_before_any_work():
    with pytest.raises(RunError, match="a mount point"):
        require_new(Path("/proc"))


def test_a_parent_that_is_read_only_is_named_before_any_work(tmp_path, without_root):
    (tmp_path / "locked" / "out").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    (tmp_path / "locked").chmod(0o555)
    with without_root(), pytest.raises(RunError, match=r"may write to.*locked"):
        require_new(tmp_path / "locked" / "out")

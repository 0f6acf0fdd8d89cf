"""Archives are read where they are; what is cut short, damaged or unsafe is refused by name."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsss_tf.data.prepare.archives import open_archive
from wsss_tf.data.prepare.sources import source_of
from wsss_tf.errors import DataError, RunError
from wsss_tf.files import sha256

KINDS = ("folder", "x.tar", "x.tar.gz", "x.tgz", "x.zip")


def contents() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    sizes = {"data/a.bin": 0, "data/deep/b.bin": 1000, "data/ä c.bin": 70_000, "top.txt": 512}
    return {name: random.bytes(size) for name, size in sizes.items()}


def pack(made, tmp_path, kind, files=None):
    files = contents() if files is None else files
    if kind == "folder":
        return made("unpack")(tmp_path / "folder", files)
    path = tmp_path / kind
    if kind.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.mkdir("data")
            for name, content in files.items():
                file.writestr(name, content)
        return path
    return made("pack_tar")(path, files, "w" if kind.endswith("tar") else "w:gz")


def read_all(path) -> dict[str, bytes]:
    with open_archive(path) as archive:
        return {name: archive.read(name) for name in archive.names()}


@pytest.mark.parametrize("kind", KINDS)
def test_all_files_are_read(made, tmp_path, kind):
    assert read_all(pack(made, tmp_path, kind)) == contents()


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_wanted_is_there(made, tmp_path, kind):
    path = pack(made, tmp_path, kind)
    with open_archive(path, only=lambda name: name.endswith("b.bin")) as archive:
        assert archive.names() == ("data/deep/b.bin",)
        with pytest.raises(DataError, match="has no file 'top.txt'"):
            archive.read("top.txt")


def test_the_content_tells_the_kind(made, tmp_path):
    # SBD's benchmark.tgz has been a plain tar at times.
    os.rename(pack(made, tmp_path, "x.tar"), tmp_path / "x.tgz")
    assert read_all(tmp_path / "x.tgz") == contents()


@pytest.mark.parametrize("kind", KINDS)
def test_threads_read_at_once(made, tmp_path, kind):
    files = {f"{n}.bin": np.random.default_rng(n).bytes(20_000 + n) for n in range(40)}
    with (
        open_archive(pack(made, tmp_path, kind, files)) as archive,
        ThreadPoolExecutor(8) as pool,
    ):
        names = list(files) * 10
        assert list(pool.map(archive.read, names)) == [files[name] for name in names]


def test_an_archive_leaves_no_file_behind(made, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with open_archive(pack(made, tmp_path, "x.tgz")):
        assert list((tmp_path / "scratch").iterdir()) == []


def test_no_room_to_unpack_is_told(made, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(RunError, match="cannot be unpacked into .*gone.*TMPDIR"):
        open_archive(pack(made, tmp_path, "x.tgz"))


@pytest.mark.parametrize("kind", ["x.tar", "x.tgz", "x.zip"])
def test_an_archive_cut_short_anywhere_is_refused(made, tmp_path, kind):
    path = pack(made, tmp_path, kind)
    whole = path.read_bytes()
    # A tar's last blocks are padding: it may lack all but two blocks of zeros.
    last = whole.rstrip(b"\0") if kind == "x.tar" else whole
    cuts = {*range(0, len(last), 997), *range(0, len(last), 512), len(last) - 1}
    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError) as caught:
            read_all(path)
        assert str(path) in str(caught.value)


def test_a_tar_that_shrinks_while_it_is_read_is_told(made, tmp_path):
    path = pack(made, tmp_path, "x.tar")
    with open_archive(path) as archive:
        os.truncate(path, 2000)
        with pytest.raises(DataError, match="'data/ä c.bin' is damaged: 0 of 70000 bytes"):
            archive.read("data/ä c.bin")


def test_a_damaged_header_is_no_end(made, tmp_path):
    path = pack(made, tmp_path, "x.tar")
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        content[tar.getmember("top.txt").offset + 150] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cut short or damaged"):
        open_archive(path)


@pytest.mark.parametrize("kind", ["x.tgz", "x.zip"])
def test_a_changed_byte_is_found_by_the_checksum(made, tmp_path, kind):
    path = pack(made, tmp_path, kind)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_all(path)


def with_member(path, name, kind=tarfile.REGTYPE, target="", mode="w"):
    with tarfile.open(path, mode) as tar:
        good = tarfile.TarInfo("good.txt")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"good"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        tar.addfile(member)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize(
    ("name", "kind", "target", "words"),
    [
        ("/etc/passwd", tarfile.REGTYPE, "", "is absolute"),
        ("../outside", tarfile.REGTYPE, "", "holds '..'"),
        ("a/../../outside", tarfile.REGTYPE, "", "holds '..'"),
        ("..", tarfile.DIRTYPE, "", "holds '..'"),
        ("a\\..\\b", tarfile.REGTYPE, "", "holds '..'"),
        ("link", tarfile.SYMTYPE, "/etc/passwd", "is a link out of it"),
        ("a/link", tarfile.SYMTYPE, "../../x", "is a link out of it"),
        ("a/link", tarfile.SYMTYPE, "b/../../../x/y", "is a link out of it"),
        ("a/hard", tarfile.LNKTYPE, "../x", "is a link out of it"),
        ("null", tarfile.CHRTYPE, "", "is a device"),
        ("disk", tarfile.BLKTYPE, "", "is a device"),
        ("pipe", tarfile.FIFOTYPE, "", "a pipe"),
    ],
)
def test_an_unsafe_member_of_a_tar_is_refused(tmp_path, name, kind, target, words, mode):
    path = with_member(tmp_path / "x.tar", name, kind, target, mode)
    with pytest.raises(DataError) as caught:
        open_archive(path)
    assert words in str(caught.value)
    assert "good.txt" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar"]


@pytest.mark.parametrize(("name", "target"), [("a/link", "../good.txt"), ("a/link", "b")])
def test_a_link_inside_is_left_out(tmp_path, name, target):
    path = with_member(tmp_path / "x.tar", name, tarfile.SYMTYPE, target)
    assert read_all(path) == {"good.txt": b"good"}


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("/etc/passwd", None, "is absolute"),
        ("a/../../b", None, "holds '..'"),
        ("a/link", "../../x", "is a link out of it"),
    ],
)
def test_an_unsafe_member_of_a_zip_is_refused(tmp_path, name, target, words):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo(name)
        if target is not None:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, target or "x")
    with pytest.raises(DataError, match=words):
        open_archive(path)


def test_links_of_a_folder_must_stay_inside(made, tmp_path):
    root = pack(made, tmp_path, "folder")
    (root / "inside").symlink_to(root / "top.txt")
    assert read_all(root)["inside"] == contents()["top.txt"]
    (tmp_path / "secret").write_text("x")
    (root / "data/out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    with pytest.raises(DataError) as caught:
        open_archive(root)
    assert "'data/out' is a link out of it" in str(caught.value)
    assert "'up' is a link out of it" in str(caught.value)


def test_a_pipe_in_a_folder_is_not_waited_for(made, tmp_path):
    root = pack(made, tmp_path, "folder")
    os.mkfifo(root / "pipe")
    with pytest.raises(DataError, match="'pipe' is no file"):
        open_archive(root)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "something else, which starts with"),
        (b"\x1f\x8b\x08garbage" * 9, "cut short or damaged"),
        (b"PK\3\4 garbage", "cut short or damaged"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path, content, words):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=words):
        open_archive(tmp_path / "x.tar")


def test_a_missing_archive_is_named(tmp_path):
    for function in (open_archive, source_of):
        with pytest.raises(DataError, match="x.tar: cannot be read: No such file"):
            function(tmp_path / "x.tar")


def test_the_source_of_a_file_is_its_digest(made, tmp_path):
    path = pack(made, tmp_path, "x.zip")
    source = source_of(path)
    assert (source.name, source.bytes) == ("x.zip", path.stat().st_size)
    assert source.sha256 == sha256(path)


def test_the_source_of_a_folder_tells_names_and_sizes(made, tmp_path):
    root = pack(made, tmp_path, "folder")
    first = source_of(root)
    assert (first.name, first.bytes) == ("folder/", 71_512)
    assert source_of(made("unpack")(tmp_path / "other/folder", contents())) == first
    (root / "top.txt").write_bytes(b"shorter")
    assert source_of(root).sha256 != first.sha256

"""The photos that arguments name: folders, patterns and lists."""

from __future__ import annotations

import pytest

from wsss_tf.errors import DataError
from wsss_tf.serving import photo_files


def names(paths):
    return [path.name for path in paths]


def test_a_folder_a_pattern_and_a_list(photos):
    everything = [f"p{index}.png" for index in range(6)]
    assert names(photo_files([photos])) == everything
    assert names(photo_files([photos / "p[0-2].png"])) == everything[:3]
    assert names(photo_files([photos.parent / "**" / "*.png"])) == everything
    (photos / "list.txt").write_text(f"p3.png\n\n  {photos / 'p1.png'} \ngone.png\n")
    found = photo_files([photos / "list.txt", photos / "p3.png"])
    assert found == [photos / "p3.png", photos / "p1.png", photos / "gone.png"]


def test_a_name_with_brackets_is_a_file_first(photos):
    (photos / "a[1].png").touch()
    assert photo_files([photos / "a[1].png"]) == [photos / "a[1].png"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("*.jpg", None, "no file fits this pattern"),
        ("list.txt", b"\n \n", "lists no photo"),
        ("list.txt", b"\xff\xfe", "cannot be read as a list"),
        ("gone.txt", None, "cannot be read as a list"),
        ("list.txt", b"p0.png\nother/p0.jpg\n", "share a name"),
    ],
)
def test_what_names_no_photos_is_refused(photos, name, content, message):
    if content is not None:
        (photos / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        photo_files([photos / name])


def test_a_list_of_windows_has_a_mark_in_front(photos):
    (photos / "list.txt").write_text("p0.png\np1.png\n", encoding="utf-8-sig")
    assert photo_files([photos / "list.txt"]) == [photos / "p0.png", photos / "p1.png"]

"""Photo files that cannot be trained on are found when the data set is opened."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from wsss_tf.data.photo_files import check_photos

CAP = 10_000


def checked(path):
    return check_photos([path], max_pixels=CAP)


@pytest.fixture
def photo(build):
    return build.noise(40, 60)


def damaged(build, photo) -> dict[str, tuple[bytes, str]]:
    jpeg, png = build.encoded(photo, "JPEG"), build.encoded(photo)
    cmyk = io.BytesIO()
    Image.fromarray(photo).convert("CMYK").save(cmyk, "JPEG")
    thumbnail = Image.Exif()
    thumbnail[0x9286] = b"ASCII\0\0\0\xff\xd9"
    exif = build.encoded(photo, "JPEG", exif=thumbnail)
    return {
        "empty.jpg": (b"", "empty.jpg"),
        "text.jpg": (b"this is a text, not a photo", "text.jpg"),
        "header.png": (png[:20], "header.png"),
        "header.jpg": (jpeg[:20], "header.jpg"),
        "half.jpg": (jpeg[: len(jpeg) // 2], "half.jpg"),
        "one_byte.jpg": (jpeg[:-1], "one_byte.jpg"),
        "half_exif.jpg": (exif[: len(exif) // 2], "half_exif.jpg"),
        "filled.jpg": (jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2), "filled.jpg"),
        "half.png": (png[: len(png) // 2], "half.png"),
        "no_end.png": (png[:-12], "is truncated"),
        "large.png": (build.encoded(build.noise(101, 100)), "100 x 101"),
        "moving.gif": (build.encoded(photo, "GIF"), "Convert it to JPEG or PNG"),
        "picture.bmp": (build.encoded(photo, "BMP"), "Convert it to JPEG or PNG"),
        "web.jpg": (build.encoded(photo, "WEBP"), "Received: WEBP"),
        "print.jpg": (cmyk.getvalue(), "Convert it to RGB"),
    }


def test_every_damaged_photo_is_named(tmp_path, build, photo):
    cases = damaged(build, photo)
    for name, (content, _) in cases.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in cases]
    headers, problems = check_photos([*paths, *paths], max_pixels=CAP)
    assert not headers
    assert len(problems) == len(cases)
    for (name, (_, part)), problem in zip(cases.items(), problems, strict=True):
        assert name in problem
        assert part in problem


def test_a_missing_photo_and_a_folder_are_named(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    for name in ("missing.jpg", "folder.jpg"):
        _, problems = checked(tmp_path / name)
        assert len(problems) == 1
        assert name in problems[0]


@pytest.mark.parametrize("tail", [b"", b"\0" * 300, b"\r\n", b"a camera's own words" * 9])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_bytes_after_the_end_are_no_problem(tmp_path, build, photo, kind, tail):
    path = tmp_path / "photo"
    path.write_bytes(build.encoded(photo, kind) + tail)
    headers, problems = checked(path)
    assert not problems
    assert (headers[path].width, headers[path].height) == (60, 40)


def test_a_phone_photo_with_a_second_picture_is_fine(tmp_path, photo):
    first, second = Image.fromarray(photo), Image.fromarray(np.flipud(photo))
    first.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[second])
    headers, problems = checked(tmp_path / "phone.jpg")
    assert not problems
    assert len(headers) == 1

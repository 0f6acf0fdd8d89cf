"""Photos and label maps: every kind of file, every kind of damage, and what is written."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from wsss_tf import images, labels
from wsss_tf.errors import DataError, RunError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **options)
    return path


def exif(orientation) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png(path: Path, pixels: bytes, *, size, depth: int, colour: int, late: bytes = b"") -> Path:
    """Writes a PNG of any bit depth, which Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    width, height = size
    row = len(pixels) // height if height else 0
    lines = b"".join(b"\0" + pixels[y * row : (y + 1) * row] for y in range(height if row else 0))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines))
    content += (chunk(b"eXIf", late) if late else b"") + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm"])
def test_lossless_formats_come_back_exactly(tmp_path, suffix):
    photo = images.read_photo(save(tmp_path / f"p.{suffix}", RGB))
    assert photo.dtype == np.uint8
    assert photo.flags.writeable
    assert photo.flags.c_contiguous
    np.testing.assert_array_equal(photo, RGB)


def test_lossless_webp_and_first_frame_of_a_gif(tmp_path):
    np.testing.assert_array_equal(
        images.read_photo(save(tmp_path / "p.webp", RGB, lossless=True)), RGB
    )
    red, blue = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    animation = save(tmp_path / "p.gif", red, save_all=True, append_images=[blue])
    assert images.read_photo(animation).tolist() == [[[255, 0, 0]] * 4] * 3


def test_jpeg_equals_pillow(tmp_path):
    path = save(tmp_path / "p.jpg", RGB, quality=80)
    np.testing.assert_array_equal(images.read_photo(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_orientation_is_applied(tmp_path, orientation, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    upright = images.read_photo(save(tmp_path / f"upright.{suffix}", RGB, **options))
    turned = save(tmp_path / f"turned.{suffix}", RGB, exif=exif(orientation), **options)
    photo = images.read_photo(turned)
    np.testing.assert_array_equal(photo, TURNED[orientation](upright))
    pillow = ImageOps.exif_transpose(Image.open(turned)).convert("RGB")
    np.testing.assert_array_equal(photo, np.asarray(pillow))
    header = images.photo_header(turned)
    assert header.orientation == orientation
    assert (header.height, header.width) == photo.shape[:2]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_orientation_of_tiff_is_applied_once(tmp_path, orientation):
    path = save(tmp_path / "p.tiff", RGB, exif=exif(orientation))
    photo = images.read_photo(path)
    np.testing.assert_array_equal(photo, TURNED[orientation](RGB))
    header = images.photo_header(path)
    assert (header.height, header.width, header.orientation) == (*photo.shape[:2], 1)


@pytest.mark.parametrize("value", [0, 9, 255])
def test_orientation_out_of_range_is_upright(tmp_path, value):
    path = save(tmp_path / "p.png", RGB, exif=exif(value))
    assert images.photo_header(path).orientation == 1
    np.testing.assert_array_equal(images.read_photo(path), RGB)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_upright(tmp_path):
    path = save(tmp_path / "p.png", RGB, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert images.photo_header(path).orientation == 1
    np.testing.assert_array_equal(images.read_photo(path), RGB)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", [90, 90, 90]),
        ("LA", [90, 90, 90]),
        ("RGBA", [10, 200, 30]),
        ("P", [10, 200, 30]),
        ("1", [255, 255, 255]),
    ],
)
def test_other_modes_become_rgb_without_their_alpha(tmp_path, mode, expected):
    colours = {"L": 90, "LA": (90, 7), "RGBA": (10, 200, 30, 7), "P": 3, "1": 1}
    image = Image.new(mode, (4, 2), colours[mode])
    options = {}
    if mode == "P":
        image.putpalette([0] * 9 + [10, 200, 30])
        options = {"transparency": bytes([0, 0, 0, 5])}
    path = save(tmp_path / "p.png", image, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = images.read_photo(path)
    assert photo.tolist() == [[expected] * 4] * 2


def test_cmyk_becomes_rgb(tmp_path):
    path = save(tmp_path / "p.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    assert images.photo_header(path).mode == "CMYK"
    np.testing.assert_allclose(images.read_photo(path)[4, 4], [255, 0, 0], atol=2)


def test_sixteen_bit_grey_keeps_the_high_byte(tmp_path):
    values = np.array([[0, 255, 256], [0x1234, 0xFEFF, 0xFFFF]], np.uint16)
    high = [[0, 0, 1], [0x12, 0xFE, 0xFF]]
    for path in (
        png(tmp_path / "p.png", values.astype(">u2").tobytes(), size=(3, 2), depth=16, colour=0),
        save(tmp_path / "p.tiff", values),
    ):
        photo = images.read_photo(path)
        assert photo[..., 0].tolist() == high
        assert photo.shape == (2, 3, 3)
        assert (photo == photo[..., :1]).all()


def test_sixteen_bit_colour_keeps_the_high_byte(tmp_path):
    values = np.array([[[0x1234, 0xFEFF, 0x00FF], [0xFFFF, 0, 256]]], ">u2")
    path = png(tmp_path / "p.png", values.tobytes(), size=(2, 1), depth=16, colour=2)
    assert images.read_photo(path).tolist() == [[[0x12, 0xFE, 0], [0xFF, 0, 1]]]


def test_float_image_is_refused(tmp_path):
    path = save(tmp_path / "p.tiff", Image.fromarray(np.ones((2, 2), np.float32)))
    with pytest.raises(DataError, match=r"p\.tiff.*8 or 16 bits a channel.*mode F.*Convert it"):
        images.read_photo(path)


def test_header_tells_format_and_mode(tmp_path):
    header = images.photo_header(save(tmp_path / "p.jpg", RGB))
    assert header == images.PhotoHeader(7, 5, 1, "JPEG", "RGB")
    # The suffix says nothing.
    assert images.photo_header(save(tmp_path / "q.jpg", RGB, format="PNG")).format == "PNG"


def test_phone_photos_with_a_second_picture_are_read(tmp_path):
    second = Image.new("RGB", (7, 5))
    path = save(
        tmp_path / "p.jpg", RGB, format="MPO", save_all=True, append_images=[second], quality=90
    )
    assert images.photo_header(path).format == "MPO"
    plain = save(tmp_path / "q.jpg", RGB, quality=90)
    np.testing.assert_array_equal(images.read_photo(path), images.read_photo(plain))


def test_header_of_a_png_decodes_no_pixel(tmp_path):
    # Without pixels, anything that decodes them fails.
    path = png(tmp_path / "p.png", b"", size=(3, 2), depth=8, colour=2)
    assert images.photo_header(path) == images.PhotoHeader(3, 2, 1, "PNG", "RGB")
    with pytest.raises(DataError, match="damaged or cut short"):
        images.read_photo(path)


def test_orientation_behind_the_pixels_is_ignored_by_both(tmp_path):
    pixels = np.arange(6, dtype=np.uint8)
    late = exif(6).tobytes().removeprefix(b"Exif\0\0")
    path = png(tmp_path / "p.png", pixels.tobytes(), size=(3, 2), depth=8, colour=0, late=late)
    assert images.photo_header(path)[:3] == (3, 2, 1)
    assert images.read_photo(path)[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_pixel_cap_is_checked_before_the_pixels(tmp_path):
    huge = png(tmp_path / "huge.png", b"", size=(9_999, 10_001), depth=8, colour=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"damaged"):  # 99,999,999 pixels pass the cap.
            images.read_photo(huge)
        with pytest.raises(DataError, match=r"at most 50,000 pixels. Received: 9999 x 10001"):
            images.read_photo(huge, max_pixels=50_000)
        assert images.photo_header(huge).width == 9_999
    photo = save(tmp_path / "p.png", RGB)
    assert images.read_photo(photo, max_pixels=35).shape == RGB.shape
    with pytest.raises(DataError, match="at most 34 pixels"):
        images.read_photo(photo, max_pixels=34)


def test_bomb_beyond_pillows_limit_is_refused(tmp_path):
    bomb = png(tmp_path / "bomb.png", b"", size=(60_000, 60_000), depth=8, colour=2)
    for read in (images.read_photo, images.photo_header, images.read_label_map):
        with pytest.raises(DataError, match=r"bomb\.png: is too large.*Reduce it"):
            read(bomb)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tiff"])
def test_truncated_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match=rf"cut\.{suffix}: .*(damaged|cut short).*the list"):
        images.read_photo(path)


def test_flipped_byte_in_a_png_is_refused(tmp_path):
    content = bytearray(save(tmp_path / "whole.png", RGB).read_bytes())
    content[content.index(b"IDAT") + 20] ^= 0xFF
    path = tmp_path / "flipped.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"flipped\.png: is damaged"):
        images.read_photo(path)


@pytest.mark.parametrize("read", [images.read_photo, images.photo_header, images.read_label_map])
def test_what_is_no_image_is_refused(tmp_path, read):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "run.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, message in {
        "missing.jpg": "does not exist. Check the path",
        "": "Received: a folder",
        "empty.jpg": r"is empty \(0 bytes\). Get the file again",
        "text.jpg": "must be an image .*Convert it to JPEG or PNG",
        "run.eps": "must be an image",
        "pipe.jpg": "a device or a pipe",
        "text.jpg/below.jpg": "cannot be read",
        "x" * 300: "cannot be read",
    }.items():
        path = tmp_path / name
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "p.png", RGB)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)  # Root may read whatever the mode says.
    with pytest.raises(DataError, match=r"p\.png: cannot be read: Permission denied. Allow"):
        images.read_photo(path)


def test_label_map_round_trip_keeps_every_id(tmp_path):
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = tmp_path / "new" / "mask.png"
    images.write_label_map(path, ids)
    np.testing.assert_array_equal(images.read_label_map(path), ids)
    np.testing.assert_array_equal(images.read_photo(path), labels.palette()[ids])
    with Image.open(path) as image:
        assert image.mode == "P"


def test_label_maps_of_other_writers(tmp_path):
    ids = np.array([[0, 1, 2], [255, 20, 3]], np.uint8)
    np.testing.assert_array_equal(images.read_label_map(save(tmp_path / "grey.png", ids)), ids)
    # Two bits an index, as writers that save space do.
    four = png(tmp_path / "four.png", bytes([0b00011011]), size=(4, 1), depth=2, colour=0)
    with pytest.raises(DataError, match=r"mode L of fewer than 8 bits"):
        images.read_label_map(four)
    few = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8))
    few.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 7, 7, 7])
    path = save(tmp_path / "few.png", few, bits=2)
    assert images.read_label_map(path).tolist() == [[0, 1, 2, 3]]
    turned = save(tmp_path / "turned.png", ids, exif=exif(6))
    np.testing.assert_array_equal(images.read_label_map(turned), ids)


@pytest.mark.parametrize(
    ("name", "image", "found"),
    [
        ("colours.png", Image.new("RGB", (4, 4)), "PNG, mode RGB"),
        ("alpha.png", Image.new("LA", (4, 4)), "PNG, mode LA"),
        ("deep.png", Image.fromarray(np.zeros((4, 4), np.uint16)), "PNG, mode I;16"),
        ("bits.png", Image.new("1", (4, 4)), "PNG, mode 1 of fewer than 8 bits"),
        ("lossy.jpg", Image.new("L", (4, 4)), "JPEG, mode L"),
        ("frames.gif", Image.new("P", (4, 4)), "GIF, mode P"),
    ],
)
def test_label_map_of_another_kind_is_refused(tmp_path, name, image, found):
    path = save(tmp_path / name, image)
    with pytest.raises(DataError, match=rf"must be a palette PNG.*Received: {found}.*Convert"):
        images.read_label_map(path)


def test_label_map_pixel_cap(tmp_path):
    path = save(tmp_path / "m.png", np.zeros((5, 7), np.uint8))
    with pytest.raises(DataError, match="at most 34 pixels"):
        images.read_label_map(path, max_pixels=34)


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.JPEG"])
def test_written_photo_reads_back(tmp_path, name):
    smooth = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    images.write_photo(tmp_path / name, smooth)
    np.testing.assert_allclose(images.read_photo(tmp_path / name), smooth, atol=2)
    again = tmp_path / f"again-{name}"
    images.write_photo(again, smooth)
    assert again.read_bytes() == (tmp_path / name).read_bytes()


def test_writers_refuse_wrong_arguments(tmp_path):
    ids = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"end in \.png"):
        images.write_label_map(tmp_path / "m.jpg", ids)
    with pytest.raises(ValueError, match=r"uint8 \[height, width\].*int64"):
        images.write_label_map(tmp_path / "m.png", ids.astype(np.int64))
    with pytest.raises(ValueError, match=r"Received: uint8 \[5, 7, 3\]"):
        images.write_label_map(tmp_path / "m.png", RGB)
    with pytest.raises(ValueError, match=r"\.png, \.jpg or \.jpeg"):
        images.write_photo(tmp_path / "p.tif", RGB)
    with pytest.raises(ValueError, match=r"\[height, width, 3\].*float64"):
        images.write_photo(tmp_path / "p.png", RGB / 255)
    with pytest.raises(ValueError, match=r"Received: uint8 \[0, 4, 3\]"):
        images.write_photo(tmp_path / "p.png", np.zeros((0, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.png"
    images.write_label_map(path, np.ones((2, 2), np.uint8))
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"m\.png"):
        images.write_label_map(path, np.zeros((2, 2), np.uint8))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.png"]


def test_overlay_tints_labels_and_draws_their_boundary():
    photo = np.full((4, 6, 3), 100, np.uint8)
    ids = np.zeros((4, 6), np.uint8)
    ids[:, 3:] = 1
    result = images.overlay(photo, ids)
    assert result.dtype == np.uint8
    assert (result[:, :2] == 100).all()
    assert (result[:, 2] == 255).all()
    assert (result[:, 3:] == [114, 50, 50]).all()
    assert (photo == 100).all()
    down = images.overlay(photo.swapaxes(0, 1), ids.T)
    np.testing.assert_array_equal(down, result.swapaxes(0, 1))


def test_overlay_extremes_and_wrong_arguments():
    ids = np.full((5, 7), 8, np.uint8)
    np.testing.assert_array_equal(images.overlay(RGB, ids, opacity=0.0), RGB)
    assert (images.overlay(RGB, ids, opacity=1.0) == labels.palette()[8]).all()
    with pytest.raises(ValueError, match=r"label_map.shape=\(7, 5\), photo.shape=\(5, 7, 3\)"):
        images.overlay(RGB, ids.T)
    with pytest.raises(ValueError, match=r"in 0..1. Received: opacity=1.5"):
        images.overlay(RGB, ids, opacity=1.5)


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError, ZeroDivisionError])
def test_whatever_the_decoder_raises_is_a_damaged_file(tmp_path, monkeypatch, error):
    """A TIFF with a fraction for a width made Pillow raise a TypeError."""
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "a.tif")

    def fails(*arguments, **options):
        raise error("no")

    monkeypatch.setattr(Image.Image, "load", fails)
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", fails)
    with pytest.raises(DataError, match="a.tif: is damaged or cut short"):
        images.read_photo(tmp_path / "a.tif")

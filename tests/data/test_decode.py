"""TensorFlow's decoding against Pillow's, bit for bit."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wsss_tf.data.decode import decode_label_map, decode_photo
from wsss_tf.images import photo_header, read_label_map, read_photo, write_label_map

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])


def smooth(height: int = 75, width: int = 101) -> np.ndarray:
    """A photo with gradients and edges, so that a wrong chroma filter shows."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 2, y * 3 % 256, (x // 9 + y // 7) % 2 * 200 + x // 2], -1).astype(np.uint8)


def raw_png(depth: int, colour: int, width: int, rows: np.ndarray) -> bytes:
    """A PNG of raw big-endian samples, in depths that Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def jpegs() -> dict[str, bytes]:
    rgb = Image.fromarray(smooth())
    cases = {
        "baseline": (rgb, {}),
        "progressive": (rgb, {"progressive": True}),
        "444": (rgb, {"subsampling": 0}),
        "422": (rgb, {"subsampling": 1}),
        "poor": (rgb, {"quality": 10}),
        "restarts": (rgb, {"restart_marker_blocks": 3}),
        "rgb": (rgb, {"keep_rgb": True}),
        "grey": (rgb.convert("L"), {}),
        "odd": (rgb.crop((0, 0, 17, 9)), {}),
        "pixel": (rgb.crop((5, 5, 6, 6)), {}),
    }
    return {name: saved(image, "JPEG", **options) for name, (image, options) in cases.items()}


def pngs() -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    rgb = Image.fromarray(smooth())
    cases = {mode: saved(rgb.convert(mode), "PNG") for mode in ("RGB", "L", "LA", "P", "1")}
    rgba = np.dstack([smooth(), generator.integers(0, 256, (75, 101), dtype=np.uint8)])
    cases["RGBA"] = saved(Image.fromarray(rgba), "PNG")
    cases["P transparent"] = saved(rgb.convert("P"), "PNG", transparency=3)
    for bits in (1, 2, 4):
        rows = generator.integers(0, 256, (20, 4), dtype=np.uint8)
        cases[f"L{bits}"] = raw_png(bits, 0, 32 // bits, rows)
    for name, colour, channels in (
        ("L16", 0, 1),
        ("RGB16", 2, 3),
        ("LA16", 4, 2),
        ("RGBA16", 6, 4),
    ):
        rows = generator.integers(0, 65536, (20, 30, channels)).astype(">u2")
        cases[name] = raw_png(16, colour, 30, rows)
    return cases


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@WRAPS
@pytest.mark.parametrize("cases", [jpegs, pngs])
def test_photos_equal_pillow(tmp_path, cases, wrap):
    decode = wrap(decode_photo)
    for name, content in cases().items():
        path = tmp_path / "photo"
        path.write_bytes(content)
        decoded = decode(tf.constant(content), tf.constant(1)).numpy()
        np.testing.assert_array_equal(decoded, read_photo(path), err_msg=name)


@WRAPS
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_every_orientation_equals_pillow(tmp_path, kind, wrap):
    decode = wrap(decode_photo)
    shapes = set()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = saved(Image.fromarray(smooth()), kind, exif=exif)
        path = tmp_path / "photo"
        path.write_bytes(content)
        header = photo_header(path)
        assert header.orientation == orientation
        decoded = decode(tf.constant(content), tf.constant(header.orientation)).numpy()
        np.testing.assert_array_equal(decoded, read_photo(path))
        assert decoded.shape == (header.height, header.width, 3)
        shapes.add(decoded.shape)
    assert shapes == {(75, 101, 3), (101, 75, 3)}


@WRAPS
@pytest.mark.parametrize("shape", [(16, 16), (1, 256), (256, 1)])
def test_all_ids_of_a_label_map_come_back(tmp_path, shape, wrap):
    ids = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(shape)
    path = tmp_path / "mask.png"
    write_label_map(path, ids)
    decoded = wrap(decode_label_map)(tf.constant(path.read_bytes())).numpy()
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, ids)
    np.testing.assert_array_equal(decoded, read_label_map(path))


def test_a_picture_is_no_label_map(build):
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be a palette PNG"):
        decode_label_map(tf.constant(build.encoded(build.noise())))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("length", [0, 10, 300])
def test_a_part_of_a_photo_is_an_error(build, kind, length):
    content = build.encoded(build.noise(), kind)
    assert len(content) > length
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_photo(tf.constant(content[:length]))


@pytest.mark.real
def test_real_photos_and_masks_equal_pillow(real):
    folder = real / "voc_animals"
    for path in sorted((folder / "images").glob("*.jpg"))[::100]:
        decoded = decode_photo(tf.io.read_file(str(path)), photo_header(path).orientation)
        np.testing.assert_array_equal(decoded.numpy(), read_photo(path))
        mask = folder / "masks" / f"{path.stem}.png"
        ids = decode_label_map(tf.io.read_file(str(mask)))
        np.testing.assert_array_equal(ids.numpy(), read_label_map(mask))

"""Photos of every kind in a bundle's prediction: modes, orientations, sizes, and bombs."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from wsss_tf.images import read_label_map, read_photo
from wsss_tf.serving import Segmenter, predict_files


@pytest.fixture
def predicted(bundle, tmp_path):
    """Predicts one file; returns its row of the manifest and its mask, if any."""

    def predict(path):
        out = tmp_path / "out"
        (outcome,) = predict_files(Segmenter(bundle), [path], out)
        mask = out / f"{path.stem}.png"
        return outcome.row, read_label_map(mask) if mask.exists() else None

    return predict


def cmyk(path, rgb):
    Image.fromarray(rgb).convert("CMYK").save(path.with_suffix(".jpg"), quality=95)
    return path.with_suffix(".jpg")


def saver(change, suffix=".png", **options):
    def save(path, rgb):
        changed = change(rgb)
        image = changed if isinstance(changed, Image.Image) else Image.fromarray(changed)
        image.save(path.with_suffix(suffix), **options)
        return path.with_suffix(suffix)

    return save


def grey16(rgb):
    return (rgb[..., 0].astype(np.uint16) << 8) + 7


def with_alpha(rgb):
    return np.dstack([rgb, rgb[..., 1]])


def animated(path, rgb):
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
    return path.with_suffix(".gif")


KINDS = {
    "RGB": saver(lambda rgb: rgb),
    "CMYK": cmyk,
    "16-bit grey": saver(grey16),
    "grey": saver(lambda rgb: rgb[..., 0]),
    "one bit": saver(lambda rgb: rgb[..., 0] > 127),
    "RGBA": saver(with_alpha),
    "grey and alpha": saver(lambda rgb: np.ascontiguousarray(rgb[..., :2])),
    "palette": saver(lambda rgb: Image.fromarray(rgb).quantize(64)),
    "animated": animated,
    "WebP": saver(lambda rgb: rgb, ".webp", lossless=True),
}


@pytest.mark.parametrize("save", KINDS.values(), ids=KINDS)
def test_every_kind_of_photo_is_labelled_as_it_is_decoded(tiny, predicted, tmp_path, save):
    path = save(tmp_path / "photo", tiny.noise(20, 30))
    row, mask = predicted(path)
    assert row["status"] == "ok", row
    np.testing.assert_array_equal(mask, tiny.expected(read_photo(path)))
    assert (row["height"], row["width"]) == (20, 30)


def test_32_bits_are_an_error_row(tiny, predicted, tmp_path):
    Image.fromarray(tiny.noise(5, 5)[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    row, mask = predicted(tmp_path / "float.tif")
    assert mask is None
    assert "must have 8 or 16 bits a channel" in row["error"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_honoured_and_undone(tiny, predicted, tmp_path, orientation, suffix):
    stored, path = tiny.noise(20, 30), tmp_path / f"photo{suffix}"
    if suffix == ".tif":
        Image.fromarray(stored).save(path, tiffinfo={0x0112: orientation})
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored).save(path, exif=exif, lossless=True)
    assert read_photo(path).shape[:2] == ((20, 30) if orientation < 5 else (30, 20))
    row, mask = predicted(path)
    np.testing.assert_array_equal(mask, tiny.expected(stored))
    assert (row["height"], row["width"]) == (20, 30)


def test_the_network_sees_a_turned_photo_upright(tiny, tmp_path):
    """By a network that does not look the same in every direction."""
    bundle = tiny.write_bundle(tmp_path / "b", model=tiny.model())
    stored, exif = tiny.noise(20, 30), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    upright = np.ascontiguousarray(np.rot90(stored, -1))
    given, turned = Segmenter(bundle)([upright, tmp_path / "turned.png"])
    np.testing.assert_array_equal(turned.labels, given.labels)
    list(predict_files(Segmenter(bundle), [tmp_path / "turned.png"], tmp_path / "out"))
    mask = read_label_map(tmp_path / "out" / "turned.png")
    np.testing.assert_array_equal(np.rot90(mask, -1), given.labels)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3)])
@pytest.mark.parametrize("options", [{}, {"tile": 64}, {"crf": True}], ids=str)
def test_the_smallest_photos(tiny, tmp_path, size, options):
    bundle = tiny.write_bundle(
        tmp_path / "b", crf=tiny.crf_model(False), model=tiny.model(), max_side=32
    )
    Image.fromarray(tiny.noise(*size)).save(tmp_path / "small.png")
    (found,) = Segmenter(bundle, **options)([tmp_path / "small.png"])
    assert found.error is None
    assert found.labels.shape == size


DAMAGES = {
    "empty": b"",
    "text": b"no photo",
    "half a PNG": None,
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_photo_is_an_error_row(tiny, predicted, tmp_path, content):
    path = tmp_path / "bad.png"
    if content is None:
        Image.fromarray(tiny.noise(40, 40)).save(path)
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    row, mask = predicted(path)
    assert (row["status"], row["sha256"], mask) == ("error", None, None)
    assert "bad.png" in row["error"]


def write_bomb(path, side):
    """A PNG of `side` x `side` black pixels of one bit, padded to 1 MB."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    compress = zlib.compressobj(9)
    rows = bytes(1 + side // 8) * 100
    data = b"".join(compress.compress(rows) for _ in range(side // 100)) + compress.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    # Noise that no decoder shows, so that the file has the size of a photo.
    padding = chunk(b"noIs", np.random.default_rng(0).bytes(950_000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + padding + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )  # fmt: skip


_BOMB = """
import json, sys
from wsss_tf.serving import Segmenter
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
segmenter = Segmenter(sys.argv[1], batch_size=2)
(first,) = segmenter([sys.argv[2]])
before = peak()
(found,) = segmenter([sys.argv[3]])
print(json.dumps([str(found.error), peak() - before]))
"""


def test_400_megapixels_are_refused_from_the_header(bundle, photos, tmp_path):
    bomb = tmp_path / "bomb.png"
    write_bomb(bomb, 20_000)
    assert 0.9e6 < bomb.stat().st_size < 1.1e6
    command = [sys.executable, "-c", _BOMB, bundle, photos / "p0.png", bomb]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    error, growth_kb = json.loads(done.stdout)
    # Pillow's own limit comes first; ours is lower for most formats.
    assert "bomb.png: is too large for Pillow. Reduce it." in error
    assert growth_kb < 50_000

"""The SavedModel's signatures: pixels, bytes of photos and the CRF, loaded from the bundle."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wsss_tf.export.image_bytes import PNG_SIGNATURE, decoded
from wsss_tf.images import read_photo, write_photo
from wsss_tf.training import Predictor

pytestmark = pytest.mark.slow  # Making the bundle takes a minute.

PIXELS = ("serving_default", "serving_default_crf")
JPEG = ("jpeg", "jpeg_crf")


@pytest.fixture(scope="module")
def signatures(bundle):
    loaded = tf.saved_model.load(str(bundle / "saved_model" / "1"))
    yield loaded.signatures
    del loaded


def photos(*shape):
    generator = np.random.default_rng(4)
    *batch, height, width = shape
    blocks = generator.integers(0, 220, (*batch, -(-height // 8), -(-width // 8), 3))
    blocks = blocks.repeat(8, -3).repeat(8, -2)[..., :height, :width, :]
    return (blocks + generator.integers(0, 36, blocks.shape)).astype(np.uint8)


def jpeg(photo, **options):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, format="JPEG", **options)
    return file.getvalue()


def masks(signature, images):
    found = signature(image_bytes=tf.constant(images))["mask_png_bytes"].numpy()
    return [np.asarray(Image.open(io.BytesIO(png))) for png in found]


def test_names_and_types(signatures):
    assert set(signatures) == {*PIXELS, *JPEG, "serving_default_crf_regions"}
    for name in PIXELS:
        (given,) = signatures[name].structured_input_signature[1].values()
        assert (given.name, given.dtype, given.shape.as_list()) == (
            "pixels", tf.uint8, [None, None, None, 3],
        )  # fmt: skip
        found = signatures[name].structured_outputs
        assert {key: value.dtype for key, value in found.items()} == {
            "labels": tf.uint8,
            "probabilities": tf.float32,
        }
    for name in JPEG:
        # Names that TensorFlow Serving's REST interface takes as base64.
        assert list(signatures[name].structured_input_signature[1]) == ["image_bytes"]
        assert list(signatures[name].structured_outputs) == ["mask_png_bytes"]


@pytest.mark.parametrize("size", [(48, 48), (1, 1), (33, 70), (24, 2100)])
def test_pixels_give_what_keras_gives(signatures, predictor, size):
    photo = photos(*size)
    found = signatures["serving_default"](pixels=photo[None])
    expected = predictor.probabilities(photo)
    np.testing.assert_allclose(found["probabilities"][0], expected, atol=1e-5)
    np.testing.assert_array_equal(found["labels"][0], predictor(photo))


def test_a_crf_gives_what_keras_gives_photo_by_photo(signatures, lively_run):
    sharp = Predictor(lively_run, crf=True)
    batch = photos(2, 40, 33)
    found = signatures["serving_default_crf"](pixels=batch)
    for index, photo in enumerate(batch):
        expected = sharp.probabilities(photo)
        np.testing.assert_allclose(found["probabilities"][index], expected, atol=1e-4)


def test_regions_of_any_grid_sway_the_crf(signatures):
    batch = photos(1, 40, 32)
    halves = np.zeros((1, 1, 40, 32), np.int32)
    halves[..., 16:] = 7
    function = signatures["serving_default_crf_regions"]
    found = function(pixels=batch, regions=halves)["probabilities"]
    smaller = function(pixels=batch, regions=halves[..., ::8, ::8])["probabilities"]
    np.testing.assert_allclose(found, smaller, atol=1e-6)
    without = signatures["serving_default_crf"](pixels=batch)["probabilities"]
    assert np.abs(found - without).max() > 1e-3


def test_jpegs_of_several_sizes_in_one_request(signatures, predictor, tmp_path):
    pictures = [photos(30, 50), photos(48, 48), photos(1, 9)]
    found = masks(signatures["jpeg"], [jpeg(picture) for picture in pictures])
    for picture, mask in zip(pictures, found, strict=True):
        (tmp_path / "photo.jpg").write_bytes(jpeg(picture))
        expected = predictor(read_photo(tmp_path / "photo.jpg"))
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, expected)


def test_masks_are_grey_and_without_a_palette(signatures):
    png = signatures["jpeg"](image_bytes=[jpeg(photos(20, 20))])["mask_png_bytes"].numpy()[0]
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "L")


def test_the_crf_after_a_jpeg_is_that_of_pixels(signatures, tmp_path):
    write_photo(tmp_path / "photo.jpg", photos(40, 33))
    pixels = read_photo(tmp_path / "photo.jpg")
    (mask,) = masks(signatures["jpeg_crf"], [(tmp_path / "photo.jpg").read_bytes()])
    expected = signatures["serving_default_crf"](pixels=pixels[None])["labels"]
    np.testing.assert_array_equal(mask, expected[0])


def test_grey_jpegs_are_taken(signatures, predictor):
    grey = photos(24, 40)[..., 0]
    (mask,) = masks(signatures["jpeg"], [jpeg(grey)])
    assert mask.shape == (24, 40)


def test_orientation_is_not_applied(signatures):
    exif = Image.Exif()
    exif[0x0112] = 6
    (mask,) = masks(signatures["jpeg"], [jpeg(photos(24, 40), exif=exif)])
    assert mask.shape == (24, 40)


def png(photo, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(photo).convert(mode).save(file, format="PNG", **options)
    return file.getvalue()


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def interlaced_png(photo):
    """Adam7, which Pillow reads but does not write."""
    rows = b""
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    for row, column, down, across in starts:
        part = photo[row::down, column::across]
        rows += b"".join(b"\0" + line.tobytes() for line in part if part.size)
    header = struct.pack(">IIBBBBB", photo.shape[1], photo.shape[0], 8, 2, 0, 0, 1)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"".join([PNG_SIGNATURE, *chunks])


def with_gamma(photo):
    plain = png(photo)
    return plain[:33] + chunk(b"gAMA", struct.pack(">I", 100_000)) + plain[33:]


PNGS = {
    "plain": png,
    "a transparent colour": lambda photo: png(photo, transparency=(1, 2, 3)),
    "gamma": with_gamma,
    "interlaced": interlaced_png,
}


@pytest.mark.parametrize("encode", PNGS.values(), ids=PNGS)
@pytest.mark.parametrize("size", [(37, 53), (1, 1), (3, 2)])
def test_a_png_is_decoded_exactly(encode, size):
    photo = photos(*size)
    encoded = encode(photo)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")), photo)
    np.testing.assert_array_equal(decode_in_graph(encoded), photo)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def decode_in_graph(image):
    return decoded(image, 10**8)


def test_pngs_and_jpegs_in_one_request(signatures, predictor):
    pictures = [photos(30, 50), photos(1, 9), photos(48, 48)]
    images = [png(pictures[0]), png(pictures[1]), jpeg(pictures[2])]
    found = masks(signatures["jpeg"], images)
    for picture, mask in zip(pictures[:2], found, strict=False):
        np.testing.assert_array_equal(mask, predictor(picture))
    (alone,) = masks(signatures["jpeg"], images[2:])
    np.testing.assert_array_equal(found[2], alone)


def test_the_crf_after_a_png_is_that_of_pixels(signatures):
    photo = photos(40, 33)
    (mask,) = masks(signatures["jpeg_crf"], [png(photo)])
    expected = signatures["serving_default_crf"](pixels=photo[None])["labels"]
    np.testing.assert_array_equal(mask, expected[0])


SMALL = photos(8, 8)
BAD = {
    "empty": (b"", "Invalid JPEG data"),
    "no image": (b"photo, please", "Invalid JPEG data"),
    "JPEG cut short": (jpeg(photos(200, 200))[:2000], "Invalid JPEG data"),
    "a PNG's signature alone": (png(SMALL)[:8], "A PNG must have 8 bits"),
    "PNG cut in its header": (png(SMALL)[:20], "A PNG must have 8 bits"),
    "PNG cut after its header": (png(SMALL)[:33], "Invalid PNG"),
    "PNG cut short": (png(photos(200, 200))[:2000], "Invalid PNG"),
    "a header of another width": (png(SMALL)[:19] + b"\7" + png(SMALL)[20:], "Invalid PNG"),
    "no pixels": (png(SMALL)[:16] + bytes(4) + png(SMALL)[20:], "Invalid PNG"),
    "grey": (png(SMALL, "L"), r"A PNG must have 8 bits.*\[8\] \[0\]"),
    "alpha": (png(SMALL, "RGBA"), r"A PNG must have 8 bits.*\[8\] \[6\]"),
    "a palette": (png(SMALL, "P"), r"A PNG must have 8 bits.*\[8\] \[3\]"),
    "16 bits": (png(SMALL[..., 0], "I;16"), r"A PNG must have 8 bits.*\[16\] \[0\]"),
    "1 bit": (png(SMALL, "1"), r"A PNG must have 8 bits.*\[1\] \[0\]"),
}


@pytest.mark.parametrize(("image", "message"), BAD.values(), ids=BAD)
def test_what_is_no_photo_of_these_kinds_fails(signatures, image, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        masks(signatures["jpeg"], [image])


def test_a_jpeg_with_too_many_pixels_is_refused_from_its_header(signatures):
    whole = jpeg(np.zeros((8, 8, 3), np.uint8))
    # Height and width of the frame header say 60,000 x 60,000: 10 GB if anybody decoded it.
    start = whole.index(b"\xff\xc0") + 5
    huge = whole[:start] + (60_000).to_bytes(2, "big") * 2 + whole[start + 4 :]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 100000000 pixels"):
        masks(signatures["jpeg"], [huge])


@pytest.mark.parametrize("side", [20_000, 2**31 - 1, 2**32 - 1])
def test_a_png_with_too_many_pixels_is_refused_from_its_header(signatures, side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    huge = PNG_SIGNATURE + chunk(b"IHDR", header) + png(SMALL)[33:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 100000000 pixels"):
        masks(signatures["jpeg"], [huge])


def test_no_photo_gives_no_mask(signatures):
    empty = tf.constant([], tf.string)
    assert signatures["jpeg"](image_bytes=empty)["mask_png_bytes"].shape == (0,)

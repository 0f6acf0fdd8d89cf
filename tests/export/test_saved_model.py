"""The SavedModel's signatures: pixels, JPEG bytes and the CRF, loaded from the bundle."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

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


def png(photo):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, format="PNG")
    return file.getvalue()


BAD = {
    "empty": b"",
    "no image": b"photo, please",
    "PNG": png(photos(8, 8)),
    "cut short": jpeg(photos(200, 200))[:2000],
}


@pytest.mark.parametrize("image", BAD.values(), ids=BAD)
def test_what_is_no_whole_jpeg_fails(signatures, image):
    with pytest.raises(tf.errors.InvalidArgumentError):
        masks(signatures["jpeg"], [image])


def test_a_jpeg_with_too_many_pixels_is_refused_from_its_header(signatures):
    whole = jpeg(np.zeros((8, 8, 3), np.uint8))
    # Height and width of the frame header say 60,000 x 60,000: 10 GB if anybody decoded it.
    start = whole.index(b"\xff\xc0") + 5
    huge = whole[:start] + (60_000).to_bytes(2, "big") * 2 + whole[start + 4 :]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 100000000 pixels"):
        masks(signatures["jpeg"], [huge])


def test_no_photo_gives_no_mask(signatures):
    empty = tf.constant([], tf.string)
    assert signatures["jpeg"](image_bytes=empty)["mask_png_bytes"].shape == (0,)

"""A photo from its bytes inside a served graph: a JPEG, or an 8-bit RGB PNG.

The header alone decides whether a photo is decoded at all: 1 MB of PNG can hold 400 megapixels.
"""

from __future__ import annotations

import tensorflow as tf

from wsss_tf.data.decode import decode_photo

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_END = 29
"""Bytes of a PNG up to the last field of its first chunk: signature, length, IHDR, 13 bytes."""
_RGB = 2


def decoded(image: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Decodes one photo as `images.read_photo` does, but for its EXIF orientation.

    Grey JPEGs become RGB. Other PNGs than those of 8 bits a channel and colour type RGB are
    refused: what alpha, 16 bits or a palette should become is for the sender to say.

    Args:
        image: string [], the bytes of the file.
        max_pixels: by the header; a larger photo is refused before it is decoded.

    Returns:
        uint8 [H, W, 3].

    Raises:
        tf.errors.InvalidArgumentError: when run, for a photo that is refused or not whole.
    """
    start = tf.strings.substr(image, 0, _IHDR_END)
    # A file that ends before goes on with zeros, which no header may hold.
    header = tf.io.decode_raw(
        tf.strings.substr(tf.strings.join([start, bytes(_IHDR_END)]), 0, _IHDR_END), tf.uint8
    )
    is_png = tf.reduce_all(header[: len(PNG_SIGNATURE)] == list(PNG_SIGNATURE))
    pixels = tf.cond(is_png, lambda: _png_pixels(header), lambda: _jpeg_pixels(image))
    message = f"A photo must have at most {max_pixels} pixels. Received: more. Reduce it."
    check = tf.debugging.Assert(pixels <= max_pixels, [message, pixels])
    with tf.control_dependencies([check]):
        return tf.ensure_shape(decode_photo(tf.identity(image)), [None, None, 3])


def _jpeg_pixels(image: tf.Tensor) -> tf.Tensor:
    """int64 [], height times width; it fails for what is no JPEG."""
    return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(image)[:2], tf.int64))


def _png_pixels(header: tf.Tensor) -> tf.Tensor:
    """int64 [], height times width; it fails for another PNG than 8-bit RGB.

    A side may say up to 2**32 - 1, and two of those overflow an int64: each is cut at 2**31, the
    PNG standard's own limit, above which the decoder refuses it anyway.
    """
    bits, colour = header[24], header[25]
    message = (
        "A PNG must have 8 bits a channel and be RGB (colour type 2), without alpha or palette. "
        "Received: bits and colour type"
    )
    check = tf.debugging.Assert((bits == 8) & (colour == _RGB), [message, bits, colour])
    with tf.control_dependencies([check]):
        sides = tf.cast(tf.reshape(header[16:24], [2, 4]), tf.int64)
    lengths = tf.reduce_sum(sides * [1 << 24, 1 << 16, 1 << 8, 1], axis=1)
    return tf.reduce_prod(tf.minimum(lengths, 1 << 31))

"""Photos and label maps from bytes in TensorFlow operations, bit for bit as `wsss_tf.images`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from wsss_tf.labels import palette


def decode_photo(contents: tf.Tensor, orientation: tf.Tensor | int = 1) -> tf.Tensor:
    """Decodes a JPEG or PNG photo to uint8 [H, W, 3] RGB, turned as its EXIF orientation asks.

    Grey becomes RGB, alpha is dropped, 16 bits become the high byte; a CMYK JPEG may differ from
    Pillow's RGB and is refused when a data set is opened.

    Args:
        contents: string [], the bytes of the file.
        orientation: int [], 1..8; TensorFlow does not read EXIF.

    Raises:
        tf.errors.InvalidArgumentError: not a whole image; it cannot name the file.
    """
    # decode_jpeg takes PNG too; the default DCT is not the one of Pillow.
    stored = tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")
    return apply_orientation(stored, orientation)


def apply_orientation(stored: tf.Tensor, orientation: tf.Tensor | int) -> tf.Tensor:
    """Turns [H, W, C] as stored into how it is displayed, for an EXIF orientation of 1..8."""

    def turned() -> tf.Tensor:
        transposed = tf.cond(
            orientation >= 5, lambda: tf.transpose(stored, [1, 0, 2]), lambda: stored
        )
        # 5 is the transposition alone; 6, 7 and 8 mirror it in x, in both and in y.
        across = tf.reduce_any(tf.equal(orientation, [2, 3, 6, 7]))
        down = tf.reduce_any(tf.equal(orientation, [3, 4, 7, 8]))
        mirrored = tf.cond(across, lambda: tf.reverse(transposed, [1]), lambda: transposed)
        return tf.cond(down, lambda: tf.reverse(mirrored, [0]), lambda: mirrored)

    orientation = tf.convert_to_tensor(orientation)
    return tf.cond(tf.equal(orientation, 1), lambda: stored, turned)


def decode_label_map(contents: tf.Tensor) -> tf.Tensor:
    """Decodes a palette PNG of `images.write_label_map` to its ids, uint8 [H, W].

    Raises:
        tf.errors.InvalidArgumentError: not a PNG, or a colour that is not in the palette.
    """
    return ids_from_colours(tf.io.decode_png(contents, channels=3))


def ids_from_colours(colours: tf.Tensor) -> tf.Tensor:
    """Inverts `labels.palette`: uint8 [..., 3] RGB -> uint8 [...] ids, exact for all 256.

    Raises:
        tf.errors.InvalidArgumentError: a colour is not in the palette.
    """
    channels = tf.unstack(tf.cast(colours, tf.int32), axis=-1)
    parts = [tf.gather(table, channel) for table, channel in zip(_id_bits(), channels, strict=True)]
    ids = tf.bitwise.bitwise_or(tf.bitwise.bitwise_or(parts[0], parts[1]), parts[2])
    known = tf.reduce_all(tf.gather(palette(), tf.cast(ids, tf.int32)) == colours)
    message = "A label map must be a palette PNG with the colours of wsss_tf.labels.palette()."
    with tf.control_dependencies([tf.debugging.Assert(known, [message])]):
        return tf.identity(ids)


def _id_bits() -> np.ndarray:
    """uint8 [3, 256]: the bits of an id that each value of red, green and blue stands for."""
    values = np.arange(256)
    tables = np.zeros((3, 256), np.uint8)
    for bit in range(8):
        level, channel = divmod(bit, 3)
        tables[channel] |= (((values >> (7 - level)) & 1) << bit).astype(np.uint8)
    return tables

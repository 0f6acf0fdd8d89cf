"""Photos, label maps and other pictures, in and out of files."""

from wsss_tf.images.decoding import (
    MAX_PIXELS,
    PhotoHeader,
    as_displayed,
    as_stored,
    photo_header,
    read_label_map,
    read_note,
    read_photo,
)
from wsss_tf.images.encoded import label_map_from_png, photo_png
from wsss_tf.images.listing import PHOTO_SUFFIXES, list_photos
from wsss_tf.images.writing import (
    enlarged,
    overlay,
    region_edges,
    write_grey,
    write_label_map,
    write_photo,
)

__all__ = [
    "MAX_PIXELS",
    "PHOTO_SUFFIXES",
    "PhotoHeader",
    "as_displayed",
    "as_stored",
    "enlarged",
    "label_map_from_png",
    "list_photos",
    "overlay",
    "photo_header",
    "photo_png",
    "read_label_map",
    "read_note",
    "read_photo",
    "region_edges",
    "write_grey",
    "write_label_map",
    "write_photo",
]

"""Users' own folders: what one is, and the recipe to train on it."""

from wsss_tf.data.own.layouts import Layout, guess_splits, read_layout

__all__ = ["Layout", "guess_splits", "read_layout"]

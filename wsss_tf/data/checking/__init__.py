"""Checks a data set before it is trained on; opens masks, which training never does."""

from wsss_tf.data.checking.check import Check, CheckOptions, check_folder
from wsss_tf.data.checking.page import write_page
from wsss_tf.data.checking.summary import summary
from wsss_tf.data.checking.text import check_text

__all__ = ["Check", "CheckOptions", "check_folder", "check_text", "summary", "write_page"]

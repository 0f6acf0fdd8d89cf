"""How fast, how large and how faithful the forms of a bundle are on this machine.

    cases, forms -> workers, one process for each form in each case -> rows -> a table

A worker loads one form, answers one timed call at a time and is gone: its peak memory is that
form's. The workers of one case take turns, so that a busy machine slows all alike.
"""

from wsss_tf.serving.benchmark.cases import Case, Form
from wsss_tf.serving.benchmark.photos import chosen, write_arrays
from wsss_tf.serving.benchmark.plan import Plan
from wsss_tf.serving.benchmark.report import Report
from wsss_tf.serving.benchmark.settings import Settings
from wsss_tf.serving.benchmark.timing import Benchmark

__all__ = [
    "Benchmark",
    "Case",
    "Form",
    "Plan",
    "Report",
    "Settings",
    "chosen",
    "write_arrays",
]

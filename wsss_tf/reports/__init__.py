"""Tables, figures and the demo."""

from wsss_tf.reports.demo import run_demo
from wsss_tf.reports.method_sheet import mask_sheet, method_sheet

__all__ = ["mask_sheet", "method_sheet", "run_demo"]

"""Tables, figures, the ablation and the demo."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsss_tf.reports.ablation.running import run_ablation
    from wsss_tf.reports.demo import run_demo
    from wsss_tf.reports.method_sheet import mask_sheet

__all__ = ["mask_sheet", "run_ablation", "run_demo"]

_MODULES = {
    "mask_sheet": "method_sheet",
    "run_ablation": "ablation.running",
    "run_demo": "demo",
}


def __getattr__(name: str) -> Any:
    # Names of set-ups and of published figures must not wait for TensorFlow.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"wsss_tf.reports.{_MODULES[name]}"), name)

"""The methods that the CRF's benchmark compares, each a function from a case to its marginals."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from crf_cases import Case
from exact_mean_field import Kernels
from reporting import memory_kb

from wsss_tf.crf import DenseCRF

Run = Callable[[], np.ndarray]
ITERATIONS = 10
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def prepared(name: str, case: Case) -> Run:
    """A function that refines `case` by the method `name`, "pydensecrf" or a mode of `DenseCRF`.

    A mode followed by "+regions" takes the case's regions too. What is done once for any number of
    photos, such as tracing, is done before or in the first call.
    """
    if name == "pydensecrf":
        return lambda: pydensecrf(case)
    mode, _, more = name.partition("+")
    tensors = [tf.constant(case.photo), tf.constant(case.unary)]
    if more:
        tensors.append(tf.constant(case.regions))
    function = _traced(mode, case.kernels, len(tensors))
    return lambda: function(*tensors).numpy()


def pydensecrf(case: Case) -> np.ndarray:
    """Kraehenbuehl's C++ code, as its wrapper `pydensecrf2` calls it."""
    from pydensecrf import densecrf  # Not a dependency: only those who compare with it need it.

    height, width, labels = case.unary.shape
    kernels = case.kernels
    crf = densecrf.DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(np.ascontiguousarray(case.unary.reshape(-1, labels).T))
    crf.addPairwiseGaussian(sxy=kernels.spatial_sigma, compat=kernels.spatial_weight)
    crf.addPairwiseBilateral(
        sxy=kernels.bilateral_sigma,
        srgb=kernels.color_sigma,
        rgbim=np.array(case.photo),  # It refuses an array that may not be written.
        compat=kernels.bilateral_weight,
    )
    return np.array(crf.inference(ITERATIONS)).T.reshape(height, width, labels)


_functions: dict[tuple[str, Kernels, int], Callable[..., tf.Tensor]] = {}


def _traced(mode: str, kernels: Kernels, inputs: int) -> Callable[..., tf.Tensor]:
    """One trace serves every size and number of labels."""
    key = (mode, kernels, inputs)
    if key not in _functions:
        crf = DenseCRF(**dataclasses.asdict(kernels), iterations=ITERATIONS, mode=mode)
        signature = (
            tf.TensorSpec([None, None, 3], tf.uint8),
            tf.TensorSpec([None, None, None], tf.float32),
            tf.TensorSpec([None, None, None], tf.int32),
        )
        _functions[key] = tf.function(
            lambda *tensors: crf(*tensors), input_signature=signature[:inputs]
        )
    return _functions[key]


def measured(
    case: Case, names: Sequence[str], repeats: int, clock: str
) -> dict[str, tuple[float, np.ndarray]]:
    """Median seconds and marginals of every method, run in turn after one call each to warm up.

    `clock` is a key of `CLOCKS`.
    """
    now = CLOCKS[clock]
    runs = {name: prepared(name, case) for name in names}
    results = {name: run() for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = now()
            run()
            seconds[name].append(now() - start)
    return {name: (statistics.median(seconds[name]), results[name]) for name in runs}


def peak_mb(name: str, case_of: Callable[[], Case]) -> int:
    """Megabytes by which two calls raise this process above what it held once it had imported.

    The case is made after the first reading: its arrays count.
    """
    before = memory_kb("VmRSS")
    run = prepared(name, case_of())
    run()
    run()
    return (memory_kb("VmHWM") - before) // 1024

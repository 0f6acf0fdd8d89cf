"""Energies of single pixels, from the probabilities of their labels."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

FORMS = ("log", "softmax")


def unary_energies(probabilities: Any, *, form: str = "log", floor: float = 1e-5) -> tf.Tensor:
    """What it costs each pixel to take each label: lower is likelier.

    "log" is -log P, whose softmax(-U) is P again, so the CRF starts from P. A probability below
    `floor` counts as `floor`: P = 0 costs 11.5 by default, which is dear but less than what the two
    Gaussian kernels of weights 3 and 10 can add up to, so a pixel that a prior left out altogether
    can still follow its neighbours. Without a floor one such pixel would be infinitely certain.

    "softmax" is -log softmax(P), Eq. 7 as printed. P is then used as a score, not as a probability:
    two labels of a pixel never differ by more than 1. The softmax of these energies is not P, which
    the region term needs (Eq. 8): give it P separately.

    Args:
        probabilities: float [..., L], P in [0, 1], of any size and number of labels.
        form: "log" or "softmax".
        floor: in (0, 1), for "log". The gradient is 0 below it.

    Returns:
        float32 [..., L], energies of at least 0.

    Raises:
        ValueError: for an unknown form or a floor out of range.

    Source: Saleh et al., TPAMI 2017, Eq. 7; "log" is the custom of the field.
    """
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {', '.join(FORMS)}. Received: form={form!r}.")
    if not 0 < floor < 1:
        raise ValueError(f"`floor` must be between 0 and 1. Received: floor={floor}.")
    probabilities = tf.cast(probabilities, tf.float32)
    if form == "softmax":
        return -tf.nn.log_softmax(probabilities)
    return -tf.math.log(tf.maximum(probabilities, floor))

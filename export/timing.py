"""A bundle's SavedModel as `wsss-tf benchmark` times it, in a process of its own.

The signature for pixels is run as TensorFlow Serving runs it: labels and probabilities are both
computed. Nothing of this package is loaded beside it, so that the memory is the form's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from wsss_tf.errors import WsssError

# Those of `saved_model`, which would load the networks.
_PIXELS, _CRF = "serving_default", "_crf"

Run = Callable[[Sequence[NDArray[np.uint8]]], Sequence[NDArray[np.uint8]]]
"""Photos uint8 [H, W, 3] of one size -> label maps uint8 [H, W]."""


def saved_model(options: dict[str, Any]) -> Run:
    """Loads a SavedModel whose digests were checked.

    Args:
        options: `folder` of it; `provider`, "cpu" or "cuda"; `threads` of an operator on the CPU;
            `crf`, whether the pairwise CRF is run.

    Raises:
        WsssError: there is no GPU for "cuda", or no signature with a CRF.
    """
    _use(options["provider"], options["threads"])
    name = _PIXELS + _CRF * options["crf"]
    loaded = tf.saved_model.load(options["folder"])
    if name not in loaded.signatures:
        raise WsssError(
            f"{options['folder']}: must have the signature {name}. Received: "
            f"{', '.join(sorted(loaded.signatures))}. Export it with a CRF."
        )

    def run(photos: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.uint8]]:
        # From `loaded` each time: a signature alone does not keep the weights alive.
        found = loaded.signatures[name](pixels=tf.constant(np.stack(photos)))
        return list(found["labels"].numpy())

    return run


def _use(provider: str, threads: int) -> None:
    """This process's device and threads; TensorFlow takes them before it does anything else."""
    gpus = tf.config.list_physical_devices("GPU")
    if provider == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif not gpus:
        raise WsssError(
            f"TensorFlow {tf.__version__} sees no GPU here; `wsss-tf doctor` shows its devices."
        )
    for gpu in gpus if provider != "cpu" else ():
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

"""The forms that a worker can load without TensorFlow, each as one function from photos to labels.

A loader is called in a process of its own. What it returns is what is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss_tf.images import enlarged
from wsss_tf.serving.bundle import open_bundle
from wsss_tf.serving.network import Network
from wsss_tf.serving.refining import Refiner
from wsss_tf.serving.resizing import labels_at, reduced

_PATIENCE_S = 5.0

Labels = NDArray[np.uint8]
Run = Callable[[Sequence[NDArray[np.uint8]]], Sequence[Labels]]
"""Photos uint8 [H, W, 3] of one size -> label maps uint8 [H, W]."""


def onnx(options: dict[str, Any]) -> Run:
    """The network of a bundle in onnxruntime, and its CRF.

    It does what `Segmenter` does with a batch, in one thread. `Segmenter` itself would run a batch
    that fails photo by photo, and no one could tell from its time.

    Args:
        options: `bundle`, `precision`, `provider`, `threads`, `crf` and `regions`, as `Segmenter`
            takes them.
    """
    bundle = open_bundle(options["bundle"])
    device = {"provider": options["provider"], "threads": options["threads"]}
    network = Network(bundle, precision=options["precision"], **device)
    refiner = Refiner(bundle, regions=options["regions"], **device) if options["crf"] else None
    contract = bundle.contract
    largest = contract.input.max_side if refiner else contract.whole_side

    def run(photos: Sequence[NDArray[np.uint8]]) -> Sequence[Labels]:
        size = photos[0].shape[:2]
        small = photos
        if max(size) > largest:
            small = [reduced(photo, contract.reduced_side) for photo in photos]
        batch = np.stack(small)
        if refiner:
            found = network(batch, probabilities=True)
            pairs = zip(photos, found, strict=True)
            return [enlarged(refiner(refiner.given(photo), one), size) for photo, one in pairs]
        if batch.shape[1:3] == size:
            return list(network(batch, probabilities=False))
        return [labels_at(one, size) for one in network(batch, probabilities=True)]

    return run


def server(options: dict[str, Any]) -> Run:
    """A running TensorFlow Serving, the way to it and back included.

    The photos of a batch are sent at once, in as many requests: the server may batch them.

    Args:
        options: `url` and `crf`, as `Client` takes them, and `batch`.

    Raises:
        ServerError: it cannot segment photos now.
    """
    from wsss_tf.serving.client import Client

    client = Client(options["url"], crf=options["crf"])
    client.wait(_PATIENCE_S)
    senders = ThreadPoolExecutor(options["batch"])
    return lambda photos: list(senders.map(client, photos))

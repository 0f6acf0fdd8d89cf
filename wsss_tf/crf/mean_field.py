"""Mean-field inference in a dense CRF, over any number of pairwise terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

Message = Callable[[tf.Tensor], tf.Tensor]
"""From Q, float32 [N, L], to float32 [N, L], added to the logits."""

RegionMessage = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""The same, told the share of the iterations that the update completes, in (0, 1]."""


def potts(messages: tf.Tensor) -> tf.Tensor:
    """The Potts compatibility: a label is supported by the pixels that carry the same one."""
    return messages


def mean_field(
    unary: tf.Tensor,
    pairwise: Sequence[Message],
    *,
    first: int,
    last: int,
    of: int,
    start: tf.Tensor | None = None,
    region_message: RegionMessage | None = None,
) -> tf.Tensor:
    """Marginals after a number of parallel mean-field updates.

        Q_i = softmax(-U_i + compatibility(sum_k message_k(Q)_i) + region_message(Q)_i)

    Args:
        unary: float32 [N, L], energies U.
        pairwise: one function of Q for each kernel; its message is weighted and normalised.
        first, last: numbers of the updates to make, counted from 1.
        of: how many there are in all.
        start: float32 [N, L], Q to start from; None is softmax(-U).
        region_message: of the region term, None without one.

    Returns:
        float32 [N, L], Q: it sums to 1 over labels.

    Source: Krähenbühl and Koltun, NIPS 2011, Algorithm 1.
    """

    def step(number: tf.Tensor, q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        messages = [message(q) for message in pairwise]
        regions = None if region_message is None else region_message(q, number / of)
        return number + 1, update(unary, messages, regions)

    q = tf.nn.softmax(-unary) if start is None else start
    return tf.while_loop(lambda number, q: number <= last, step, (tf.constant(first), q))[1]


def update(
    unary: tf.Tensor, messages: Sequence[tf.Tensor], region_message: tf.Tensor | None = None
) -> tf.Tensor:
    """One update of Q from the messages of the kernels and of the regions, all [N, L]."""
    logits = -unary
    if messages:
        logits += potts(tf.add_n(messages))
    if region_message is not None:
        logits += region_message
    return tf.nn.softmax(logits)

"""SGD as Caffe does it: an L2 gradient that passes through momentum, rates that fall in steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras
from keras import ops


def sgd(
    *, learning_rates: Sequence[float], boundaries: Sequence[int], momentum: float
) -> keras.optimizers.SGD:
    """SGD whose rate is `learning_rates[i]` until step `boundaries[i]`.

    Args:
        learning_rates: one more than `boundaries`.
        boundaries: ascending steps; the paper: 1e-4 for 40,000 steps, then 1e-5 for 20,000.
        momentum: 0.9 in the paper.

    Source: Saleh et al., TPAMI 2017, section 4.2.1.
    """
    if len(learning_rates) != len(boundaries) + 1:
        raise ValueError(
            "`learning_rates` must have one more entry than `boundaries`. "
            f"Received: {len(learning_rates)} and {len(boundaries)}."
        )
    # `PiecewiseConstantDecay` keeps a value through its boundary; steps count from 0 here.
    last_steps = [boundary - 1 for boundary in boundaries]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(last_steps, list(learning_rates))
    rate = schedule if last_steps else learning_rates[0]
    return keras.optimizers.SGD(rate, momentum=momentum, name="sgd")


def freeze_blocks(model: keras.Model, blocks: int) -> None:
    """Makes `block1_*` .. `block{blocks}_*` constant; 0 freezes nothing."""
    prefixes = tuple(f"block{i}_" for i in range(1, blocks + 1))
    for layer in model.layers:
        if layer.name.startswith(prefixes):
            layer.trainable = False


class CaffeGradients:
    """Turns plain gradients into Caffe's: weight decay on kernels, a rate factor for new layers.

    Caffe's decay is an L2 gradient, added before momentum (unlike `SGD(weight_decay=)`); biases
    have none. A layer's rate factor scales its whole update, which for SGD is its gradient.

    Args:
        model: its trainable variables, in order.
        weight_decay: coefficient of the L2 gradient, 5e-4 in the paper.
        new_layers: names of layers that start at random.
        new_layer_rate: learning-rate factor of these layers.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        weight_decay: float,
        new_layers: Collection[str] = (),
        new_layer_rate: float = 1.0,
    ):
        self.variables = model.trainable_variables
        self._decays = []
        self._factors = []
        for variable in self.variables:
            layer, kind = variable.path.split("/")[-2:]
            self._decays.append(weight_decay if kind == "kernel" else 0.0)
            self._factors.append(new_layer_rate if layer in new_layers else 1.0)

    def __call__(self, gradients: Sequence[Any]) -> list[Any]:
        """Gradients in the order of `self.variables` -> the gradients to apply."""
        parts = zip(gradients, self.variables, self._decays, self._factors, strict=True)
        return [_updated(*part) for part in parts]


def _updated(gradient: Any, variable: Any, decay: float, factor: float) -> Any:
    # Each of these is a pass over tens of millions of weights; most layers need only the first.
    if decay:
        gradient = gradient + decay * ops.convert_to_tensor(variable)
    return gradient if factor == 1.0 else factor * gradient


def global_norm(gradients: Sequence[Any]) -> Any:
    """sqrt of the sum of all squares, float []; not finite as soon as one gradient is not."""
    flat = [ops.reshape(gradient, [-1]) for gradient in gradients]
    return ops.sqrt(sum(ops.dot(values, values) for values in flat))  # No copy of the squares.

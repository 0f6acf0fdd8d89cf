"""VGG-16 with batch normalisation for training, and its exact conversion to plain VGG-16.

At an eighth of its width VGG-16 hardly starts to learn without normalisation. After training each
normalisation is an affine map of a convolution's output, and becomes part of its kernel and bias.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from wsss_tf.nets.vgg import BLOCKS, CaffePreprocessing, convolution_names, photo_input, scaled

# Brings the preprocessed photo to about unit range, where Adam and He's start work.
_INPUT_SCALE = 1 / 64
# Least and greatest factor of a channel: none is lost, none rules.
_CONTRAST = (0.3, 3.0)
_NAMES = [name for block in range(1, 6) for name in convolution_names(block)]


def training_network(num_tags: int, *, width: float, seed: int = 0) -> keras.Model:
    """VGG-16 with batch normalisation, a score per class and cell, and their soft maximum.

    Pooling scores rather than features makes each cell answer for itself: block 5, whose field of
    view is wider than a small photo, then stays local.

    Args:
        num_tags: K.
        width: multiplier of the channels, in (0, 1].
        seed: of the random start.

    Returns:
        A model, photo [B, H, W, 3] RGB 0..255 -> logits [B, K]. The layer "block{i}_conv{j}" is
        the activation after the normalisation.
    """
    photo = photo_input()
    x = CaffePreprocessing(name="preprocessing")(photo)
    x = keras.layers.Rescaling(_INPUT_SCALE)(x)
    layer_seed = 1000 * seed
    for block, (channels, _) in enumerate(BLOCKS, start=1):
        for name in convolution_names(block):
            layer_seed += 1
            x = _normalised(x, scaled(channels, width), name=name, seed=layer_seed)
        if block < len(BLOCKS):
            x = keras.layers.MaxPooling2D(2, padding="same")(x)
    start = keras.initializers.GlorotUniform(seed=1000 * seed)
    cells = keras.layers.Dense(num_tags, kernel_initializer=start, name="tags")(x)
    cells = keras.layers.Reshape((-1, num_tags))(cells)
    count = ops.logsumexp(ops.zeros_like(cells), axis=1)
    return keras.Model(photo, ops.logsumexp(cells, axis=1) - count)


def _normalised(x, channels, *, name, seed):
    start = keras.initializers.HeNormal(seed=seed)
    x = keras.layers.Conv2D(
        channels, 3, padding="same", use_bias=False, kernel_initializer=start, name=f"{name}_linear"
    )(x)
    # Runs of a few hundred steps must not end with the averages of the start.
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=name)(x)


def folded_weights(
    model: keras.Model, photos: np.ndarray, shows_object: np.ndarray
) -> dict[str, np.ndarray]:
    """Converts a `training_network` to the weights of plain VGG-16 of the same width.

    ReLU lets a positive factor pass, so each channel may be scaled if the next layer's kernel is
    divided by the same factor: what the network computes stays the same. The factors are chosen for
    what comes after.

    - Mean activations fall evenly from the photo's range to 1 at block 4 and stay there: gradient
      descent then finds all layers about equally steep, and blocks 4 and 5 weigh the same in the
      foreground prior.
    - In the last layer of blocks 4 and 5, of which the prior is the mean over channels, a channel
      counts for as much as photos with an object excite it more than photos without.

    Args:
        model: trained.
        photos: uint8 [N, H, W, 3], on which activations are measured.
        shows_object: bool [N], whether a photo has a tag; some have and some have not.

    Returns:
        `block{i}_conv{j}_kernel` (HWIO) and `_bias`, float32.
    """
    with_object, without = (_channel_means(model, photos[s]) for s in (shows_object, ~shows_object))
    weights, before = {}, np.full(3, 1 / _INPUT_SCALE)
    for layer, name in enumerate(_NAMES):
        factor = np.ones_like(with_object[name])
        if name in (convolution_names(4)[-1], convolution_names(5)[-1]):
            contrast = with_object[name] / (without[name] + 1e-3) - 1
            factor = np.clip(contrast, *_CONTRAST)
        # Ten layers from the photo's range to block 4's last one, then level.
        wanted = (1 / _INPUT_SCALE) ** max(0.0, 1 - (layer + 1) / 10)
        factor *= wanted / np.mean(with_object[name] * factor)
        norm = model.get_layer(f"{name}_norm")
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in norm.get_weights())
        slope = gamma / np.sqrt(variance + norm.epsilon)
        kernel = np.asarray(model.get_layer(f"{name}_linear").get_weights()[0], np.float64)
        kernel = kernel * slope * factor / before[:, None]
        weights[f"{name}_kernel"] = kernel.astype(np.float32)
        weights[f"{name}_bias"] = ((beta - mean * slope) * factor).astype(np.float32)
        before = factor
    return weights


def _channel_means(model: keras.Model, photos: np.ndarray) -> dict[str, np.ndarray]:
    """Mean activation of each channel of each layer, float64 [C] by the layer's name."""
    outputs = {name: ops.mean(model.get_layer(name).output, axis=(1, 2)) for name in _NAMES}
    probe = keras.Model(model.input, outputs)
    parts = [probe(photos[start : start + 50]) for start in range(0, len(photos), 50)]
    return {
        name: np.concatenate([part[name] for part in parts]).astype(np.float64).mean(0)
        for name in _NAMES
    }

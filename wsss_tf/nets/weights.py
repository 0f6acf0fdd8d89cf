"""How the networks start: from ImageNet, the packaged compact set, a file, or at random."""

from __future__ import annotations

import logging
from pathlib import Path

import keras

from wsss_tf.errors import CheckpointError
from wsss_tf.labels import LabelSpace
from wsss_tf.nets import fully_connected, vgg, weight_files
from wsss_tf.nets.application_weights import ApplicationWeights
from wsss_tf.nets.weight_files import WeightFile

COMPACT = Path(__file__).with_name("compact_vgg16.npz")
_LOGGER = logging.getLogger(__name__)
_HEAD = ("fc6", "fc7", "classifier")
_CAM_HEAD = ("cam_conv1", "cam_conv2", "tags")

Shapes = dict[str, tuple[int, ...]]


def load_backbone(model: keras.Model, weights: str | Path) -> None:
    """Gives the convolutions of VGG-16 in a model their pretrained weights.

    Args:
        model: any network built on `vgg.vgg16`; blocks that it does not have are not read.
        weights: "compact" (packaged, width 0.125), "imagenet" (downloaded by Keras), "random"
            (the model stays as it is), or a file: see `weight_files.open_weights`.

    Raises:
        CheckpointError: the weights are missing, damaged, not finite, or of another shape; the
            model is then unchanged.
        ValueError: the model has none of VGG-16's convolutions.
    """
    source = _open(model, weights, top=False)
    if source is not None:
        _assign(model, _read_backbone(model, source))


def initialise_fcn(
    model: keras.Model, weights: str | Path, *, labels: LabelSpace, seed: int = 0
) -> tuple[str, ...]:
    """Gives a new `fcn.fcn` its start: the backbone and, where the weights have it, the head.

    Args:
        model: the network; layers that find no weights keep the random start it came with.
        weights: as in `load_backbone`.
        labels: the classes of the classifier's channels, background first.
        seed: of the noise that classes without ILSVRC synsets, and the background, start from.

    Returns:
        The names of the layers that start at random. A classifier with at least one class from
        ILSVRC is not one of them, although its background is noise.

    Raises:
        CheckpointError: as in `load_backbone`.
        ValueError: `labels` does not fit the classifier.
    """
    channels = model.get_layer("classifier").filters
    if channels != labels.num_classes:
        raise ValueError(
            f"`labels` must have one class per channel of the classifier, {channels}. "
            f"Received: labels.num_classes={labels.num_classes}. Build it with "
            "fcn(labels.num_classes)."
        )
    source = _open(model, weights, top=True)
    if source is None:
        return (*_convolutions(model), *_HEAD)
    if "fc6_kernel" not in source.shapes:
        _assign(model, _read_backbone(model, source))
        return _at_random(source, _HEAD)
    fc6 = tuple(model.get_layer("fc6").kernel.shape)
    _require_kernels(source, fully_connected.full_shapes(fc6), _width(_backbone_shapes(model)))
    head = fully_connected.head_start(source, fc6, labels=labels, seed=seed)
    _assign(model, {**_read_backbone(model, source), **head})
    return () if fully_connected.synsets_of(labels) else _at_random(source, ("classifier",))


def initialise_cam(model: keras.Model, weights: str | Path) -> tuple[str, ...]:
    """Gives a new `cam.cam_network` its start; its own layers always start at random.

    Args:
        model: the network.
        weights: as in `load_backbone`; fully-connected layers are not used.

    Returns:
        The names of the layers that start at random: cam_conv1, cam_conv2 and tags, and with
        "random" all others too.

    Raises:
        CheckpointError: as in `load_backbone`.
    """
    load_backbone(model, weights)
    return (*_convolutions(model), *_CAM_HEAD) if weights == "random" else _CAM_HEAD


def take_backbone(model: keras.Model, trained: keras.Model) -> tuple[str, ...]:
    """Gives the convolutions of VGG-16 in a model the values they have in a trained network.

    Args:
        model: any network built on `vgg.vgg16`, dilated or not.
        trained: another one of the same width, with every block that `model` has.

    Returns:
        The names of these layers.

    Raises:
        ValueError: a layer is not in `trained`, or has another width there.
    """
    names = _convolutions(model)
    theirs = _backbone_shapes(trained)
    for name, shape in _backbone_shapes(model).items():
        if theirs.get(name) != shape:
            raise ValueError(
                f"`trained` must have {name} with a kernel of shape {shape}. "
                f"Received: {theirs.get(name)}. Build both with one width."
            )
    for name in names:
        for mine, given in zip(
            model.get_layer(name).weights, trained.get_layer(name).weights, strict=True
        ):
            mine.assign(given)
    return names


def _open(model: keras.Model, weights: str | Path, *, top: bool) -> WeightFile | None:
    """Opens the weights and holds the backbone's names and shapes against the model's."""
    if weights == "random":
        return None
    shapes = _backbone_shapes(model)
    if weights == "imagenet":
        if _width(shapes) != 1.0:  # Known before a download of half a gigabyte.
            raise CheckpointError(
                "backbone.weights='imagenet' are weights for width 1; the recipe says "
                f"backbone.width={_width(shapes):g}. Set backbone.width=1, or use 'compact'."
            )
        source: WeightFile = ApplicationWeights(top=top)
        weight_files.check_names(source)
    elif weights == "compact" and not COMPACT.is_file():
        raise CheckpointError(
            f"{COMPACT}: the packaged compact weights are missing. Install wsss-tf again, or set "
            "backbone.weights to 'imagenet', 'random' or a file."
        )
    else:
        source = weight_files.open_weights(COMPACT if weights == "compact" else weights)
    _require_kernels(source, shapes, _width(shapes))
    return source


def _require_kernels(source: WeightFile, kernels: Shapes, width: float) -> None:
    expected = {f"{layer}_kernel": shape for layer, shape in kernels.items()}
    expected |= {f"{layer}_bias": shape[-1:] for layer, shape in kernels.items()}
    for name, shape in expected.items():
        if name not in source.shapes:
            raise CheckpointError(
                f"{source.source}: lacks {name}, which must have shape {shape}. "
                "Give a file with every convolution of VGG-16."
            )
        if source.shapes[name] != shape:
            raise CheckpointError(
                f"{source.source}: {name} must have shape {shape}. "
                f"Received: {source.shapes[name]}. {_width_hint(source, width)}"
            )


def _width_hint(source: WeightFile, width: float) -> str:
    shapes = {name.removesuffix("_kernel"): shape for name, shape in source.shapes.items()}
    theirs = _width(shapes)
    if theirs and theirs != width:
        return f"The weights are for width {theirs:g}; the recipe says backbone.width={width:g}."
    return "The file is not VGG-16's, or its kernels are not in HWIO order."


def _width(kernels: Shapes) -> float:
    """The width multiplier that the last known convolution tells; 0 where none does."""
    for block in range(len(vgg.BLOCKS), 0, -1):
        shape = kernels.get(f"block{block}_conv1", ())
        if len(shape) == 4:
            return shape[-1] / vgg.BLOCKS[block - 1][0]
    return 0.0


def _convolutions(model: keras.Model) -> tuple[str, ...]:
    present = {layer.name for layer in model.layers}
    names = (n for block in range(1, len(vgg.BLOCKS) + 1) for n in vgg.convolution_names(block))
    return tuple(name for name in names if name in present)


def _backbone_shapes(model: keras.Model) -> Shapes:
    names = _convolutions(model)
    if not names:
        raise ValueError(
            "`model` must hold convolutions of VGG-16, block1_conv1 and so on. "
            f"Received: a model named {model.name!r} with none. Build it with wsss_tf.nets."
        )
    return {name: tuple(model.get_layer(name).kernel.shape) for name in names}


def _read_backbone(model: keras.Model, source: WeightFile) -> fully_connected.Parameters:
    return {
        f"{layer}_{part}": source.read(f"{layer}_{part}")
        for layer in _convolutions(model)
        for part in ("kernel", "bias")
    }


def _assign(model: keras.Model, arrays: fully_connected.Parameters) -> None:
    for name, array in arrays.items():
        layer, _, part = name.rpartition("_")
        getattr(model.get_layer(layer), part).assign(array)


def _at_random(source: WeightFile, layers: tuple[str, ...]) -> tuple[str, ...]:
    _LOGGER.info("%s has nothing for %s: they start at random.", source.source, ", ".join(layers))
    return layers

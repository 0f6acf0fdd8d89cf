"""Inputs of the CRF's benchmark: photos, energies, and what exact mean field makes of them.

The energies of other photos are drawn from their pixel labels: blurred to stride 8, with noise and
with large mistakes, they look like a network's. The labels make the benchmark's input and nothing
else; no method of this package sees them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from exact_mean_field import Kernels, cached, compact_blocks, softmax
from PIL import Image

from wsss_tf.images import read_label_map, read_photo

WIDE, NARROW = Kernels(), Kernels(bilateral_sigma=50.0, color_sigma=5.0)
STRIDE = 8  # Of the network that the energies pretend to come from.


@dataclasses.dataclass(frozen=True)
class Case:
    """What one row of methods is run on.

    Args:
        name: for the table.
        photo: uint8 [H, W, 3].
        unary: float32 [H, W, L].
        kernels: the parameters.
        exact: float32 [H, W, L], or None where it was not asked for.
        regions: int32 [layers, H, W], or None.
    """

    name: str
    photo: np.ndarray
    unary: np.ndarray
    kernels: Kernels = WIDE
    exact: np.ndarray | None = None
    regions: np.ndarray | None = None


def oracle(real: Path) -> Case:
    """The photo that comes with its exact marginals: 500x375, 21 labels."""
    with np.load(real / "crf" / "oracle_2007_000346.npz") as file:
        photo, unary, exact = (file[key] for key in ("image", "unary", "exact_10"))
    return Case("oracle", photo, unary.astype(np.float32), WIDE, exact.astype(np.float32))


def few_labels(case: Case, labels: int, cache: Path | None = None) -> Case:
    """The same photo with only the labels that its energies favour most.

    Its exact marginals are made only where there is a folder to keep them.
    """
    likely = np.argsort(-softmax(-case.unary).mean(axis=(0, 1)))[:labels]
    unary = np.ascontiguousarray(case.unary[..., np.sort(likely)])
    exact = cache and cached(cache, case.photo, unary, case.kernels)[0]
    return dataclasses.replace(case, name=f"{labels} labels", unary=unary, exact=exact)


def resized(case: Case, height: int, width: int) -> Case:
    """Cut, or continued by mirror images at its borders, so that texture stays a photo's own."""
    rows = _mirrored(case.photo.shape[0], height)
    columns = _mirrored(case.photo.shape[1], width)
    photo, unary = (np.ascontiguousarray(x[rows][:, columns]) for x in (case.photo, case.unary))
    name = f"{height * width / 1e6:.2f} Mpx"
    return dataclasses.replace(case, name=name, photo=photo, unary=unary, exact=None)


def _mirrored(size: int, wanted: int) -> np.ndarray:
    return np.resize(np.concatenate([np.arange(size), np.arange(size)[::-1]]), wanted)


def with_regions(case: Case, counts: tuple[int, ...] = (25, 100, 400)) -> Case:
    """Three nested layers of regions of about one colour and place, as a region tree gives."""
    height, width = case.photo.shape[:2]
    y, x = np.mgrid[:height, :width]
    features = np.concatenate([np.stack([x, y], axis=-1) / 80, case.photo / 30], axis=-1)
    layers = np.empty((len(counts), height * width), np.int32)
    for layer, count in zip(layers, counts, strict=True):
        blocks = compact_blocks(features.reshape(-1, 5), -(-height * width // count))
        for region, members in enumerate(blocks):
            layer[members] = region
    return dataclasses.replace(case, regions=layers.reshape(-1, height, width))


def photos(real: Path, count: int, side: int, cache: Path | None) -> Iterator[Case]:
    """`count` other photos, each with both kinds of kernels and exact marginals.

    Args:
        real: the folder of real photos.
        count: how many, spread over the validation list.
        side: photos with a longer side are shrunk to it.
        cache: folder where exact marginals are kept; None keeps none.
    """
    folder = real / "voc_animals"
    ids = (folder / "lists" / "val.txt").read_text(encoding="utf-8").split()
    for number in range(count):
        name = ids[(2 * number + 1) * len(ids) // (2 * count)]
        photo = read_photo(folder / "images" / f"{name}.jpg")
        label_map = read_label_map(folder / "masks" / f"{name}.png")
        photo, label_map = _shrunk(photo, label_map, side)
        unary = synthetic_unary(label_map, 21, number)
        for kernels in (WIDE, NARROW):
            exact, _ = cached(cache, photo, unary, kernels)
            label = f"{name} {kernels.bilateral_sigma:.0f}/{kernels.color_sigma:.0f}"
            yield Case(label, photo, unary, kernels, exact)


def _shrunk(photo: np.ndarray, label_map: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    scale = min(1.0, side / max(label_map.shape))
    size = tuple(max(1, round(scale * length)) for length in label_map.shape[::-1])
    image, labels = Image.fromarray(photo), Image.fromarray(label_map)
    return (
        np.asarray(image.resize(size, Image.Resampling.LANCZOS)),
        np.asarray(labels.resize(size, Image.Resampling.NEAREST)),
    )


def synthetic_unary(label_map: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """-log P of a network that does not exist: scores at stride 8, enlarged bilinearly.

    Args:
        label_map: uint8 [H, W]; void and ids that are not below `labels` count as background.
        labels: L.
        seed: of its mistakes.

    Returns:
        float32 [H, W, L].
    """
    generator = np.random.default_rng(seed)
    height, width = label_map.shape
    low = (-(-height // STRIDE), -(-width // STRIDE))
    coarse = (low[0] // 6 + 2, low[1] // 6 + 2)
    known = np.where(label_map < labels, label_map, 0)
    scores = np.empty((height, width, labels), np.float32)
    for label in range(labels):
        truth = _scaled((known == label).astype(np.float32), low, Image.Resampling.BOX)
        noise = generator.normal(0, 0.6, low)
        mistakes = generator.normal(0, 1.5, coarse).astype(np.float32)
        mistakes = _scaled(mistakes, low, Image.Resampling.BICUBIC)
        score = (5 * truth + noise + mistakes).astype(np.float32)
        scores[..., label] = _scaled(score, (height, width), Image.Resampling.BILINEAR)
    return -np.log(softmax(scores) + 1e-12)


def _scaled(plane: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize(size[::-1], how))

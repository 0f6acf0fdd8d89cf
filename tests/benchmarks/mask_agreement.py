"""Constants of the masks, chosen by what needs no pixel label: agreement of two estimates.

    python tests/benchmarks/mask_agreement.py RUN [--photos 60] [--json FILE]

Two networks tell where the objects are: the activations of one, which never saw a tag, and the
class activation maps of the other, which learnt the tags. Where both are right they agree; where
their constants are off, they do not. For training photos of RUN, evenly spread, this prints the
mIoU of object and background between a judge, which has no constant of its own, and candidates:

  F: foreground masks from the activations alone, of all blocks of RUN's recipe or of each, for
     scalings and kernels; the judge is where any CAM of the photo's tags is above 20 % of its
     maximum, the paper's B_c,
  C: masks of the photo's classes from the CAMs alone (alpha 0), for background scores and kernels;
     the judge is where the foreground probability of RUN's recipe is above one half,
  M: the same for fused masks, of both combinations, at the paper's alpha of 0.5,

the best first. No judge has a CRF, which would favour its own kernel. C's judge has a part in M,
the same in all of its rows: compare rows within a group alone. Judges are coarse, and a candidate
that is coarse as they are gains by it: they say little of a CRF against none. No file of pixel
labels is opened. RUN needs its localize stage; side, scales and flip are those of its recipe's
masks, and so is the scaling of C's and M's judge.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from crf import set_up
from reporting import Row, table

SCALINGS = ("centred", "balanced")
PAPER_THRESHOLD = 0.2
SCORES = (0.1, 0.15, 0.2, 0.25, 0.3)
# Bilateral kernels: pixels, levels, weight; None is no CRF. The first is the field's for VOC, the
# second was found by looking at pixel labels of VOC: that it is compared here is owed to them.
KERNELS = (None, (80.0, 13.0, 10.0), (50.0, 5.0, 6.0))
GROUPS = {
    "C": ({"combination": "linear", "alpha": 0.0},),
    "M": (
        {"combination": "linear", "alpha": 0.5},
        {"combination": "geometric", "alpha": 0.5},
    ),
}


class Looked(NamedTuple):
    """What the networks say of a photo: activations by block, CAMs, and P_f as in RUN's recipe."""

    pixels: np.ndarray
    tags: np.ndarray
    blocks: dict[int, Any]
    cams: Any
    own: np.ndarray


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--json", type=Path, help="Also write all rows here.")
    return parser.parse_args(arguments)


def candidates(blocks: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Group, and the fields of a recipe's `masks` in which a candidate differs."""
    forms = [(tuple(blocks), scaling) for scaling in SCALINGS]
    forms += [((block,), "centred") for block in blocks if len(blocks) > 1]
    for (chosen, scaling), kernel in itertools.product(forms, KERNELS):
        yield "F", {"blocks": chosen, "scaling": scaling, "kernel": kernel}
    for group, fusions in GROUPS.items():
        for fusion, score, kernel in itertools.product(fusions, SCORES, KERNELS):
            yield group, {**fusion, "background_score": score, "kernel": kernel}


def agreements(path: Path, count: int) -> list[Row]:
    from tqdm import tqdm

    from wsss_tf.images import read_photo
    from wsss_tf.metrics import ConfusionMatrix
    from wsss_tf.training import RunFolder, mask_maker, open_run_data, photo_within, stage_side

    run = RunFolder.existing(path)
    split = run.recipe.data.train_split
    dataset = open_run_data(run, split)
    photos = dataset.split(split)
    chosen = np.linspace(0, len(photos) - 1, min(count, len(photos))).astype(int)
    base = run.recipe.masks
    maker = mask_maker(run, dataset.labels, base)
    crfs = {kernel: _crf(base.crf, kernel) for kernel in KERNELS}
    rows = list(candidates(base.blocks))
    matrices = [ConfusionMatrix(2) for _ in rows]
    for photo in tqdm([photos[i] for i in chosen], unit="photo"):
        pixels = read_photo(photo.path, max_pixels=run.recipe.data.max_pixels)
        pixels = photo_within(pixels, stage_side(maker)).numpy()
        tags = dataset.labels.tag_vector(photo.tags)
        blocks, cams = maker.maps(pixels)
        own = _foreground(blocks, pixels.shape[:2], base.scaling)
        by_block = dict(zip(base.blocks, blocks, strict=True))
        looked = Looked(pixels, tags, by_block, cams, own)
        judges = {"F": _inside(looked), "C": own > 0.5, "M": own > 0.5}
        for (group, values), matrix in zip(rows, matrices, strict=True):
            objects = _objects(pixels, _scores(looked, values), crfs[values["kernel"]])
            matrix.update(judges[group].astype(np.uint8), objects)
    scored = [
        {"group": group, **_told(values), "agreement": matrix.miou(), "object, %": _share(matrix)}
        for (group, values), matrix in zip(rows, matrices, strict=True)
    ]
    return sorted(scored, key=lambda row: (row["group"], -row["agreement"]))


def _foreground(blocks: Any, size: tuple[int, int], scaling: str) -> np.ndarray:
    from wsss_tf.priors import foreground_probability

    return foreground_probability(blocks, size, scaling=scaling)[0].numpy()


def _inside(looked: Looked) -> np.ndarray:
    """B_c of any tagged class (Eq. 2), bool [H, W]."""
    from wsss_tf.priors import scaled_cams

    maps = scaled_cams(looked.cams, looked.pixels.shape[:2])[0].numpy()
    return (maps[..., looked.tags != 0] > PAPER_THRESHOLD).any(-1)


def _scores(looked: Looked, values: dict[str, Any]) -> np.ndarray:
    """Probabilities of background and object, or of the photo's classes, float32 [H, W, L]."""
    from wsss_tf.priors import Fusion, class_probabilities

    if "blocks" in values:
        blocks = [looked.blocks[block] for block in values["blocks"]]
        share = _foreground(blocks, looked.pixels.shape[:2], values["scaling"])
        return np.stack([1 - share, share], -1)
    fields = {name: value for name, value in values.items() if name != "kernel"}
    fusion = Fusion(**fields, background="constant")
    found = class_probabilities(looked.cams, looked.own[None], looked.tags[None], fusion)
    return found[0].numpy()[..., [True, *(looked.tags != 0)]]


def _objects(photo: np.ndarray, probabilities: np.ndarray, crf: Any) -> np.ndarray:
    """Where the winner is not background, uint8 [H, W]."""
    if crf is not None:
        probabilities = crf(photo, probabilities).numpy()
    return (probabilities.argmax(axis=-1) > 0).astype(np.uint8)


def _crf(settings: Any, kernel: tuple[float, float, float] | None) -> Any:
    """(photo, probabilities) -> probabilities after the CRF of one kernel, without regions."""
    import tensorflow as tf

    from wsss_tf.config import CrfSettings
    from wsss_tf.crf import unary_energies
    from wsss_tf.training.crf import dense_crf

    if kernel is None:
        return None
    sigma, color, weight = kernel
    names = {"bilateral_sigma": sigma, "color_sigma": color, "bilateral_weight": weight}
    settings = (settings or CrfSettings()).model_copy(update=names)
    layer = dense_crf(settings)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3], tf.uint8),
            tf.TensorSpec([None, None, None], tf.float32),
        ]
    )
    def sharpened(photo, probabilities):
        return layer(photo, unary_energies(probabilities, form=settings.unary))

    return sharpened


def _told(values: dict[str, Any]) -> Row:
    kernel = values["kernel"]
    told = "none" if kernel is None else " / ".join(f"{number:g}" for number in kernel)
    blocks = {"blocks": " + ".join(map(str, values["blocks"]))} if "blocks" in values else {}
    return {**values, **blocks, "kernel": told}


def _share(matrix: Any) -> float:
    """Pixels that a candidate calls object, per cent."""
    return float(100 * matrix.counts[:, 1].sum() / matrix.counts.sum())


def main() -> None:
    options = options_of()
    set_up(threads=2, gpu=False)
    rows = agreements(options.run, options.photos)
    sys.stdout.write(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

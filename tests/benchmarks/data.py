"""Photos per second from file to training batch: decode, scale, crop, flip.

Run: python tests/benchmarks/data.py [FOLDER] with a folder of photos and tags.csv; by default the
real photos below WSSS_TF_REAL, else 64 generated photos of 500 x 375. Two shared cores made 160 to
270 photos/s from real JPEGs; training on a CPU takes about one.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from wsss_tf.config import AugmentSettings, DataSettings
from wsss_tf.data import open_dataset, training_dataset

CROP, BATCH, STEPS, WARM_UP = 321, 4, 60, 5


def generate(root: Path, count: int = 64) -> None:
    """Writes a tagged folder of smooth photos with some noise, saved at quality 90."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir()
    (root / "masks").mkdir()
    rows = [("photo", "split", "tags")]
    for number in range(count):
        coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        pixels = np.asarray(smooth) + generator.normal(0, 8, (375, 500, 3))
        photo = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        photo.save(root / "images" / f"{number}.jpg", quality=90)
        rows.append((f"images/{number}.jpg", "train", "thing"))
    with open(root / "tags.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def measure(root: Path) -> None:
    """Writes one line for the opening and one for the batches."""
    settings = DataSettings(source="tagged_folder", root=root, eval_split="train")
    started = time.perf_counter()
    dataset = open_dataset(settings, root=root)
    seconds = time.perf_counter() - started
    count = sum(len(photos) for photos in dataset.photos.values())
    sys.stdout.write(f"opened {count} photos in {seconds:.2f} s\n")
    elements = iter(
        training_dataset(
            dataset,
            "train",
            augment=AugmentSettings(crop=CROP),
            batch_size=BATCH,
            seed=0,
            start_step=0,
            steps=WARM_UP + STEPS,
        )
    )
    for _ in range(WARM_UP):
        next(elements)
    started = time.perf_counter()
    photos = sum(int(element["photo"].shape[0]) for element in elements)
    rate = photos / (time.perf_counter() - started)
    sys.stdout.write(f"crop {CROP}, batch {BATCH}: {rate:.0f} photos/s\n")


def main() -> None:
    real = os.environ.get("WSSS_TF_REAL")
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    elif real:
        measure(Path(real) / "voc_animals")
    else:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            measure(Path(folder))


if __name__ == "__main__":
    main()

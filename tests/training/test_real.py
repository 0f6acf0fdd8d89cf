"""A miniature of the real thing: VGG-16 with ImageNet weights on a few photos of animals."""

import csv
import shutil

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.images import read_label_map
from wsss_tf.training import evaluate, open_run_data, run_stages

KEEP = "[cat, cow, dog, horse, person, sheep]"


@pytest.fixture
def few_photos(real, tmp_path):
    """A tagged folder of 6 training and 2 validation photos; masks for the latter alone."""
    source, root = real / "voc_animals", tmp_path / "photos"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    with open(source / "tags.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["split"] == "train"][:6]
    kept += [row for row in rows if row["split"] == "val"][:2]
    for row in kept:
        shutil.copy(source / row["photo"], root / row["photo"])
        if row["split"] == "val":
            name = row["photo"].replace("images/", "masks/").replace(".jpg", ".png")
            shutil.copy(source / name, root / name)
    with open(root / "tags.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return root


@pytest.mark.real
@pytest.mark.slow
def test_all_stages_on_real_photos(real, few_photos, tmp_path):
    recipe = load_recipe(
        "tagged_folder",
        (
            f"data={{source: tagged_folder, root: {few_photos}, label_space: voc, keep: {KEEP}}}",
            f"backbone.weights={real / 'vgg16_imagenet_conv_bgr_fp16.npz'}",
            "augment={crop: 129, side: 160}",
            "localize={steps: 3, batch_size: 2, crop: 128, learning_rates: [1e-4],"
            " frozen_blocks: 4}",
            "masks={kind: multi_class, side: 160}",
            "segment={loss: multi_class, steps: 4, learning_rates: [1e-4], frozen_blocks: 4}",
        ),
    )
    run = run_stages(recipe, tmp_path / "run")
    dataset = open_run_data(run, "val")
    scoring = evaluate(run, dataset, "val")
    # Two photos, less what is not kept or not known.
    assert scoring.confusion.counts.sum() > 100_000
    assert 0.0 <= scoring.miou() <= 1.0
    masks = [read_label_map(path) for path in run.stage("masks").glob("*.png")]
    # An untrained CAM network already finds something: every photo has a tag that is kept.
    assert len(masks) == 6
    assert all(mask.any() for mask in masks)

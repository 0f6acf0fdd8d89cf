"""Whole runs on a handful of scenes: what each stage leaves, and what no stage may look at."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from wsss_tf.config import CrfSettings, load_recipe, recipe_text
from wsss_tf.crf import unary_energies
from wsss_tf.errors import CheckpointError, DataProblems, RunError
from wsss_tf.files import sha256
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.nets.weights import COMPACT
from wsss_tf.training import (
    Predictor,
    RunFolder,
    evaluate,
    mask_maker,
    mask_path,
    open_run_data,
    run_stages,
    stages_of,
)
from wsss_tf.training.crf import dense_crf
from wsss_tf.training.localize import load_cam_network
from wsss_tf.training.make_masks import make_masks
from wsss_tf.training.segment import load_segmentation_network

FOREGROUND = ("segment.loss=foreground", "masks.kind=foreground", "localize=null")
TAGS = ("segment.loss=tags", "masks.kind=none", "localize=null")


def outcome(run):
    """Bytes of everything that training made."""
    stages = [run.stage(name) for name in ("localize", "masks", "segment")]
    files = [
        file
        for stage in stages
        for file in stage.rglob("*")
        if file.suffix in (".png", ".npz") or file.name == "index.jsonl"
    ]
    return {str(file.relative_to(run.path)): file.read_bytes() for file in files}


def test_a_run_leaves_its_stages_and_a_true_record(tiny_run):
    record = tiny_run.record()
    assert list(record["stages"]) == ["localize", "masks", "segment"]
    read = [str(path) for path in record["files"]]
    assert sum("/images/train_" in path for path in read) == 12
    assert any(path.endswith("tags.csv") for path in read)
    assert any(path.endswith("compact_vgg16.npz") for path in read)
    assert not any("/masks/" in path or "/images/val_" in path for path in read)
    rows = [json.loads(line) for line in (tiny_run.path / "masks" / "index.jsonl").open()]
    assert len(rows) == 12
    assert all(sum(row["coverage"].values()) > 0.99 for row in rows)
    assert len(list(tiny_run.stage("masks").glob("*.png"))) == 12
    for stage in ("localize", "segment"):
        assert list(tiny_run.stage(stage).glob("events.out.tfevents.*"))


def test_the_same_call_again_changes_nothing(tiny_run):
    before = outcome(tiny_run)
    run_stages(tiny_run.recipe, tiny_run.path)
    assert outcome(tiny_run) == before


@pytest.mark.parametrize(
    ("changes", "names", "ids"),
    [(TAGS, ["segment"], None), (FOREGROUND, ["masks", "segment"], {0, 1})],
    ids=["tags", "foreground"],
)
def test_other_supervisions_need_fewer_stages(
    tiny_run, tiny_overrides, tmp_path, changes, names, ids
):
    recipe = load_recipe(
        "scenes", (*tiny_overrides, f"data.root={tiny_run.data_root.resolve()}", *changes)
    )
    assert [stage.name for stage in stages_of(recipe)] == names
    run = run_stages(recipe, tmp_path / "run")
    masks = [read_label_map(path) for path in run.stage("masks").glob("*.png")]
    assert {int(label) for mask in masks for label in np.unique(mask)} == (ids or set())
    assert run.stage("segment").exists()
    assert not run.stage("localize").exists()


@pytest.mark.parametrize(
    ("changes", "names"),
    [(TAGS, ["localize", "segment"]), (FOREGROUND, ["masks", "localize", "segment"])],
    ids=["tags", "foreground"],
)
def test_a_network_may_start_from_the_cam_network(
    tiny_run, tiny_overrides, tmp_path, changes, names
):
    start = ("segment.start=localize", "segment.frozen_blocks=5")
    recipe = load_recipe(
        "scenes",
        (*tiny_overrides, f"data.root={tiny_run.data_root.resolve()}", *changes[:2], *start),
    )
    assert [stage.name for stage in stages_of(recipe)] == names
    run = run_stages(recipe, tmp_path / "run")
    cams, trained = load_cam_network(run, 8), load_segmentation_network(run, 9)
    for name in ("block4_conv3", "block5_conv3"):  # Trained by localize, then frozen.
        kernel, start_ = trained.get_layer(name).kernel, cams.get_layer(name).kernel
        np.testing.assert_array_equal(kernel, start_)
    compact = np.load(COMPACT)["block5_conv3_kernel"]
    assert np.any(np.asarray(trained.get_layer("block5_conv3").kernel) != compact)


@pytest.mark.parametrize("crf", [None, False, True])
def test_evaluation_is_the_confusion_of_predictions_with_truth(tiny_run, crf):
    dataset = open_run_data(tiny_run, "val")
    scoring = evaluate(tiny_run, dataset, "val", crf=crf)
    predictor = Predictor(tiny_run, crf=crf)
    expected = ConfusionMatrix(dataset.labels.num_classes)
    for photo in dataset.split("val"):
        truth = read_label_map(dataset.truth("val")[photo.id])
        expected.update(truth, predictor(read_photo(photo.path)))
    np.testing.assert_array_equal(scoring.confusion.counts, expected.counts)
    assert scoring.names == dataset.labels.names
    assert scoring.ids == [photo.id for photo in dataset.split("val")]
    assert scoring.about == {
        "kind": "predictions",
        "split": "val",
        "checkpoint": sha256(tiny_run.stage("segment") / "checkpoint.npz"),
        "crf": predictor.crf and predictor.crf.model_dump(mode="json"),
        "scales": [1.0],
        "flip": False,
    }
    assert min(scoring.seconds.values()) > 0.0


@pytest.mark.parametrize("crf", [False, True])
def test_a_phone_s_photo_is_decided_on_a_smaller_grid(tiny_run, crf):
    photo = np.random.default_rng(0).integers(0, 256, (40, 3001, 3), dtype=np.uint8)
    predictor = Predictor(tiny_run, crf=crf)
    assert predictor.probabilities(photo).shape == (27, 2048, 9)
    assert predictor(photo).shape == (40, 3001)


@pytest.mark.parametrize("size", [(1, 1), (17, 90), (48, 48), (1500, 40)])
@pytest.mark.parametrize("crf", [False, True])
def test_predictions_have_the_photo_s_own_grid(tiny_run, size, crf):
    predictor = Predictor(tiny_run, crf=crf)
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    probabilities = predictor.probabilities(photo)
    assert probabilities.shape == (*size, 9)
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, rtol=1e-5)
    assert predictor(photo).shape == size
    assert predictor(photo).dtype == np.uint8


def test_predictions_are_the_crf_of_the_network_s_probabilities(tiny_run):
    photo = read_photo(open_run_data(tiny_run, "val").split("val")[0].path)
    plain, sharp = (Predictor(tiny_run, crf=crf) for crf in (False, True))
    assert (plain.crf, sharp.crf) == (None, tiny_run.recipe.inference.crf)
    unary = unary_energies(tf.constant(plain.probabilities(photo)), form="log")
    expected = dense_crf(sharp.crf)(tf.constant(photo), unary)
    np.testing.assert_allclose(sharp.probabilities(photo), expected, atol=1e-4)
    assert np.abs(sharp.probabilities(photo) - plain.probabilities(photo)).max() > 0.01
    np.testing.assert_array_equal(Predictor(tiny_run)(photo), sharp(photo))


def test_masks_are_made_with_the_recipe_s_crf(tiny_run, tiny_overrides, tmp_path):
    dataset = open_run_data(tiny_run, "train")
    photo = dataset.split("train")[0]
    pixels, tags = read_photo(photo.path), dataset.labels.tag_vector(photo.tags)
    masks = {}
    for name, crf in (("with", "{bilateral_sigma: 20}"), ("without", "none")):
        changes = (*tiny_overrides, *FOREGROUND, f"masks.crf={crf}")
        with RunFolder.open(tmp_path / name, load_recipe("scenes", changes)) as run:
            make_masks(run, dataset)
        masks[name] = read_label_map(mask_path(run.stage("masks"), photo))
        expected = mask_maker(run, dataset.labels)(pixels, tags)
        assert np.mean(masks[name] == expected) > 0.999  # Two labels may be equal to rounding.
    assert np.mean(masks["with"] != masks["without"]) > 0.002


def test_a_run_from_before_there_was_a_crf_goes_on_as_it_was(tiny_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(tiny_run.path, path)
    recipe = load_recipe(path / "recipe.yaml", ["masks.crf=none", "inference.crf=none"])
    text = recipe_text(recipe).replace("crf: null", "crf: none")
    begin, end = text.index("inference:"), text.index("log:")
    (path / "recipe.yaml").write_text(text[:begin] + text[end:])
    old = RunFolder.existing(path)
    photo = read_photo(next((tiny_run.data_root / "images").glob("val_*")))
    expected = Predictor(tiny_run, crf=False).probabilities(photo)
    np.testing.assert_array_equal(Predictor(old).probabilities(photo), expected)
    assert Predictor(old, crf=True).crf == CrfSettings()
    run_stages(old.recipe, path)  # Every stage is done: nothing to train, nothing to refuse.


def test_a_bad_data_set_leaves_no_run(tagged_root, tmp_path):
    (tagged_root / "images" / "a.jpg").write_bytes(b"")
    recipe = load_recipe(
        "tagged_folder", (f"data.root={tagged_root}", "backbone={weights: compact, width: 0.125}")
    )
    with pytest.raises(DataProblems, match=r"a\.jpg"):
        run_stages(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_weights_leave_no_run(tmp_path):
    recipe = load_recipe("scenes", [f"backbone.weights={tmp_path / 'gone.npz'}"])
    with pytest.raises(CheckpointError, match=r"gone\.npz"):
        run_stages(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_whose_classes_are_gone_from_the_data_is_refused(tiny_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(tiny_run.path, path)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**record, "labels": ["background", "cat"]}))
    with pytest.raises(RunError, match="cat"):
        open_run_data(RunFolder.existing(path), "val")

"""Regions in the masks stage, predictions and scores: found once, kept, and given to the CRF."""

import importlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from wsss_tf.cli.main import main
from wsss_tf.config import CrfSettings, RegionSettings, load_recipe, recipe_text
from wsss_tf.crf import unary_energies
from wsss_tf.data import Photo, photo_dataset
from wsss_tf.errors import DataProblems, RunError
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.labels import LabelSpace
from wsss_tf.metrics import ConfusionMatrix
from wsss_tf.priors import size_within
from wsss_tf.regions import RegionMethod
from wsss_tf.training import (
    Predictor,
    RunFolder,
    evaluate,
    mask_maker,
    mask_path,
    mask_pipeline,
    open_run_data,
)
from wsss_tf.training import make_masks as stage
from wsss_tf.training.crf import CRF_SIDE, dense_crf
from wsss_tf.training.make_masks import make_masks
from wsss_tf.training.regions import (
    RegionsInPipeline,
    can_keep_regions,
    fill_regions,
    region_source,
)

METHOD = RegionMethod("slic", counts=(4, 12))
REGIONS = "{method: slic, counts: [4, 12]}"
FOREGROUND = ("segment.loss=foreground", "masks.kind=foreground", "localize=null")
# A term that acts at once and always shows beside weak kernels, for a network hardly trained.
ACTS = (
    "iterations: 3, spatial_weight: 0.2, bilateral_weight: 0.2, bilateral_sigma: 20, "
    "region_start: 0.0, region_tolerance: 1.0, region_max_cost: 10.0"
)


@pytest.fixture
def dataset(tiny_run):
    """12 photos for training, 3 to score with."""
    return open_run_data(tiny_run, "train")


@pytest.fixture
def make(dataset, tiny_overrides, tmp_path):
    """Makes the masks of a run with these regions in its CRF, and returns the run."""

    def make(name, regions, *changes):
        crf = f"masks.crf={{{ACTS}, regions: {regions}}}"
        recipe = load_recipe("scenes", (*tiny_overrides, *FOREGROUND, crf, *changes))
        with RunFolder.open(tmp_path / name, recipe) as run:
            make_masks(run, dataset)
        return run

    return make


@pytest.fixture
def trained(tiny_run, tmp_path):
    """A copy of a trained run whose recipe has regions at the end."""
    path = tmp_path / "trained"
    shutil.copytree(tiny_run.path, path)
    change = f"inference.crf={{{ACTS}, regions: {REGIONS}}}"
    recipe = load_recipe(path / "recipe.yaml", [change])
    (path / "recipe.yaml").write_text(recipe_text(recipe))
    return RunFolder.existing(path)


def files(folder):
    """Content of the files below a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


def test_masks_are_made_with_the_photos_regions(make, dataset):
    run = make("with", REGIONS)
    maker, folder = mask_maker(run, dataset.labels), run.stage("masks")
    differing = []
    for photo in dataset.split("train"):
        pixels, tags = read_photo(photo.path), dataset.labels.tag_vector(photo.tags)
        mask = read_label_map(mask_path(folder, photo))
        assert np.mean(mask == maker(pixels, tags, METHOD.layers(pixels))) > 0.999
        differing.append(np.mean(mask != maker(pixels, tags)))
    assert np.mean(differing) > 0.002
    assert len(files(run.path / "regions")) == 12
    assert not (make("without", "none").path / "regions").exists()


def test_crisp_regions_serve_every_number_of_them(make):
    run = make("first", "{preset: fast, counts: [5, 20]}")
    kept = files(run.path / "regions")
    assert len(kept) == 12
    cache = f"data.regions_cache={run.path / 'regions'}"
    again = make("second", "{preset: fast, counts: [8]}", cache)
    assert files(run.path / "regions") == kept
    assert not (again.path / "regions").exists()


def test_only_missing_masks_are_made_again_and_no_region_twice(make, dataset, monkeypatch):
    run = make("run", REGIONS)
    folder = run.stage("masks")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {path: path.stat().st_mtime_ns for path in (run.path / "regions").iterdir()}
    gone = dataset.split("train")[3:5]
    for photo in gone:
        mask_path(folder, photo).unlink()
    (folder / "index.jsonl").unlink()
    asked = []
    monkeypatch.setattr(stage, "fill_regions", lambda run, crf, photos: asked.extend(photos))
    make("run", REGIONS)
    assert tuple(asked) == gone
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path: path.stat().st_mtime_ns for path in (run.path / "regions").iterdir()} == kept


def test_an_interrupted_search_for_regions_goes_on(make, monkeypatch, tmp_path):
    def interrupted(run, crf, photos):
        fill_regions(run, crf, photos[:5])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "fill_regions", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make("run", REGIONS)
    assert not list((tmp_path / "run" / "masks").iterdir())
    kept = files(tmp_path / "run" / "regions")
    assert len(kept) == 5
    assert kept.items() <= files(make("run", REGIONS).path / "regions").items()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_search_for_regions_at_once(trained, dataset, monkeypatch, number):
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def endless(*arguments, **options):
        os.kill(os.getpid(), number)
        time.sleep(60)

    monkeypatch.setattr("wsss_tf.training.regions.fill_cache", endless)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fill_regions(trained, trained.recipe.inference.crf, dataset.split("val"))
    assert time.monotonic() - begun < 10
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_regions_that_are_lost_between_are_found_again(make, monkeypatch):
    monkeypatch.setattr(stage, "fill_regions", lambda *arguments: None)
    run = make("run", REGIONS)
    assert len(files(run.path / "regions")) == 12


def test_an_error_with_regions_is_told_as_it_is(make, monkeypatch):
    def full(photo, size):
        raise RunError("regions: the disk is full.")

    monkeypatch.setattr(mask_pipeline, "region_source", lambda *arguments, **options: full)
    with pytest.raises(RunError, match=r"^regions: the disk is full\.$"):
        make("run", REGIONS)


def test_photos_whose_regions_fail_are_named_together(trained, dataset, tmp_path):
    bad = [
        Photo(name, tmp_path / f"{name}.png", (), orientation=1, width=9, height=9) for name in "ab"
    ]
    photos = (*dataset.split("val"), *bad)
    with pytest.raises(DataProblems) as caught:
        fill_regions(trained, trained.recipe.inference.crf, photos)
    assert all(photo.path.name in str(caught.value) for photo in bad)
    assert len(files(trained.path / "regions")) == 3


@pytest.mark.parametrize("size", [(20, 41), (33, 61), (5, 5)])
def test_regions_come_in_the_grid_of_the_reduced_photo(tmp_path, random_generator, size):
    path, labels = tmp_path / "a.png", LabelSpace(("background", "cat"))
    Image.fromarray(random_generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    photos = [Photo("a", path, ("cat",), orientation=1, width=size[1], height=size[0])]
    asked = []

    def source(photo, grid):
        asked.append((photo.shape[:2], grid))
        return np.zeros((3, *grid), np.int32)

    added = RegionsInPipeline(source, [path], max_pixels=10_000)
    examples = photo_dataset(photos, labels, side=30).map(added)
    assert examples.element_spec["regions"].shape.rank == 3
    (example,) = examples
    grid = tuple(example["photo"].shape[:2])
    assert max(grid) <= 30
    assert example["regions"].shape == (3, *grid)
    assert asked == [(size, grid)]


@pytest.mark.parametrize("keep", [False, True])
def test_predictions_are_the_crf_of_the_network_s_probabilities_and_regions(trained, keep):
    photo = read_photo(open_run_data(trained, "val").split("val")[0].path)
    plain, sharp = Predictor(trained, crf=False), Predictor(trained, keep_regions=keep)
    assert sharp.crf.regions == RegionSettings(method="slic", counts=(4, 12))
    before = tf.constant(plain.probabilities(photo))
    crf, unary = dense_crf(sharp.crf), unary_energies(before, form="log")
    expected = crf(photo, unary, METHOD.layers(photo), region_probabilities=before)
    np.testing.assert_allclose(sharp.probabilities(photo), expected, atol=1e-4)
    assert np.abs(sharp.probabilities(photo) - crf(photo, unary)).max() > 0.01
    assert len(files(trained.path / "regions")) == keep


@pytest.mark.parametrize("size", [(1, 1), (17, 90), (40, CRF_SIDE + 301)])
def test_keeping_regions_changes_no_prediction(trained, size):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found, kept = (Predictor(trained, keep_regions=keep) for keep in (False, True))
    np.testing.assert_array_equal(found.probabilities(photo), kept.probabilities(photo))
    grid = tuple(size_within(size, CRF_SIDE).numpy())
    sources = [region_source(trained, found.crf, keep=keep)(photo, grid) for keep in (False, True)]
    np.testing.assert_array_equal(*sources)
    assert found(photo).shape == size


def test_scores_are_of_predictions_with_regions_that_are_kept(trained):
    dataset = open_run_data(trained, "val")
    scoring = evaluate(trained, dataset, "val")
    expected = ConfusionMatrix(dataset.labels.num_classes)
    predictor = Predictor(trained)
    for photo in dataset.split("val"):
        truth = read_label_map(dataset.truth("val")[photo.id])
        expected.update(truth, predictor(read_photo(photo.path)))
    np.testing.assert_array_equal(scoring.confusion.counts, expected.counts)
    assert len(files(trained.path / "regions")) == 3


def test_a_run_that_cannot_be_written_is_scored_all_the_same(trained, monkeypatch):
    dataset = open_run_data(trained, "val")
    expected = evaluate(trained, dataset, "val")
    shutil.rmtree(trained.path / "regions")
    module = importlib.import_module("wsss_tf.training.evaluate")
    monkeypatch.setattr(module, "can_keep_regions", lambda run: False)
    found = evaluate(trained, dataset, "val").confusion.counts
    np.testing.assert_array_equal(found, expected.confusion.counts)
    assert not (trained.path / "regions").exists()


def test_regions_are_kept_where_the_folder_takes_them(trained, monkeypatch):
    assert can_keep_regions(trained)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != trained.path)
    shutil.rmtree(trained.path / "regions", ignore_errors=True)
    assert not can_keep_regions(trained)


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "3 photos, with a CRF and regions"), (("--no-crf",), "3 photos, without a CRF")],
)
def test_evaluate_says_that_there_are_regions(trained, tmp_path, options, words):
    out = tmp_path / "scores.json"
    arguments = ["evaluate", str(trained.path), "--out", str(out), *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"{words}\n" in result.stdout
    regions = (json.loads(out.read_text())["crf"] or {}).get("regions")
    expected = RegionSettings(method="slic", counts=(4, 12)).model_dump(mode="json")
    assert regions == (None if options else expected)
    assert (trained.path / "regions").exists() == (not options)


@pytest.mark.parametrize("settings", [None, CrfSettings()])
def test_without_regions_in_the_recipe_nothing_is_found(trained, dataset, settings):
    assert region_source(trained, settings, keep=True) is None
    fill_regions(trained, settings, dataset.split("val"))
    assert not (trained.path / "regions").exists()

"""Scores of masks under known tags, against masks and truth that are put together by hand."""

import importlib
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.config import load_recipe, recipe_text
from wsss_tf.data import open_dataset
from wsss_tf.errors import DataError, DataProblems, RunError
from wsss_tf.images import read_label_map, read_photo, write_label_map
from wsss_tf.metrics import ConfusionMatrix, paired_bootstrap, tallies_from_rows
from wsss_tf.training import (
    RunFolder,
    made_masks,
    mask_maker,
    mask_path,
    open_run_data,
    score_masks,
    write_scores,
)

FOREGROUND = ("segment.loss=foreground", "masks.kind=foreground", "localize=null")


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def confusion_of(dataset, split, masks, classes):
    """`masks` by photo id, against the files of the truth; all scenes are kept."""
    matrix = ConfusionMatrix(classes)
    for photo_id, mask in masks.items():
        truth = read_label_map(dataset.truth(split)[photo_id])
        if classes == 2:
            truth = np.where(truth == 255, 255, truth > 0).astype(np.uint8)
        matrix.update(truth, mask)
    return matrix.counts


@pytest.fixture
def dataset(tiny_run):
    """12 photos for training, 3 to score with."""
    return open_run_data(tiny_run, "val")


@pytest.fixture
def copied(tiny_run, tmp_path):
    """A copy of a trained run, with changes of its recipe and photos of its own."""

    def copy(*changes):
        path = tmp_path / "copied"
        shutil.copytree(tiny_run.path, path, ignore=shutil.ignore_patterns("report"))
        recipe = load_recipe(path / "recipe.yaml", [*changes])
        (path / "recipe.yaml").write_text(recipe_text(recipe))
        return RunFolder.existing(path)

    return copy


def test_masks_of_the_stage_are_read(copied, dataset):
    run = copied()
    folder, photos = run.stage("masks"), dataset.split("train")
    write_label_map(mask_path(folder, photos[0]), np.full((48, 48), 3, np.uint8))
    masks = {photo.id: read_label_map(mask_path(folder, photo)) for photo in photos}
    scoring = score_masks(run, dataset, "train")
    expected = confusion_of(dataset, "train", masks, 9)
    np.testing.assert_array_equal(scoring.confusion.counts, expected)
    assert scoring.ids == [photo.id for photo in photos]
    assert scoring.about["kind"] == "masks"
    assert scoring.about["crf"] == run.recipe.masks.crf.model_dump(mode="json")


def test_an_unfinished_stage_is_not_scored_as_the_whole(copied, dataset, monkeypatch):
    run, photos = copied(), dataset.split("train")[:2]
    masks = {photo.id: np.full((48, 48), 1, np.uint8) for photo in photos}

    def made(run, dataset, photos, group, keep_regions):
        return ((photo, [masks[photo.id]]) for photo in photos)

    (run.stage("masks") / "index.jsonl").unlink()
    module = importlib.import_module("wsss_tf.training.mask_scores")
    monkeypatch.setattr(module, "masks_of_many", made)
    scoring = score_masks(run, dataset, "train", photos=photos)
    expected = confusion_of(dataset, "train", masks, 9)
    np.testing.assert_array_equal(scoring.confusion.counts, expected)
    assert scoring.ids == [photo.id for photo in photos]


def test_other_splits_get_their_masks_from_their_tags(tiny_run, dataset):
    settings = tiny_run.recipe.masks.model_copy(update={"crf": None})
    maker, masks = mask_maker(tiny_run, dataset.labels, settings), {}
    for photo in dataset.split("val"):
        tags = dataset.labels.tag_vector(photo.tags)
        masks[photo.id] = maker(read_photo(photo.path), tags).numpy()
    scoring = score_masks(tiny_run, dataset, "val", settings=settings)
    expected = confusion_of(dataset, "val", masks, 9)
    # Two labels may be equal to rounding.
    assert np.abs(scoring.confusion.counts - expected).sum() <= 0.002 * expected.sum()
    assert scoring.confusion.counts.sum() == expected.sum()
    assert min(scoring.seconds.values()) > 0.0


def test_settings_take_the_place_of_the_recipe_s(tiny_run, dataset):
    change = {"kind": "foreground", "blocks": (5,), "scaling": "centred", "crf": None}
    settings = tiny_run.recipe.masks.model_copy(update=change)
    masks = {
        photo.id: mask
        for photo, mask in made_masks(tiny_run, dataset, dataset.split("train"), settings)
    }
    scoring = score_masks(tiny_run, dataset, "train", settings=settings)
    expected = confusion_of(dataset, "train", masks, 2)
    np.testing.assert_array_equal(scoring.confusion.counts, expected)
    assert scoring.names == ("background", "foreground")
    assert scoring.about["crf"] is None
    plain = score_masks(tiny_run, dataset, "train")
    assert scoring.miou() != plain.confusion.foreground().miou()


def test_the_foreground_of_masks_is_every_class(tiny_run, tiny_overrides, tmp_path):
    """A run that keeps two of eight classes; it is not even trained."""
    keep = ("data.keep=[ball, boat]", f"data.root={tiny_run.data_root.resolve()}")
    recipe = load_recipe("scenes", (*tiny_overrides, *FOREGROUND, *keep, "masks.crf=none"))
    with RunFolder.open(tmp_path / "run", recipe) as run:
        run.record_labels(open_dataset(recipe.data, root=recipe.data.root).labels)
    dataset = open_run_data(run, "val")
    scoring = score_masks(run, dataset, "val")
    truths = [read_label_map(path) for path in dataset.truth("val").values()]
    objects = sum(int(((truth > 0) & (truth != 255)).sum()) for truth in truths)
    assert scoring.confusion.counts[1].sum() == objects > 0
    result = invoke("evaluate", run.path, "--masks")
    assert result.exit_code == 0, result.output
    assert "Foreground is every class of the pixel labels" in result.stdout
    found = json.loads((run.path / "report" / "masks_val.json").read_text())
    assert found["classes"] == ["background", "foreground"]
    assert found["foreground_miou"] == found["miou"]


def test_a_run_without_masks_says_so(copied):
    run = copied("segment.loss=tags", "masks.kind=none", "localize=null")
    result = invoke("evaluate", run.path, "--masks")
    assert result.exit_code == 2
    assert "its masks.kind is none" in result.output
    with pytest.raises(RunError, match=r"masks\.kind is none"):
        score_masks(run, open_run_data(run, "val"), "val")


def test_truth_that_is_missing_or_void_is_named(copied):
    run = copied()
    dataset = open_run_data(run, "train")
    paths = list(dataset.truth("train").values())
    for path in paths:
        write_label_map(path, np.full((48, 48), 255, np.uint8))
    with pytest.raises(DataError, match=r"train: every pixel of its masks is 255"):
        score_masks(run, dataset, "train")
    paths[0].unlink()
    with pytest.raises(DataProblems, match=paths[0].name):
        score_masks(run, dataset, "train")


def test_evaluate_masks_writes_the_scores_and_a_row_a_photo(copied):
    run = copied()
    result = invoke("evaluate", run.path, "--masks", "--split", "train")
    assert result.exit_code == 0, result.output
    assert "12 photos, masks from tags, with a CRF\n" in result.stdout
    path = run.path / "report" / "masks_train.json"
    assert f"Written: {path}" in result.stdout
    found = json.loads(path.read_text())
    assert {key: found[key] for key in ("kind", "split", "photos", "scales", "flip")} == {
        "kind": "masks", "split": "train", "photos": 12, "scales": [1.0], "flip": False
    }  # fmt: skip
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").open()]
    assert [row["id"] for row in rows] == [f"train_{number:05}" for number in range(12)]
    tallies = tallies_from_rows(rows, found["classes"])
    same = paired_bootstrap(tallies, tallies)
    assert (same.low, same.high) == (0.0, 0.0)
    intersection, union = tallies.sum(axis=0)
    for name, hits, pixels in zip(found["classes"], intersection, union, strict=True):
        assert found["iou"][name] == (pytest.approx(hits / pixels) if pixels else None)


def test_the_scores_in_a_file_are_those_returned(tiny_run, dataset, tmp_path):
    scoring = score_masks(tiny_run, dataset, "train", photos=dataset.split("train")[:3])
    found = write_scores(tmp_path / "new" / "scores.json", scoring)
    assert json.loads((tmp_path / "new" / "scores.json").read_text()) == found
    rows = [json.loads(line) for line in (tmp_path / "new" / "scores.jsonl").open()]
    assert rows == scoring.rows()


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--masks", "--no-crf"), "not for --masks"), (("--out", "a.jsonl"), "names the JSON file")],
)
def test_options_that_do_not_fit_are_refused(tiny_run, options, words):
    result = invoke("evaluate", tiny_run.path, *options)
    assert result.exit_code == 2
    assert words in result.output


def test_evaluate_says_what_is_ignored(copied):
    run = copied()
    result = invoke("evaluate", run.path, "--no-crf")
    assert result.exit_code == 0, result.output
    assert "data.keep" not in result.output
    report = run.path / "report"
    assert {path.name for path in report.iterdir()} == {"evaluate_val.json", "evaluate_val.jsonl"}
    found = json.loads((report / "evaluate_val.json").read_text())
    assert found["kind"] == "predictions"
    for name, iou in found["iou"].items():
        if iou is None:
            assert f"{name} is neither in the truth nor predicted" in result.stdout

"""`--scales` and `--flip` of predict and evaluate: refused early, and told with the scores."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.images import read_label_map, read_photo
from wsss_tf.training import Predictor


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def some_run(tmp_path):
    """A folder that passes for a run until one is opened."""
    (tmp_path / "recipe.yaml").touch()
    return tmp_path


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_help_tells_the_options(command):
    text = invoke(command, "--help").output
    assert all(option in text for option in ("--crf / --no-crf", "--scales", "--flip / --no-flip"))


@pytest.mark.parametrize("scales", ["", "1,", "a", "1,0.5", "1,1", "0.1", "nan", "1 2", "1,5"])
def test_wrong_scales_are_refused_before_the_run_is_read(some_run, scales):
    result = invoke("evaluate", some_run, "--scales", scales)
    assert result.exit_code == 2
    assert f"such as 0.75,1,1.25. Received: {scales!r}" in " ".join(result.output.split())


@pytest.mark.parametrize("option", [("--flip",), ("--scales", "1"), ("--no-crf",)], ids=str)
def test_options_of_predictions_are_not_for_masks(some_run, option):
    result = invoke("evaluate", some_run, "--masks", *option)
    assert result.exit_code == 2
    assert "are for predictions, not for --masks" in result.output


def test_evaluate_tells_its_scales_and_flip(tiny_run, tmp_path):
    out = tmp_path / "scores.json"
    options = ("--no-crf", "--scales", "0.5,1", "--flip", "--out", out)
    result = invoke("evaluate", tiny_run.path, *options)
    assert result.exit_code == 0, result.output
    assert "without a CRF, at scales 0.5, 1 and mirrored" in result.output
    found = json.loads(out.read_text())
    assert (found["scales"], found["flip"], found["crf"]) == ([0.5, 1.0], True, None)


def test_predict_looks_as_it_is_asked_to(tiny_run, tmp_path):
    path = next((tiny_run.data_root / "images").glob("val_*"))
    options = ("--no-crf", "--scales", "0.5,2", "--flip", "--out", tmp_path / "o")
    result = invoke("predict", tiny_run.path, path, *options)
    assert result.exit_code == 0, result.output
    expected = Predictor(tiny_run, crf=False, scales=(0.5, 2), flip=True)(read_photo(path))
    np.testing.assert_array_equal(read_label_map(tmp_path / "o" / f"{path.stem}.png"), expected)

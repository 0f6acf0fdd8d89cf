"""A run whose network tells classes apart, and its bundle, made by the command itself."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner


@pytest.fixture(scope="session")
def lively_run(tiny_run, tmp_path_factory):
    """The tiny run with a classifier drawn at random: its own calls every pixel background.

    Its network looks at photos of up to 64 pixels, so that one beyond that is soon done.
    """
    import numpy as np

    from wsss_tf.config import recipe_text
    from wsss_tf.training import RunFolder
    from wsss_tf.training.checkpoint import save_checkpoint
    from wsss_tf.training.segment import load_segmentation_network

    path = tmp_path_factory.mktemp("lively") / "run"
    shutil.copytree(tiny_run.path, path)
    recipe = tiny_run.recipe
    augment = recipe.augment.model_copy(update={"side": 64})
    text = recipe_text(recipe.model_copy(update={"augment": augment}))
    (path / "recipe.yaml").write_text(text, encoding="utf-8")
    run = RunFolder.existing(path)
    model = load_segmentation_network(run, run.labels.num_classes)
    classifier = model.get_layer("classifier")
    weights = np.random.default_rng(0).normal(0, 1, classifier.kernel.shape)
    # Without a common part, which would make one class win everywhere.
    classifier.kernel.assign(weights - weights.mean(axis=2, keepdims=True))
    classifier.bias.assign(np.zeros(classifier.bias.shape))
    step = run.recipe.segment.steps
    save_checkpoint(run.stage("segment") / "checkpoint.npz", model, step=step)
    return run


@pytest.fixture(scope="session")
def exported(lively_run, tmp_path_factory):
    """What `wsss-tf export` says of the lively run, and the bundle that it writes, of all forms."""
    from wsss_tf.cli.main import main

    out = tmp_path_factory.mktemp("exported") / "bundle"
    arguments = ["export", str(lively_run.path), "--onnx", "--saved-model", "--fp16", "--int8"]
    result = CliRunner().invoke(main, [*arguments, "--photos", "4", "--out", str(out), "--force"])
    assert result.exit_code == 0, result.output
    return result, out


@pytest.fixture(scope="session")
def bundle(exported):
    """The folder of that bundle."""
    return exported[1]


@pytest.fixture(scope="session")
def predictor(lively_run):
    """What `wsss-tf predict` uses, without a CRF."""
    from wsss_tf.training import Predictor

    return Predictor(lively_run, crf=False)

"""Commands before TensorFlow loads: help with an example each, usage errors, bad input."""

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main

COMMANDS = (
    "demo",
    "data",
    "train",
    "masks",
    "evaluate",
    "predict",
    "export",
    "serve",
    "benchmark",
    "report",
    "ablate",
    "regions",
    "doctor",
)


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    wsss-tf {command}" in result.output


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_crf_at_the_end_can_be_asked_for_and_refused(command):
    assert "--crf / --no-crf" in invoke(command, "--help").output


def test_every_command_is_in_the_group():
    assert sorted(main.commands) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tran",), "No such command"),
        (("train", "scenes"), "Missing option '--out'"),
        (("predict", "no_run", "photo.jpg", "--out", "x"), "does not exist"),
    ],
)
def test_usage_errors_exit_with_2(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "no_such_recipe"), "no_such_recipe"),
        (("train", "scenes", "--set", "segment.step=3"), "segment.steps"),
        (("train", "scenes", "--set", "segment.steps=many"), "segment.steps"),
        (("train", "scenes", "--set", "data.source=tagged_folder"), "data.root"),
        (("train", "scenes", "--set", "masks.crf=dense"), "{mode: dense}"),
        (("train", "scenes", "--set", "inference.crf.sigma=3"), "did you mean inference.crf."),
        (("masks", "voc_tags", "--set", "data.root=x"), "makes no masks"),
    ],
)
def test_bad_recipes_are_one_message_and_leave_nothing(tmp_path, arguments, message):
    result = invoke(*arguments, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    for command, rest in (("evaluate", ()), ("predict", ("photo.jpg", "--out", tmp_path / "o"))):
        result = invoke(command, tmp_path, *rest)
        assert result.exit_code == 2
        assert "recipe.yaml is missing" in result.output

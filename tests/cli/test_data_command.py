"""`wsss-tf data`: the group, and what `data prepare` prints, refuses and needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from wsss_tf.cli.data import data
from wsss_tf.cli.main import main
from wsss_tf.data.prepare import coco, voc, youtube_objects

RECORD = {"photos": 12_031, "masks": 12_031, "splits": {"train": 1464, "val": 1449}}
PREPARE = ("coco", "voc", "youtube_objects")


def invoke(*arguments):
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def test_the_commands_of_the_group():
    assert sorted(data.commands) == ["check", "init", "prepare"]
    assert sorted(data.commands["prepare"].commands) == sorted(PREPARE)


@pytest.mark.parametrize(
    "names", [("prepare",), *(("prepare", name) for name in PREPARE), ("check",), ("init",)]
)
def test_help_shows_an_example(names):
    result = invoke(*names, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    wsss-tf data {' '.join(names)}" in result.output


@pytest.fixture
def called(monkeypatch):
    """Replaces the preparations by one that says what it was called with."""
    calls = []

    def prepared(request, **options):
        calls.append((request, options))
        request.say("a line for the user")
        return RECORD

    monkeypatch.setattr(voc, "prepare_voc", prepared)
    monkeypatch.setattr(coco, "prepare_coco", prepared)
    monkeypatch.setattr(youtube_objects, "prepare_youtube_objects", prepared)
    return calls


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("voc",), {}),
        (("coco",), {"year": 2014}),
        (("coco", "--year", "2017"), {"year": 2017}),
        (("youtube_objects",), {"frames": 2200}),
        (("youtube_objects", "--frames", 5), {"frames": 5}),
        (("voc", "--download", "--workers", 3), {"download": True, "workers": 3}),
        (("coco", "--any-archive"), {"any_archive": True, "year": 2014}),
    ],
)
def test_options_reach_the_preparation_and_streams_are_apart(called, arguments, expected):
    result = invoke("prepare", *arguments, "--root", "a", "--out", "b")
    assert result.exit_code == 0, result.output
    (request, options) = called[0]
    common = {name: getattr(request, name) for name in ("download", "any_archive", "workers")}
    assert (request.root, request.out) == (Path("a"), Path("b"))
    assert common | options == {
        "download": False,
        "any_archive": False,
        "workers": None,
        **expected,
    }
    assert result.stdout == ("b: 12,031 photos, 12,031 masks; lists: train 1,464, val 1,449.\n")
    assert result.stderr == "a line for the user\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage: main data prepare"),
        (("imagenet",), "No such command 'imagenet'"),
        (("voc", "--out", "b"), "Missing option '--root'"),
        (("voc", "--root", "a"), "Missing option '--out'"),
        (("voc", "--root", "a", "--out", "b", "--workers", 0), "--workers"),
        (("coco", "--root", "a", "--out", "b", "--year", "2015"), "2015"),
        (("youtube_objects", "--root", "a", "--out", "b", "--frames", 0), "--frames"),
    ],
)
def test_usage_errors_exit_with_2(called, arguments, message):
    result = invoke("prepare", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert called == []


@pytest.mark.parametrize("name", PREPARE)
def test_a_root_that_is_not_there_is_one_message_and_leaves_nothing(tmp_path, name):
    result = invoke("prepare", name, "--root", tmp_path / "gone", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_that_the_command_goes_on(monkeypatch):
    def stopped(request):
        raise KeyboardInterrupt

    monkeypatch.setattr(voc, "prepare_voc", stopped)
    result = invoke("prepare", "voc", "--root", "a", "--out", "b")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. The same command goes on where this one ended.\n"


def test_preparing_needs_no_tensorflow(tmp_path):
    source = (
        "import sys, wsss_tf.data.prepare.voc, wsss_tf.data.prepare.coco\n"
        "import wsss_tf.data.prepare.youtube_objects\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'scipy')))\n"
    )
    assert subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=False).returncode == 0


def test_options_are_the_same_for_all():
    context = click.Context(main)
    for name in PREPARE:
        command = data.commands["prepare"].commands[name]
        options = {option for p in command.get_params(context) for option in p.opts}
        assert {"--root", "--out", "--download", "--workers"} <= options
        # Of YouTube-Objects no original is known.
        assert ("--any-archive" in options) == (name != "youtube_objects")

"""requirements.py against setup.cfg and the commands, and its message for a missing extra."""

from __future__ import annotations

import configparser
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wsss_tf import requirements
from wsss_tf.cli.doctor import doctor
from wsss_tf.cli.main import main
from wsss_tf.errors import WsssError
from wsss_tf.requirements import Package

ABSENT = Package("no_such_module_anywhere", ("no-such-distribution",))


@pytest.fixture(scope="module")
def asked() -> dict[str, set[str]]:
    """Distributions that setup.cfg asks for: "base" and each extra, other extras followed."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(Path(__file__).resolve().parents[1] / "setup.cfg", encoding="utf-8")
    lists = {"base": parser["options"]["install_requires"], **parser["options.extras_require"]}
    names = {
        extra: [re.match(r"[\w-]+(\[\w+\])?", line).group() for line in value.split("\n") if line]
        for extra, value in lists.items()
    }

    def follow(extra: str) -> set[str]:
        found = set()
        for name in names[extra]:
            inner = re.fullmatch(r"wsss-tf\[(\w+)\]", name)
            found |= follow(inner.group(1)) if inner else {name.split("[")[0].lower()}
        return found

    return {extra: follow(extra) for extra in names}


def test_base_is_that_of_setup_cfg(asked):
    assert {package.name for package in requirements.BASE} == asked["base"]


def test_extras_are_those_of_setup_cfg(asked):
    assert set(requirements.EXTRAS) == set(asked) - {"base", "dev"}


@pytest.mark.parametrize("extra", requirements.EXTRAS)
def test_packages_of_an_extra_are_those_of_setup_cfg(asked, extra):
    packages = requirements.EXTRAS[extra]
    assert len(packages) == len(asked[extra])
    for name in asked[extra]:
        assert any(name in package.distributions for package in packages)


def test_commands_exist_and_extras_too():
    assert {command.split()[0] for command in requirements.COMMANDS} <= set(main.commands)
    assert {extra for extras in requirements.COMMANDS.values() for extra in extras} <= set(
        requirements.EXTRAS
    )


def test_require_what_is_there(monkeypatch):
    monkeypatch.setitem(requirements.EXTRAS, "train", (Package("json", ("json",)),))
    assert requirements.require("train") is None


@pytest.fixture
def without_train(monkeypatch):
    """Stands for an installation of the base: one package of [train] is missing."""
    numpy = Package("numpy", ("numpy",))
    monkeypatch.setitem(requirements.EXTRAS, "train", (numpy, ABSENT))


def test_require_names_the_pip_command(without_train):
    with pytest.raises(WsssError) as caught:
        requirements.require("train")
    assert str(caught.value) == (
        "This needs no-such-distribution, not installed here. "
        'Install with: pip install "wsss-tf[train]"'
    )


def test_a_command_stops_with_that_message(without_train, tmp_path):
    result = CliRunner().invoke(main, ["train", "scenes", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert 'pip install "wsss-tf[train]"' in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "run").exists()


@pytest.fixture
def without_devices(monkeypatch):
    """Neither TensorFlow nor onnxruntime is there."""
    absent = ("tensorflow", "onnxruntime", ABSENT.module)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name)
    )


def test_doctor_says_what_is_missing(without_train, without_devices):
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"wsss-tf \d+\.\d+\.\d+, Python 3\.\d+\.\d+, .+", lines[0])
    table = [" ".join(line.split()) for line in lines]
    version = Package("numpy", ("numpy",)).found()[0][1]
    assert f"numpy {version} [train]" in table
    assert 'no-such-distribution missing [train] pip install "wsss-tf[train]"' in table
    assert "tensorflow not installed" in table
    assert 'train cannot run needs no-such-distribution: pip install "wsss-tf[train]"' in table


def test_doctor_warns_of_two_onnxruntimes(without_devices, monkeypatch):
    both = Package("json", ("numpy", "click"))
    extras = {"coco": (), "regions": (), "train": (), "onnx-cpu": (both,)}
    monkeypatch.setattr(requirements, "EXTRAS", extras)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    assert "numpy and click fill the same folder and break each other" in result.stdout


@pytest.mark.slow
def test_doctor_names_the_devices():
    pytest.importorskip("tensorflow")
    pytest.importorskip("onnxruntime")
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    assert re.search(r"^  tensorflow +CPU:0", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^  onnxruntime +.*CPU", result.stdout, flags=re.MULTILINE)


def test_doctor_survives_a_library_that_does_not_load(monkeypatch, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libcudnn.so.9: not found')")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('built for another numpy')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("tensorflow", "onnxruntime"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    assert "cannot be loaded  libcudnn.so.9: not found" in result.stdout
    assert "cannot be loaded  built for another numpy" in result.stdout

"""setup.cfg against the folders: nothing that is installed may be left out of the wheel."""

from __future__ import annotations

import configparser
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wsss_tf

ROOT = Path(__file__).resolve().parents[1]
INSTALLED_INSIDE = ("cli", "configs", "export", "serving")


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def package_of(folder: Path) -> str:
    """`wsss_tf/data` -> wsss_tf.data, `cli` -> wsss_tf.cli."""
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "wsss_tf" else ("wsss_tf", *parts))


def folders() -> list[Path]:
    """Every folder that holds something to install."""
    roots = [ROOT / name for name in ("wsss_tf", *INSTALLED_INSIDE)]
    inside = [path for root in roots for path in root.rglob("*") if path.is_dir()]
    return [folder for folder in roots + inside if "__pycache__" not in folder.parts]


def tracked_files(folder: Path) -> list[Path]:
    """What git would ship of `folder`, sub-folders not included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    listed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [folder / name for name in listed.stdout.splitlines() if "/" not in name]


def words(value: str) -> list[str]:
    return [word for word in re.split(r"[,\n]\s*", value.strip()) if word]


def test_packages_are_the_folders(setup_cfg):
    listed = words(setup_cfg["options"]["packages"])
    assert sorted(listed) == listed == sorted(package_of(folder) for folder in folders())


def test_package_dir_maps_the_root_folders(setup_cfg):
    lines = (line.split("=") for line in words(setup_cfg["options"]["package_dir"]))
    mapping = {package.strip(): folder.strip() for package, folder in lines}
    expected = {f"wsss_tf.{name}": name for name in INSTALLED_INSIDE}
    assert mapping == {"wsss_tf": "wsss_tf", **expected}


def test_every_folder_is_a_package():
    assert [folder for folder in folders() if not (folder / "__init__.py").is_file()] == []


def test_data_files_are_listed(setup_cfg):
    patterns = setup_cfg["options.package_data"]
    left_out = [
        path.relative_to(ROOT)
        for folder in folders()
        for path in tracked_files(folder)
        if path.suffix != ".py"
        and not any(
            fnmatch.fnmatch(path.name, pattern)
            for pattern in words(patterns.get(package_of(folder), ""))
        )
    ]
    assert left_out == []


@pytest.mark.parametrize("name", INSTALLED_INSIDE)
def test_nothing_of_that_name_at_the_top(name, tmp_path):
    """`import cli` works in a checkout's root only; installed, the package is wsss_tf.cli."""
    source = (
        "import importlib, importlib.util, sys\n"
        f"assert importlib.import_module('wsss_tf.{name}').__name__ == 'wsss_tf.{name}'\n"
        f"found = importlib.util.find_spec('{name}')\n"
        "sys.exit(f'found {found}' if found else 0)\n"
    )
    # -P and a neutral folder: the checkout's root must not be on the path.
    command = [sys.executable, "-P", "-c", source]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_version_is_the_changelogs_or_unreleased():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert releases[0] == "Unreleased"
    assert re.fullmatch(r"\d+\.\d+\.\d+", wsss_tf.__version__)
    assert releases[1:] == [] or releases[1] == wsss_tf.__version__


def test_no_path_of_a_machine_is_written_down():
    """Paths like a home folder's mean nothing to who reads the project elsewhere."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pattern = re.compile(rb"/(?:root|home/\w+|Users/\w+)/|/work/\w|/tmp/\w")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path == Path(__file__).resolve() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content and pattern.search(content):
            found.append(name)
    assert found == []

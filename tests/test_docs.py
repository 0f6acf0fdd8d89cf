"""What the documents say exists: their links, the commands of the README, and its length."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from wsss_tf.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/data.md",
    "docs/deploy.md",
    "docs/experiments.md",
)
WITH_COMMANDS = ("README.md", "docs/data.md", "docs/deploy.md", "docs/experiments.md")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def shell_lines(name: str = "README.md") -> list[str]:
    """Every line of a shell code block in a document, continued lines joined."""
    text = (ROOT / name).read_text(encoding="utf-8")
    # Every block, whatever its language: the end of one must not pass for the start of another.
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    shell = [code for language, code in blocks if language in ("", "bash", "sh", "console")]
    lines = "\n".join(shell).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if line.strip()]


def commands(program: str, name: str = "README.md") -> list[list[str]]:
    """A document's uses of `program`, each split into words, comments left out."""
    found = [shlex.split(line, comments=True) for line in shell_lines(name)]
    return [words for words in found if words and words[0] == program]


def anchors(path: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_resolve(name):
    text = without_code((ROOT / name).read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"", text)
    broken = []
    for link in (first or second for first, second in links):
        if re.match(r"(?:https?|mailto):", link):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / name).parent / target if target else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert 20 < len(lines) <= 150


def test_readme_shows_the_two_first_commands():
    assert ["make", "demo"] in commands("make")
    assert ["make", "test"] in commands("make")


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    used = {word for words in commands("make") for word in words[1:] if "=" not in word}
    assert used <= targets


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_wsss_tf_commands_parse(name):
    """Each command of a document exists, and so does every option that is given to it."""
    uses = commands("wsss-tf", name)
    assert uses
    wrong = []
    for words in uses:
        command, names = main, words[1:]
        while isinstance(command, click.Group) and names:
            command = command.commands.get(names.pop(0))
        if command is None:
            wrong.append(" ".join(words))
            continue
        known = {name for parameter in command.params for name in parameter.opts}
        known |= {name for parameter in command.params for name in parameter.secondary_opts}
        known |= set(command.get_help_option_names(click.Context(command)))
        given = {word.split("=")[0] for word in words[2:] if word.startswith("-")}
        wrong += [f"{' '.join(words)}: {name}" for name in given - known]
    assert wrong == []


@pytest.mark.parametrize("document", WITH_COMMANDS)
def test_files_named_by_commands_exist(document):
    """Words like configs/x.yaml in a command are files of this project."""
    lines = shell_lines(document)
    names = [word for line in lines for word in re.findall(r"[\w./-]+\.(?:yaml|py)", line)]
    own = [name for name in names if name.split("/")[0] in ("configs", "tests", "cli", "wsss_tf")]
    assert [name for name in own if not (ROOT / name).exists()] == []

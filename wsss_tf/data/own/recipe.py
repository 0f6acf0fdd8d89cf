"""The recipe for a user's own folder: the packaged `tagged_folder`, with the folder filled in."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from wsss_tf.config import DataSettings, Recipe, recipe_path
from wsss_tf.config.messages import problem_lines
from wsss_tf.config.yaml_text import parse
from wsss_tf.data.own.layouts import guess_splits, read_layout
from wsss_tf.data.sources import DataSet, open_dataset
from wsss_tf.errors import ConfigError, DataError
from wsss_tf.files import write_text
from wsss_tf.labels import palette

_SCHEDULE_PHOTOS = 1000
"""Training photos that the schedule of the packaged recipe is for."""


def write_recipe(path: Path, root: Path, *, label_space: str = "auto") -> DataSet:
    """Opens a folder that training can read, and writes a recipe for it, atomically.

    Args:
        path: of the recipe; replaced if it is there.
        root: a tagged, prepared or VOC folder.
        label_space: as `data.label_space`.

    Returns:
        The data set that the recipe opens.

    Raises:
        DataError: the folder is none of these, or training would fail on it: all problems.
        RunError: the recipe cannot be written.
    """
    layout = read_layout(root)
    if layout.source is None:
        reasons = layout.listing.problems[:1] or [f"{root}: is {layout.title}."]
        raise DataError(reasons[0])
    train, evaluated = guess_splits(layout.listing.splits)
    content = {
        "source": layout.source,
        "root": root.resolve(),
        "train_split": train,
        "eval_split": evaluated,
        "label_space": label_space,
    }
    try:
        settings = DataSettings.model_validate(content)
    except ValidationError as error:
        lines = problem_lines(error, DataSettings, lambda key: str(root))
        raise ConfigError("\n".join(lines)) from error
    dataset = open_dataset(settings, root=root)
    text = recipe_text(path, settings, dataset)
    Recipe.model_validate(parse(text)[0])
    write_text(path, text)
    return dataset


def recipe_text(path: Path, settings: DataSettings, dataset: DataSet) -> str:
    """The recipe as commented YAML.

    Args:
        path: where it will lie, for the command in its header.
        settings: the data section.
        dataset: what it opens.
    """
    lines = recipe_path("tagged_folder").read_text(encoding="utf-8").splitlines()
    body = lines[next(i for i, line in enumerate(lines) if not line.startswith("#")) :]
    start = body.index("data:")
    end = body.index("", start)
    data = list(_data_section(settings))
    head = list(_head(path, settings, dataset))
    return "\n".join([*head, *body[:start], *data, *body[end:]]) + "\n"


def _head(path: Path, settings: DataSettings, dataset: DataSet) -> Iterator[str]:
    labels = dataset.labels
    train, evaluated = (dataset.photos[s] for s in (settings.train_split, settings.eval_split))
    share = len(train) / _SCHEDULE_PHOTOS
    schedule = Recipe.model_validate(parse(recipe_path("tagged_folder").read_text("utf-8"))[0])
    localize = schedule.localize.steps if schedule.localize else 0
    counted = f"{len(train):,} photos to train on, {len(evaluated):,} to evaluate"
    yield f"# {labels.num_tags} classes and background; {counted}."
    yield "# Written by `wsss-tf data init`."
    yield "#"
    yield f"# Run:    wsss-tf train {_comment(shlex.quote(str(path)))} --out runs/mine"
    yield "# Expect: no figure to promise; it depends on the photos. Look at RUN/masks first: where"
    yield "#         the masks miss the objects, training will not find them either."
    yield "#"
    steps = [_steps(share * stage) for stage in (localize, schedule.segment.steps)]
    yield "# The lines marked (1) to (4) are worth a look. The schedule (4) is for about a thousand"
    yield f"# photos; in proportion, yours want localize.steps {steps[0]} and segment.steps"
    yield f"# {steps[1]}, and the boundaries at two thirds of them."
    yield "#"
    yield "# Ids in masks and their colours, and the training photos that have the tag:"
    yield "#"
    yield "#      id  colour   photos  class"
    counts = Counter(name for photo in train for name in photo.tags)
    for index, name in enumerate(labels.names):
        colour = "#{:02x}{:02x}{:02x}".format(*palette()[index])
        photos = f"{counts[name]:6,}" if index else " " * 6
        yield f"#     {index:3}  {colour}  {photos}  {_comment(name)}"


def _data_section(settings: DataSettings) -> Iterator[str]:
    same = settings.eval_split == settings.train_split
    yield "data:"
    yield f"  source: {settings.source}"
    yield f"  root: {_quoted(str(settings.root))}   # (1) your folder"
    yield f"  train_split: {_quoted(settings.train_split)}"
    note = "there is no other split" if same else "scored only where its photos have masks"
    yield f"  eval_split: {_quoted(settings.eval_split)}   # {note}"
    yield "  keep: null   # (2) some of the classes, such as [dog, cat]; null takes them all"
    auto = {"prepared": "those of data.json", "voc": "VOC's"}
    meant = auto.get(settings.source, "the names of the tags, sorted")
    yield f"  label_space: {settings.label_space}   # auto: {meant}"


def _steps(steps: float) -> str:
    """A number of steps to two digits, as a recipe has it; at least a hundred."""
    digits = max(len(str(round(steps))) - 2, 1)
    return f"{max(round(steps, -digits), 100):.0f}"


def _quoted(text: str) -> str:
    """A text as YAML in double quotes; a path may hold quotes, line ends and no characters."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text) + '"'


def _comment(name: str) -> str:
    """A name as it may stand in a comment of YAML."""
    return name if name.isprintable() else _quoted(name)

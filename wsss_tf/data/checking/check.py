"""Checks a folder of photos as a whole: what would stop training, what is doubtful, what is in it.

Training itself opens no mask. This does, where there are any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wsss_tf.config import DataSettings
from wsss_tf.config.messages import problem_lines
from wsss_tf.data.checking.facts import Facts
from wsss_tf.data.checking.figures import Figures, figures
from wsss_tf.data.checking.findings import all_findings
from wsss_tf.data.checking.kinds import Group, Severity, grouped
from wsss_tf.data.checking.scanning import MaskFile, PhotoFile, scan
from wsss_tf.data.listing import Entry
from wsss_tf.data.own.layouts import Layout, guess_splits, read_layout
from wsss_tf.data.sources import open_dataset
from wsss_tf.errors import ConfigError, DataProblems
from wsss_tf.labels import BACKGROUND, LabelSpace, from_tags, label_space


@dataclass(frozen=True)
class CheckOptions:
    """How to check; None for what the folder itself says.

    Attributes:
        train_split, eval_split, keep, label_space: as in the `data` section of a recipe.
        deep: whether to decode every photo, too.
    """

    train_split: str | None = None
    eval_split: str | None = None
    keep: tuple[str, ...] | None = None
    label_space: str | None = None
    deep: bool = False


@dataclass(frozen=True)
class Check:
    """What a check has found.

    Attributes:
        layout: what the folder was taken for.
        labels: the kept classes; None where no label space can be made of the tags.
        train_split, eval_split: that were taken for training and for scoring.
        entries: every photo of every list.
        masks: number of masks that were opened.
        groups: the findings by kind.
        figures: classes and sizes.
        deep: whether every photo was decoded.
    """

    layout: Layout
    labels: LabelSpace | None
    train_split: str
    eval_split: str
    entries: tuple[Entry, ...]
    masks: int
    groups: tuple[Group, ...]
    figures: Figures
    deep: bool
    mask_paths: dict[Path, Path] = field(default_factory=dict)

    @property
    def would_train(self) -> bool:
        """Whether training would start, and not stop at a file that was looked at."""
        return all(group.kind.severity is not Severity.TRAINING for group in self.groups)

    @property
    def splits(self) -> dict[str, int]:
        """Number of photos by split."""
        return dict(Counter(entry.split for entry in self.entries))

    @property
    def photos(self) -> tuple[Path, ...]:
        """Every photo once."""
        return tuple(dict.fromkeys(entry.path for entry in self.entries))


def check_folder(
    root: Path,
    options: CheckOptions,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Check:
    """Checks all that a folder holds; reads every photo's header and content, and every mask.

    Args:
        root: an existing folder.
        options: how to.
        progress: called with the number of photos done and of all.

    Raises:
        ConfigError: an option cannot be right for any data.
    """
    layout = read_layout(root)
    entries = layout.listing.entries
    settings, faults = _settings(layout, options)
    full = _full_labels(layout, settings)
    labels = _kept(full, settings)
    masks = _mask_paths(layout)
    photos = list(dict.fromkeys(entry.path for entry in entries))
    pairs = [(path, masks.get(path)) for path in photos]
    scanned = scan(pairs, max_pixels=settings.max_pixels, deep=options.deep, progress=progress)
    photo_files: dict[Path, PhotoFile] = {}
    mask_files: dict[Path, MaskFile] = {}
    for path, (photo, mask) in zip(photos, scanned, strict=True):
        photo_files[path] = photo
        if mask is not None:
            mask_files[path] = mask
    facts = Facts(
        layout, settings, full, labels, photo_files, mask_files, masks, _training(layout, settings)
    )
    headers = [photo.header for photo in photo_files.values() if photo.header]
    return Check(
        layout=layout,
        labels=labels,
        train_split=settings.train_split,
        eval_split=settings.eval_split,
        entries=tuple(entries),
        masks=len(mask_files),
        groups=grouped(list(all_findings(facts, faults))),
        figures=figures(labels.tags if labels else (), entries, headers),
        deep=options.deep,
        mask_paths={path: masks[path] for path in mask_files},
    )


def _settings(layout: Layout, options: CheckOptions) -> tuple[DataSettings, list[str]]:
    """The data section to train with, and what of the folder itself no recipe could say."""
    guessed = guess_splits(layout.listing.splits)
    given = {
        "train_split": options.train_split,
        "eval_split": options.eval_split,
        "keep": options.keep,
        "label_space": options.label_space,
    }
    # A folder that no source reads is trained on as what `data init` makes of it.
    content: dict[str, Any] = {"source": layout.source or "tagged_folder", "root": layout.root}
    wanted = {key: value for key, value in given.items() if value is not None}
    try:
        DataSettings.model_validate({**content, **wanted})
    except ValidationError as error:
        lines = problem_lines(error, DataSettings, lambda key: f"--{key.replace('_', '-')}")
        raise ConfigError("\n".join(lines)) from error
    names = {"train_split": guessed[0], "eval_split": guessed[1]}
    try:
        return DataSettings.model_validate({**content, **names, **wanted}), []
    except ValidationError as error:
        lines = problem_lines(error, DataSettings, lambda key: "the split")
        return DataSettings.model_validate({**content, **wanted}), lines


def _full_labels(layout: Layout, settings: DataSettings) -> LabelSpace | None:
    """The label space that masks are written in, as training has it; None where there is none."""
    if settings.label_space != "auto":
        return label_space(settings.label_space)
    if layout.source == "voc":
        return label_space("voc")
    if layout.source == "prepared":
        return layout.listing.labels
    try:
        names = {name for entry in layout.listing.entries for name in entry.tags}
        return from_tags(names - {"", BACKGROUND})
    except ValueError:
        return None


def _kept(full: LabelSpace | None, settings: DataSettings) -> LabelSpace | None:
    if full is None or settings.keep is None:
        return full
    try:
        return full.keep(settings.keep)
    except ValueError:
        return full


def _mask_paths(layout: Layout) -> dict[Path, Path]:
    """Where the mask of each photo would be; nowhere in folders that name masks in no way."""
    if layout.source is None:
        return {}
    folder = layout.listing.mask_folder
    return {entry.path: folder / f"{entry.id}.png" for entry in layout.listing.entries}


def _training(layout: Layout, settings: DataSettings) -> tuple[str, ...]:
    """What training itself would refuse the folder for."""
    if layout.name == "none":
        return tuple(layout.listing.problems)
    if layout.source is not None:
        try:
            open_dataset(settings, root=layout.root)
        except DataProblems as error:
            return error.problems
        return ()
    problems = list(layout.listing.problems)
    names = {name for entry in layout.listing.entries for name in entry.tags}
    try:
        from_tags(names)
    except ValueError as error:
        problems.append(f"{layout.title}: {error}")
    if settings.train_split not in layout.listing.splits:
        problems.append(f"{layout.root}: the split {settings.train_split!r} has no photo.")
    return tuple(problems)

"""All that is known of a folder once its files were looked at: what findings are drawn from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wsss_tf.config import DataSettings
from wsss_tf.data.checking.scanning import MaskFile, PhotoFile
from wsss_tf.data.listing import Entry
from wsss_tf.data.own.layouts import Layout
from wsss_tf.labels import UNKNOWN, LabelSpace


@dataclass(frozen=True)
class Facts:
    """All that is known of a folder.

    Attributes:
        layout: with its entries.
        settings: to train with.
        full: the label space of the ids in masks; None where there is none.
        labels: the kept classes; None likewise.
        photos: by path.
        masks: by the path of their photo; those that exist.
        mask_paths: where each photo's mask would be.
        training: the lines that training would refuse the folder with.
    """

    layout: Layout
    settings: DataSettings
    full: LabelSpace | None
    labels: LabelSpace | None
    photos: dict[Path, PhotoFile]
    masks: dict[Path, MaskFile]
    mask_paths: dict[Path, Path]
    training: tuple[str, ...]

    @property
    def entries(self) -> list[Entry]:
        """Every photo of every list."""
        return self.layout.listing.entries

    @cached_property
    def by_path(self) -> dict[Path, Entry]:
        """Each photo once, as the first list has it."""
        found: dict[Path, Entry] = {}
        for entry in self.entries:
            found.setdefault(entry.path, entry)
        return found

    @cached_property
    def splits_of(self) -> dict[Path, frozenset[str]]:
        """The splits that each photo is in."""
        found: dict[Path, set[str]] = defaultdict(set)
        for entry in self.entries:
            found[entry.path].add(entry.split)
        return {path: frozenset(splits) for path, splits in found.items()}

    @cached_property
    def known_ids(self) -> frozenset[int]:
        """The ids that a mask may have, 255 among them; all where there is no label space."""
        if self.full is None or self.labels is None:
            return frozenset(range(256))
        table = self.labels.ids_from(self.full)
        return frozenset(np.flatnonzero(table != UNKNOWN).tolist())

    def opened(self, path: Path) -> bool:
        """Whether opening the data set to train looks at this photo."""
        if self.layout.source in ("voc", "prepared"):
            used = {self.settings.train_split, self.settings.eval_split}
            return bool(self.splits_of[path] & used)
        return True

    def name(self, path: Path) -> str:
        """The path as a user would write it: below the folder."""
        return relative(path, self.layout.root)

    def short(self, text: str, path: Path) -> str:
        """A message about a file, with its name in place of its whole path."""
        return text.replace(str(path), self.name(path), 1)


def relative(path: Path, root: Path) -> str:
    """The path below `root`, or the whole path where it is not below."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)

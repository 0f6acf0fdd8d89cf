"""A label space: class names, their ids, tag vectors and the conversion of masks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACKGROUND = "background"
IGNORE = 255
"""Pixel id of "unknown, not scored": VOC's void."""
UNKNOWN = 254
"""Pixel id that `LabelSpace.ids_from` gives to ids outside the label space: a broken mask."""


@dataclass(frozen=True)
class LabelSpace:
    """Class names in the order of their ids; id 0 is the background.

    Args:
        names: `"background"`, then the foreground classes; unique, at most 254 with the background
            (254 and 255 are reserved).

    Raises:
        ValueError: the names break one of these rules.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names or self.names[0] != BACKGROUND:
            raise ValueError(
                f"`names` must start with 'background' (id 0). Received: names={self.names[:3]}."
            )
        if len(self.names) > UNKNOWN:
            raise ValueError(
                f"`names` must have at most {UNKNOWN} names: ids 254 and 255 are reserved. "
                f"Received: {len(self.names)} names. Keep fewer classes."
            )
        for index, name in enumerate(self.names):
            if not isinstance(name, str) or not name or name != name.strip():
                raise ValueError(
                    "`names` must be texts that are not empty and have no space at either end. "
                    f"Received: names[{index}]={name!r}."
                )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"`names` must not repeat a name. Received twice: {twice}.")

    @property
    def tags(self) -> tuple[str, ...]:
        """The foreground classes: the columns of a tag vector, in order."""
        return self.names[1:]

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.names)

    @property
    def num_tags(self) -> int:
        """Number of foreground classes: the length of a tag vector."""
        return len(self.names) - 1

    def index(self, name: str) -> int:
        """Returns the pixel id of a class; ValueError with the nearest name for an unknown one."""
        if name not in self.names:
            raise ValueError(self._unknown(name))
        return self.names.index(name)

    def nearest(self, name: str) -> str | None:
        """Returns the valid name closest in spelling, or None where nothing is close."""
        folded = {valid.lower(): valid for valid in self.names}
        close = difflib.get_close_matches(name.lower(), folded, n=1)
        return folded[close[0]] if close else None

    def tag_vector(self, names: Iterable[str]) -> NDArray[np.float32]:
        """Returns float32 [num_tags]: 1 for each named class, 0 elsewhere; no background column.

        Raises:
            ValueError: a name is unknown, or is the background.
        """
        vector = np.zeros(self.num_tags, np.float32)
        for name in _checked(names):
            if name == BACKGROUND:
                raise ValueError(
                    "`names` must be foreground classes: background is in every photo and is no "
                    "tag. Received: 'background'. Drop it."
                )
            vector[self.index(name) - 1] = 1.0
        return vector

    def keep(self, names: Iterable[str]) -> LabelSpace:
        """Returns the label space of these classes and the background, in the order of this one.

        Raises:
            ValueError: a name is unknown, or no foreground class is left.
        """
        wanted = set(_checked(names)) | {BACKGROUND}
        for name in sorted(wanted):
            self.index(name)
        if wanted == {BACKGROUND}:
            raise ValueError("`names` must name at least one foreground class. Received: none.")
        return LabelSpace(tuple(name for name in self.names if name in wanted))

    def ids_from(self, full: LabelSpace) -> NDArray[np.uint8]:
        """Returns the lookup table from the ids of `full` to the ids of this label space.

        Args:
            full: the label space that mask files are written in; it has every class of this one.

        Returns:
            uint8 [256]: `table[mask]` converts a mask. Classes of `full` that are not kept become
            255 (ignored), 255 stays 255, and ids beyond `full` become 254 (`UNKNOWN`).

        Raises:
            ValueError: `full` lacks a class of this label space.
        """
        table = np.full(256, UNKNOWN, np.uint8)
        table[: full.num_classes] = IGNORE
        table[IGNORE] = IGNORE
        for target, name in enumerate(self.names):
            table[full.index(name)] = target
        return table

    def _unknown(self, name: str) -> str:
        near = self.nearest(name) if isinstance(name, str) else None
        names = ", ".join(self.names) if self.num_classes <= 24 else f"{self.num_classes} names"
        hint = f"Did you mean {near!r}?" if near else f"The label space has: {names}."
        return f"`name` must be a class of the label space. Received: name={name!r}. {hint}"


def from_tags(names: Iterable[str]) -> LabelSpace:
    """Returns the label space of a user's own tags: background, then the names sorted, each once.

    Raises:
        ValueError: no name at all, too many, an empty one, or one that is "background".
    """
    unique = sorted(set(_checked(names)))
    if not unique:
        raise ValueError("`names` must have at least one tag. Received: none.")
    if BACKGROUND in unique:
        raise ValueError(
            "`names` must not have 'background': it is in every photo and always id 0. Drop it."
        )
    return LabelSpace((BACKGROUND, *unique))


def _checked(names: Iterable[str]) -> tuple[str, ...]:
    # A text is an iterable of letters, which would give a puzzling message further on.
    if isinstance(names, str):
        raise ValueError(f"`names` must be a list of names. Received: names={names!r}.")
    return tuple(names)

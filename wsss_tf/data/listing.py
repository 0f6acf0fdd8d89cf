"""What a source lists before any photo is opened: the meeting point of the layouts on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wsss_tf.files import require_regular
from wsss_tf.labels import LabelSpace


@dataclass(frozen=True)
class Entry:
    """One photo as a list names it.

    Attributes:
        split: name of the split.
        path: of the photo.
        tags: class names as written, in order; possibly unknown, empty or repeated.
        where: the place to mend, such as "tags.csv:12".
    """

    split: str
    path: Path
    tags: tuple[str, ...]
    where: str

    @property
    def id(self) -> str:
        """The stem of the photo's file name, which its masks share."""
        return self.path.stem


@dataclass
class Listing:
    """The entries of a source, and what was wrong in its lists.

    Attributes:
        entries: in the order of the lists; an entry with a problem of its own is left out.
        files: every list that was read.
        problems: one line for each.
        splits: names of the splits that list a photo, with a problem or without.
        mask_folder: where `<id>.png` lies; listing and training never open it.
        other_truth: folders of further pixel labels, which nothing opens.
        labels: the classes that the source itself names; None where it does not.
    """

    mask_folder: Path
    other_truth: tuple[Path, ...] = ()
    labels: LabelSpace | None = None
    entries: list[Entry] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)
    _photos: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def add(self, entry: Entry, *, scope: str = "") -> None:
        """Adds an entry, or the problem that its photo or its id is already there.

        Args:
            entry: the entry.
            scope: within which an id must be unique; a layout that may repeat a photo in several
                lists gives the name of the list.
        """
        first = self._photos.setdefault((scope, entry.id), entry)
        if first is entry:
            self.entries.append(entry)
        elif first.path == entry.path:
            self.problems.append(
                f"{entry.where}: {entry.path} is listed twice, first in {first.where}. "
                "Remove one of the two."
            )
        else:
            self.problems.append(
                f"{entry.where}: {entry.path} and {first.path} ({first.where}) have the same stem "
                f"{entry.id!r}, which names the mask of a photo. Rename one of the two."
            )

    def read_text(self, path: Path, *, fix: str) -> str | None:
        """Text of a list, which counts as read; None and a problem where it cannot be read."""
        try:
            require_regular(path)
            content = path.read_bytes()
        except OSError as error:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
            self.problems.append(f"{path}: {reason}. {fix}")
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.problems.append(
                f"{path}:{line}: must be UTF-8 text. Received: byte 0x{content[error.start]:02x}. "
                "Save the file as UTF-8."
            )
            return None
        self.files.append(path)
        return text

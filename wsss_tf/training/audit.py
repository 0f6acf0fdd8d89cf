"""The tags-only audit: whether a pixel label is among the files that a run read before evaluation.

A part of evaluation: it reads the bytes of all masks, to know one that was copied elsewhere.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsss_tf.data import DataSet
from wsss_tf.errors import RunError
from wsss_tf.files import sha256
from wsss_tf.training.run import files_read, headers_read
from wsss_tf.training.run_folder import RunFolder

KINDS = ("files", "headers", "kept")
"""The lists in run.json, as `RunFolder.record_files` has them."""
_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Attributes:
        files: how many files run.json lists.
        labels: how many files of pixel labels they were held against; with 0, masks being away,
            only a listed file that lies in their folder would be found.
        pixel_labels: one line for each of them that is a pixel label of the data set.
        gaps: why the list cannot be relied on, one line each.
        changed: listed files that have other content today; no failure, for the digest of what
            was read is on record.
    """

    files: int
    labels: int = 0
    pixel_labels: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    changed: tuple[Path, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the list is whole and no pixel label is on it."""
        return not self.pixel_labels and not self.gaps

    def summary(self) -> dict[str, Any]:
        """For JSON: {"files": N, "labels": N, "passed": bool, "changed": number of files}."""
        counts = {"files": self.files, "labels": self.labels}
        return {**counts, "passed": self.passed, "changed": len(self.changed)}

    def __str__(self) -> str:
        if self.passed:
            found = f"Audit: {self.files} files read before evaluation, no pixel label among them"
            if self.labels:
                return f"{found}, by place and by the content of {self.labels} labels."
            return f"{found}, by place alone: no label is here whose content could be compared."
        return "\n  ".join(
            [
                f"Audit: {self.files} files are listed as read before evaluation, and",
                *_first(self.pixel_labels, "more pixel labels"),
                *_first(self.gaps, "more gaps"),
            ]
        )


def audit(run: RunFolder, dataset: DataSet) -> AuditResult:
    """Holds the files on record in run.json against the pixel labels of all splits.

    A listed file is a pixel label if it lies in a folder of them, by whatever links; if it is the
    same file as one, under another name; or if what was read had the bytes of one. A mask that was
    written anew in another form is not known again.

    Args:
        run: finished or not.
        dataset: that it was trained on. Its masks may be away: then their folder is what counts.

    Raises:
        RunError: run.json or a pixel label cannot be read.
    """
    record = run.record()
    gaps = [_gap(kind, record) for kind in KINDS if not _is_list(record, kind)]
    if gaps:
        return AuditResult(files=0, gaps=tuple(gaps))
    listed = {Path(name): digest for kind in KINDS for name, digest in record.get(kind, {}).items()}
    now = {path: _digest(path) for path, digest in listed.items() if digest is not None}
    truth = _Truth(dataset)
    return AuditResult(
        files=len(listed),
        labels=len(truth.by_file),
        pixel_labels=tuple(line for item in listed.items() for line in truth.lines(*item)),
        gaps=tuple(_unlisted(run, dataset, listed)),
        changed=tuple(path for path, digest in now.items() if digest not in (None, listed[path])),
    )


def require_tags_only(run: RunFolder, dataset: DataSet) -> AuditResult:
    """`audit`, for those who go on only if it passes; warns of files that have changed since.

    Raises:
        RunError: it does not; names the first offending files.
    """
    found = audit(run, dataset)
    if found.changed:
        logger.warning(
            "%d files have changed since the run read them, %s the first; the audit goes by what "
            "was read.",
            len(found.changed),
            found.changed[0],
        )
    if found.passed:
        return found
    if found.pixel_labels:
        fix = "It is no run from tags alone. Train anew, from data without these files."
    else:
        fix = "Call `wsss-tf train` on it again: what is done is kept, and the list made whole."
    raise RunError(f"{run.path}: {found}\n{fix}")


class _Truth:
    """The pixel labels of all splits: where they lie, which files they are, what is in them."""

    def __init__(self, dataset: DataSet) -> None:
        folders = (dataset.mask_folder, *dataset.other_truth)
        self.folders = {folder.resolve(): folder for folder in folders}
        self.by_file: dict[tuple[int, int], Path] = {}
        self.by_digest: dict[str, Path] = {}
        for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
            if path.is_file() and path.stat().st_size:
                self.by_file[_identity(path)] = path
                self.by_digest[_label_digest(path)] = path

    def lines(self, path: Path, digest: str | None) -> Iterator[str]:
        """One line if `path`, which had `digest` when it was read, is one of them."""
        real = path.resolve()
        inside = [folder for folder in self.folders if real.is_relative_to(folder)]
        same = self.by_file.get(_identity(path)) if path.exists() else None
        copied = self.by_digest.get(digest or "")
        if inside:
            yield f"{path} lies in {self.folders[inside[0]]}, where pixel labels are."
        elif same:
            yield f"{path} is the pixel label {same} by another name."
        elif copied:
            yield f"{path} is a copy of the pixel label {copied}."


def _unlisted(run: RunFolder, dataset: DataSet, listed: dict[Path, str | None]) -> Iterator[str]:
    """The files that the recipe's stages read for certain, and that the list lacks."""
    digests = set(listed.values())
    for expected in (files_read(run.recipe, dataset), headers_read(run.recipe, dataset)):
        for path in expected:
            # A run or a data set that was moved is known by its content.
            if path.absolute() not in listed and _digest(path) not in (None, *digests):
                yield f"run.json lacks {path}, which its recipe reads."


def _is_list(record: dict[str, Any], kind: str) -> bool:
    """Whether a list is there and well formed; "kept" may be missing, and "headers" empty."""
    listed = record.get(kind, {} if kind == "kept" else None)
    if not isinstance(listed, dict) or (kind == "files" and not listed):
        return False
    return all(value is None if kind == "kept" else _is_digest(value) for value in listed.values())


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64


def _gap(kind: str, record: dict[str, Any]) -> str:
    if kind not in record:
        return f"run.json has no list {kind!r}: an earlier version made it, or it was edited."
    return f"run.json has a list {kind!r} without files or digests: it is unfinished or edited."


def _digest(path: Path) -> str | None:
    """Of a file; None where it cannot be read: data may have moved since."""
    try:
        return sha256(path)
    except OSError:
        return None


def _label_digest(path: Path) -> str:
    digest = _digest(path)
    if digest is None:
        raise RunError(f"{path}: cannot be read, and an audit must know all pixel labels.")
    return digest


def _identity(path: Path) -> tuple[int, int]:
    """Equal for links to one file, hard or symbolic, and for spellings of its name."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _first(lines: tuple[str, ...], rest: str) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more} {rest}"] if more > 0 else [])]

"""Label maps of many photos into a folder, with a manifest that lets a killed call go on."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsss_tf.errors import DataError
from wsss_tf.files import JsonLines, lies_in, lock, read_jsonl, remove, sha256, truncate_jsonl
from wsss_tf.images import as_stored, overlay, read_photo, write_label_map, write_photo
from wsss_tf.serving.segmenter import Segmentation, Segmenter

MANIFEST = "manifest.jsonl"
# Options that change how fast a label map is made, and not which.
_NO_MATTER = ("batch_size", "threads", "max_pixels")


class Outcome(NamedTuple):
    """What became of a photo.

    Attributes:
        row: its line of the manifest.
        kept: True where its label map was there from an earlier call.
    """

    row: dict[str, Any]
    kept: bool


def predict_files(
    segmenter: Segmenter, photos: Sequence[Path], out: Path, *, with_overlay: bool = False
) -> Generator[Outcome, None, None]:
    """Writes out/<stem>.png for each photo, out/<stem>_overlay.jpg if wanted, and the manifest.

    A label map lies in the grid that the photo's file has: the EXIF orientation is applied for the
    network and undone in the label map. An overlay is as displayed.

    out/manifest.jsonl has one line a photo: `photo`, `mask`, `status` ("ok" or "error"), `error`,
    `height` and `width` of the mask, `seconds` of work, `sha256` of the mask's file, and what tells
    whether it is still good: `bytes` and `mtime_ns` of the photo, `settings`. A photo is kept
    from an earlier call, killed or not, where all of these are the same and the files are there.

    Args:
        segmenter: a ready one.
        photos: of different names, as `photo_files` gives them.
        out: made if missing; one call at a time may use it.
        with_overlay: whether overlays are written.

    Yields:
        An `Outcome` of each photo: first those that are kept, then the others in their order.

    Raises:
        DataError: a photo lies in `out`; a label map could take its place.
        RunError: `out` cannot be written to, or another process uses it; what was written before
            is whole, and the same call goes on from there.
    """
    for path in photos:
        if lies_in(path, out):
            raise DataError(f"{path}: lies in --out, where label maps are written. Choose another.")
    with lock(out):
        max_pixels = segmenter.options.max_pixels
        folder = _Folder(out, _settings(segmenter), with_overlay, max_pixels)
        kept = folder.keep(photos)
        for row in kept.values():
            yield Outcome(row, True)
        left = [path for path in photos if _text(path.absolute()) not in kept]
        # Closed here: its threads end before the folder is another call's.
        with contextlib.closing(segmenter(left)) as segmentations:
            for path, found in zip(left, segmentations, strict=True):
                yield Outcome(folder.write(path, found), False)


@dataclasses.dataclass(frozen=True)
class _Folder:
    """Where label maps go, and the manifest of those that are there."""

    out: Path
    settings: str
    with_overlay: bool
    max_pixels: int

    @property
    def manifest(self) -> Path:
        return self.out / MANIFEST

    def keep(self, photos: Iterable[Path]) -> dict[str, dict[str, Any]]:
        """Rows of photos that are done, by photo; rows that are to be made again are dropped."""
        wanted = {f"{_text(path.stem)}.png": path for path in photos}
        good: dict[str, dict[str, Any]] = {}
        for row in read_jsonl(self.manifest):
            path = wanted.get(str(row.get("mask")))
            if path is not None and self._is_good(row, path):
                good[str(row["photo"])] = row
        truncate_jsonl(
            self.manifest,
            lambda row: (
                str(row.get("mask")) not in wanted or good.get(str(row.get("photo"))) == row
            ),
        )
        return good

    def write(self, path: Path, found: Segmentation) -> dict[str, Any]:
        """Writes what there is of a photo, its row last; returns the row."""
        mask = self.out / f"{path.stem}.png"
        row: dict[str, Any] = {"photo": _text(path.absolute()), "mask": _text(mask.name)}
        try:
            labels = as_stored(path, found.labels)
            row |= {"status": "ok", "error": None, "height": labels.shape[0]}
            row |= {"width": labels.shape[1], "seconds": round(found.seconds, 4)}
            row |= _fingerprint(path)
            drawn = self._drawn(path, found) if self.with_overlay else None
        except DataError as error:
            row |= {"status": "error", "error": _about(path, error), "height": None, "width": None}
            row |= {"seconds": round(found.seconds, 4), "sha256": None}
            # Of an earlier call, when there was a photo: it must not pass for that of this one.
            for old in (mask, self._overlay(path)):
                if os.path.lexists(old):
                    remove(old)
        else:
            write_label_map(mask, labels)
            if drawn is not None:
                write_photo(self._overlay(path), drawn)
            row |= {"sha256": sha256(mask)}
        row["settings"] = self.settings
        JsonLines(self.manifest).append(row)
        return row

    def _is_good(self, row: dict[str, Any], path: Path) -> bool:
        mask = self.out / f"{path.stem}.png"
        try:
            expected = {
                "photo": _text(path.absolute()),
                "status": "ok",
                "settings": self.settings,
                "sha256": sha256(mask),
                **_fingerprint(path),
            }
        except (OSError, DataError):
            return False
        drawn = not self.with_overlay or self._overlay(path).is_file()
        return drawn and all(row.get(key) == value for key, value in expected.items())

    def _drawn(self, path: Path, found: Segmentation) -> NDArray[np.uint8]:
        # Read again, as photos held until here would be a window's worth of memory.
        return overlay(read_photo(path, max_pixels=self.max_pixels), found.labels)

    def _overlay(self, path: Path) -> Path:
        return self.out / f"{path.stem}_overlay.jpg"


def _fingerprint(path: Path) -> dict[str, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}. Check the path.") from error
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _settings(segmenter: Segmenter) -> str:
    """Stands for all that a label map hangs on but the photo: the bundle's files, the options."""
    options = dataclasses.asdict(segmenter.options)
    contract = segmenter.bundle.contract
    digests = {name: entry.sha256 for name, entry in contract.files.items()}
    models = [contract.models[segmenter.options.precision]]  # type: ignore[index]
    if segmenter.options.crf and contract.crf:
        models.append(contract.crf.file)
    about = {
        **{name: value for name, value in options.items() if name not in _NO_MATTER},
        "models": [digests[name] for name in models],
        "contract": contract.model_dump_json(include={"labels", "input", "crf"}),
    }
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _about(path: Path, error: DataError) -> str:
    """The error, which names its photo."""
    text = str(error)
    return _text(text if str(path) in text else f"{path}: {text}")


def _text(name: Path | str) -> str:
    """A name that any JSON reader takes, though it is bytes of another encoding."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

"""SBD's masks by class (Hariharan et al., "Semantic contours from inverse detectors", ICCV 2011).

They have no unknown pixels (255). SBD's photos are VOC 2011's, all in VOC 2012 too.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.prepare.archives import Archive, open_archive
from wsss_tf.data.prepare.finding import FoundIn, list_ids
from wsss_tf.errors import DataError

ARCHIVE = FoundIn(
    name="benchmark.tgz",
    others=("benchmark.tar", "benchmark_RELEASE", "sbd"),
    mirrors=(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    ),
    sha256="6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
    marks=(),
)


class Sbd:
    """The folder benchmark_RELEASE/dataset in an archive; a context that closes it.

    Attributes:
        archive: that it is in.
        train, val: the ids of its two lists.

    Raises:
        DataError: it has no train.txt and val.txt beside a folder cls.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._names = frozenset(archive.names())
        bases = {name.partition("cls/")[0] for name in self._names if "cls/" in name}
        lists = ("train.txt", "val.txt")
        whole = sorted(b for b in bases if all(f"{b}{name}" in self._names for name in lists))
        if not whole:
            raise DataError(
                f"{archive.path}: must hold benchmark_RELEASE/dataset with cls, train.txt and "
                f"val.txt. Get {ARCHIVE.name} of SBD."
            )
        self._base = whole[0]
        self.train, self.val = (
            set(list_ids(archive.read(self._base + name), f"{archive.path}: {name}"))
            for name in lists
        )

    def __enter__(self) -> Sbd:
        return self

    def __exit__(self, *error: object) -> None:
        self.archive.close()

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return self._base + name in self._names

    def mask(self, name: str) -> NDArray[np.uint8]:
        """The mask of a photo by its id, uint8 [H, W] ids of VOC's classes."""
        path = f"cls/{name}.mat"
        return class_mask(self.archive.read(self._base + path), path)


def open_sbd(path: Path) -> Sbd:
    """Opens SBD's archive or folder. Raises DataError as `Sbd` and `open_archive` do."""
    archive = open_archive(path, only=is_wanted)
    try:
        return Sbd(archive)
    except BaseException:
        archive.close()
        raise


def class_mask(content: bytes, name: str) -> NDArray[np.uint8]:
    """The field GTcls.Segmentation of a MATLAB file, uint8 [H, W].

    Args:
        content: of the file.
        name: of it, for errors.

    Raises:
        DataError: it is damaged, or has no such field of whole numbers 0..255.
    """
    import scipy.io

    try:
        content_of = scipy.io.loadmat(io.BytesIO(content), variable_names=["GTcls"])
        found = content_of["GTcls"]["Segmentation"][0, 0]
        mask = found.astype(np.uint8)
    except Exception as error:  # scipy meets damage with errors of any kind
        raise DataError(
            f"{name}: has no GTcls.Segmentation, or is damaged: {error!r}. Get SBD again."
        ) from error
    if found.ndim != 2 or not found.size or not np.array_equal(mask, found):
        raise DataError(
            f"{name}: GTcls.Segmentation must be [height, width] of class ids. Received: "
            f"{found.dtype} {list(found.shape)}. Get SBD again."
        )
    return mask


def require_scipy() -> None:
    """Makes sure that MATLAB files can be read. Raises DataError with the pip command."""
    if importlib.util.find_spec("scipy") is None:
        raise DataError(
            "SBD's masks are MATLAB files, which scipy reads, not installed here. Install with: "
            'pip install "wsss-tf[regions]"'
        )


def is_wanted(name: str) -> bool:
    """Whether a file of SBD is read: a mask or a list."""
    return "cls/" in name or name.endswith(("train.txt", "val.txt"))

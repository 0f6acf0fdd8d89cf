"""YouTube-Objects, release 1, as a prepared folder: frames drawn evenly, scored on Jain's masks.

Two things are read. The frames (Prest et al., CVPR 2012), ten archives or folders named after the
classes:

    aeroplane.tar.gz, bird.tar.gz, ...   with   aeroplane/data/0001/shots/001/frame0001.jpg

and the masks (Jain and Grauman, ECCV 2014), `youtube_masks` as a folder or an archive:

    aeroplane/data/0001/shots/001/labels/00001.jpg   255 object, 0 not, of the class of the folder
    aeroplane/data/0001/shots/001/images/00001.png   its frame, or frame0001.jpg, or not there

The layout is taken from five public programs that read these files, which agree on all of it but
the names in images/; the originals were not at hand. Two of them look for a shot's frames under the
numbers that its masks have, and so does this: a shot with masks gives no photo to training.
Release 2 has other numbers (frames without shots' folders), so its frames are refused.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data.prepare.archives import Archive, open_archive
from wsss_tf.data.prepare.finding import FoundIn, find
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.preparation import Request, complete
from wsss_tf.data.prepare.sources import read_sources
from wsss_tf.errors import DataError, DataProblems
from wsss_tf.images import enlarged, photo_header, read_photo
from wsss_tf.labels import label_space

FRAMES = 2200
"""Frames of a class that the paper trains on, about: 22,000 of ten classes."""
MASKS = FoundIn(
    name="youtube_masks.tar.gz",
    others=("youtube_masks.tar", "youtube_masks.tgz", "youtube_masks.zip", "youtube_masks"),
    mirrors=(),
    sha256=None,
)
_MASKS_PAGE = "http://vision.cs.utexas.edu/projects/videoseg/data_download_register.html"
_HOST = "https://data.vision.ee.ethz.ch/cvl/youtube-objects/categories"
_FRAME = re.compile(r"(?:(?:.*/)?([^/]+)/)?data/(\d+)/shots/(\d+)/(?:frame)?(\d+)\.jpg")
_MASK = re.compile(r"(?:.*/)?(\w+)/data/(\d+)/shots/(\d+)/labels/(?:frame)?(\d+)\.(?:jpg|png)")
_IMAGE = re.compile(r"(?:.*/)?(\w+)/data/(\d+)/shots/(\d+)/images/(?:frame)?(\d+)\.(?:jpg|png)")
_HALF = 127  # JPEG blurs the edge between 0 and 255.
_SHOWN = 3


class Shot(NamedTuple):
    """A shot, or part of a shot, of a video of a class."""

    label: str
    video: int
    shot: int


class Frame(NamedTuple):
    """A frame; frames sort by class, video, shot and number."""

    shot: Shot
    number: int

    @property
    def id(self) -> str:
        """Its name in the prepared folder, such as cow_0003_012_00041."""
        label, video, shot = self.shot
        return f"{label}_{video:04d}_{shot:03d}_{self.number:05d}"


def prepare_youtube_objects(request: Request, *, frames: int = FRAMES) -> dict[str, Any]:
    """Prepares YouTube-Objects: train is frames without masks, val is every frame with a mask.

    The root holds the archives or folders that this module's docstring names; those of frames can
    be downloaded, the masks are behind a form.

    Args:
        request: of the user.
        frames: at most so many of a class, drawn evenly over all that it has, in their order.

    Returns:
        The content of data.json.

    Raises:
        ValueError: `frames` is not positive.
        DataProblems: everything that is wrong: classes without frames, shots with masks that the
            frames do not have, masks without a frame, photos.
        DataError: as `find`, `open_archive` and `write_prepared`.
        RunError: a folder cannot be written to.
    """
    if frames < 1:
        raise ValueError(f"`frames` must be positive. Received: frames={frames}.")
    space = label_space("youtube_objects")
    masks = find(request, MASKS, needed=False)
    if masks is None:
        raise DataError(
            f"{request.root}: has no {MASKS.name} and no folder youtube_masks. No host gives the "
            f"masks to programs: ask for them at {_MASKS_PAGE}, and put them there."
        )
    places = {name: find(request, _archive_of(name)) for name in space.tags}
    # No digest of the originals is known.
    paths = dict.fromkeys(places.values(), _is_frame) | {masks: _is_truth}
    sources, notes = read_sources(paths, {}, any_archive=True)
    about = About(
        "youtube_objects",
        "youtube_objects",
        space.names,
        sources,
        notes=tuple(notes),
        settings=(("frames", frames),),
    )
    collect = functools.partial(_collect, places, masks, frames, request.say)
    return complete(request, about, collect)


def _collect(
    places: dict[str, Path], masks: Path, count: int, say: Callable[[str], None], stack: ExitStack
) -> tuple[list[Item], list[str]]:
    truth = Truth(stack.enter_context(open_archive(masks, only=_is_truth)))
    return _items(places, truth, count, stack, say)


class Truth:
    """The masks, and those of their frames that lie beside them.

    Attributes:
        archive: that they are in.
        masks: name of the mask of each annotated frame.
        images: name of the photo of a frame.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.masks, wrong = self._found(_MASK)
        self.images, wrong_images = self._found(_IMAGE)
        if problems := wrong + wrong_images:
            raise DataProblems(problems)
        if not self.masks:
            raise DataProblems(
                [
                    f"{archive.path}: must hold CLASS/data/VIDEO/shots/SHOT/labels/NUMBER.jpg. "
                    "Get the pixel labels of Jain and Grauman for YouTube-Objects."
                ]
            )

    def _found(self, pattern: re.Pattern[str]) -> tuple[dict[Frame, str], list[str]]:
        """The names by frame, and what is wrong with them: classes unknown, frames twice."""
        found: dict[Frame, list[str]] = {}
        unknown = dict[str, None]()
        for name in self.archive.names():
            if match := pattern.fullmatch(name):
                if match[1] not in label_space("youtube_objects").tags:
                    unknown[match[1]] = None
                    continue
                shot = Shot(match[1], int(match[2]), int(match[3]))
                found.setdefault(Frame(shot, int(match[4])), []).append(name)
        first, problems = _first(found, self.archive.path)
        if unknown:
            problems.append(
                f"{self.archive.path}: folders must be called as the classes, such as aeroplane. "
                f"Received: {', '.join(list(unknown)[:_SHOWN])}. Rename them, or move them away."
            )
        return first, problems


def evenly(frames: list[Frame], count: int) -> list[Frame]:
    """At most `count` of the frames, in their order: the middles of as many equal stretches."""
    total = len(frames)
    if total <= count:
        return list(frames)
    return [frames[(2 * i + 1) * total // (2 * count)] for i in range(count)]


def truth_map(photo: bytes, mask: bytes, label: int, where: str) -> NDArray[np.uint8]:
    """The label map of a frame: its class where the mask is light, background elsewhere.

    Args:
        photo, mask: bytes of the files; a mask of another size is brought to the photo's, each
            pixel from its nearest, as long as both have one shape.
        label: the id of the class.
        where: the name of the mask, for messages.

    Returns:
        uint8 [H, W].

    Raises:
        DataError: a file is no image, or damaged, or a PNG of ids or dark colours where it has to
            be light. A mask of another shape is left as it is, for `write_prepared` to refuse.
    """
    header = photo_header(where, content=photo)
    # As the file has the pixels; no frame is known to have an EXIF orientation.
    size = (header.height, header.width) if header.orientation < 5 else header[:2]
    values = read_photo(where, content=mask).max(axis=2)
    light = values > _HALF
    # In a JPEG, an object of a few pixels may come out dark.
    if where.endswith(".png") and values.any() and not light.any():
        raise DataError(
            f"{where}: must be 255 where the object is and 0 elsewhere. Received: at most "
            f"{values.max()}. Convert the masks."
        )
    labels = (light * label).astype(np.uint8)
    height, width = labels.shape
    if abs(size[1] * height - size[0] * width) > max(size):
        return labels
    return enlarged(labels, size)


def _archive_of(name: str) -> FoundIn:
    others = (f"{name}.tar", f"{name}.tgz", f"{name}.zip", name)
    return FoundIn(f"{name}.tar.gz", others, (f"{_HOST}/{name}.tar.gz",), None)


def _is_frame(name: str) -> bool:
    return bool(_FRAME.fullmatch(name))


def _is_truth(name: str) -> bool:
    return bool(_MASK.fullmatch(name) or _IMAGE.fullmatch(name))


def _items(
    places: dict[str, Path],
    truth: Truth,
    count: int,
    stack: ExitStack,
    say: Callable[[str], None],
) -> tuple[list[Item], list[str]]:
    """Photos to train on, class by class, then the annotated ones; and what a user should know."""
    train, val, notes, problems = [], [], [], []
    annotated = {frame.shot for frame in truth.masks}
    for label, path in places.items():
        say(f"Listing the frames of {label}")
        names, wrong = _frames(label, path)
        problems += wrong or _class_problems(label, path, names, annotated)
        free = [frame for frame in sorted(names) if frame.shot not in annotated]
        chosen = evenly(free, count)
        apart = [f for f in truth.masks if f.shot.label == label and f not in truth.images]
        wanted = {names[frame] for frame in (*chosen, *apart) if frame in names}
        archive = stack.enter_context(open_archive(path, only=wanted.__contains__))
        train += [_train_item(archive, names[frame], frame) for frame in chosen]
        for frame in sorted(f for f in truth.masks if f.shot.label == label):
            if frame in truth.images:
                val.append(_val_item(truth, frame, truth.archive, truth.images[frame]))
            elif frame in names:
                val.append(_val_item(truth, frame, archive, names[frame]))
            else:
                problems.append(f"{truth.masks[frame]}: has no frame, here or among {path.name}.")
        shots = len({frame.shot for frame in free})
        masks = sum(frame.shot.label == label for frame in truth.masks)
        notes.append(
            f"{label}: {len(chosen):,} of {len(free):,} frames, of {shots:,} shots; "
            f"with masks: {masks:,}."
        )
    if problems:
        raise DataProblems(problems)
    return train + val, notes


def _frames(label: str, path: Path) -> tuple[dict[Frame, str], list[str]]:
    """The name of each frame of a class, and what is wrong: those of another one, frames twice.

    Of an archive nothing is kept but the names.
    """
    found: dict[Frame, list[str]] = {}
    others = dict[str, None]()
    classes = set(label_space("youtube_objects").tags) - {label}

    def note(name: str) -> bool:
        if match := _FRAME.fullmatch(name):
            if match[1] in classes:
                others[match[1]] = None
            frame = Frame(Shot(label, int(match[2]), int(match[3])), int(match[4]))
            found.setdefault(frame, []).append(name)
        return False

    open_archive(path, only=note).close()
    first, problems = _first(found, path)
    if others:
        problems.append(
            f"{path}: must hold frames of {label}. Received: those of {', '.join(others)}. Get it "
            "again."
        )
    return first, problems


def _first(found: dict[Frame, list[str]], path: Path) -> tuple[dict[Frame, str], list[str]]:
    """The name of each frame, and a line if any has several."""
    twice = [names for names in found.values() if len(names) > 1]
    problems = []
    if twice:
        problems.append(
            f"{path}: must hold each frame once. Received: {len(twice):,} more than once, such as "
            f"{' and '.join(twice[0][:_SHOWN])}. Move the others away."
        )
    return {frame: names[0] for frame, names in found.items()}, problems


def _class_problems(
    label: str, path: Path, names: dict[Frame, str], annotated: set[Shot]
) -> list[str]:
    if not names:
        return [
            f"{path}: must hold data/VIDEO/shots/SHOT/frame0001.jpg and so on, as release 1 of "
            "YouTube-Objects has them; release 2 has no shots' folders. Get release 1."
        ]
    shots = {frame.shot for frame in names}
    lost = sorted(shot for shot in annotated - shots if shot.label == label)
    if lost:
        shown = ", ".join(f"{video:04d}/{shot:03d}" for _, video, shot in lost[:_SHOWN])
        return [
            f"{path}: must have the shots that have masks, so that training can leave them out. "
            f"Missing: {len(lost)}, such as {shown}. Get both of one release."
        ]
    if shots <= annotated:
        return [f"{path}: has no shot without masks, so nothing to train on. Get it again."]
    return []


def _train_item(archive: Archive, name: str, frame: Frame) -> Item:
    photo = functools.partial(archive.read, name)
    return Item(frame.id, ".jpg", photo, None, (frame.shot.label,), ("train",))


def _val_item(truth: Truth, frame: Frame, archive: Archive, name: str) -> Item:
    mask = truth.masks[frame]
    label = label_space("youtube_objects").index(frame.shot.label)

    def label_map() -> NDArray[np.uint8]:
        return truth_map(archive.read(name), truth.archive.read(mask), label, mask)

    photo = functools.partial(archive.read, name)
    suffix = PurePosixPath(name).suffix
    return Item(frame.id, suffix, photo, label_map, (frame.shot.label,), ("val",))

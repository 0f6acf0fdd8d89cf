"""COCO 2014 or 2017 as a prepared folder: one label a pixel, and tags from the annotations.

Read are train2014, val2014 (photos) and instances_train2014.json, instances_val2014.json, or those
of 2017, from the official zip files or from unpacked folders.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from wsss_tf.data.prepare.archives import Archive, open_archive
from wsss_tf.data.prepare.coco_instances import (
    Annotation,
    Image,
    Instances,
    label_map,
    read_instances,
    tags_of,
)
from wsss_tf.data.prepare.coco_shapes import load_codec
from wsss_tf.data.prepare.downloads import fetch
from wsss_tf.data.prepare.finding import require_root
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.preparation import Request, complete
from wsss_tf.data.prepare.sources import read_sources
from wsss_tf.errors import DataProblems
from wsss_tf.labels import label_space

Year = Literal[2014, 2017]
SPLITS = ("train", "val")
MIRRORS: dict[int, tuple[str, ...]] = {
    2014: (
        "https://data.pjreddie.com/files",
        "https://huggingface.co/datasets/omlab/VLM-R1/resolve/main",
    ),
    2017: (
        "https://www.modelscope.cn/datasets/PAI/COCO2017/resolve/"
        "5466a7f1944225fcddb1896006508cad5be27b5b",
    ),
}
"""Folders of others with the official files, or some of them; what comes is held against SHA256."""
_HOST = "http://images.cocodataset.org"
_SHOWN = 3

# Of the official files, as TensorFlow Datasets lists them (url_checksums/coco.txt).
SHA256 = {
    "train2014.zip": "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
    "val2014.zip": "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
    "annotations_trainval2014.zip": (
        "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009"
    ),
    "train2017.zip": "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    "val2017.zip": "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    "annotations_trainval2017.zip": (
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268"
    ),
}
# The photos of each official list.
PHOTOS = {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5_000}


@dataclass(frozen=True)
class _Inputs:
    """Where the photos and the annotations of each part ("train2014") lie."""

    photos: dict[str, Path]
    annotations: dict[str, Path]

    def paths(self) -> dict[Path, Callable[[str], bool]]:
        """All of them, each once, with what tells the files that are read."""
        return dict.fromkeys((*self.photos.values(), *self.annotations.values()), _is_photo)


def prepare_coco(request: Request, *, year: Year = 2014) -> dict[str, Any]:
    """Prepares COCO: the lists are train and val, and val has the photos without objects as well.

    The root holds train2014.zip, val2014.zip and annotations_trainval2014.zip (20 GB), or the
    folders train2014, val2014 and annotations, there or in images/.

    Args:
        request: of the user.
        year: 2014 (the paper's) or 2017.

    Returns:
        The content of data.json.

    Raises:
        DataProblems: archives that are not the originals, unless the request allows it; all that
            is wrong: files, annotations, photos.
        DataError: as `open_archive`, `fetch` and `write_prepared`, or pycocotools is missing.
        RunError: a folder cannot be written to.
    """
    load_codec()  # Before 20 GB are fetched.
    inputs = _find(request, year)
    sources, notes = read_sources(inputs.paths(), SHA256, any_archive=request.any_archive)
    about = About(
        "coco",
        "coco",
        label_space("coco").names,
        sources,
        notes=(_RULES, *notes),
        settings=(("year", year),),
    )
    return complete(request, about, functools.partial(_collect, inputs, year, request.say))


def _find(request: Request, year: int) -> _Inputs:
    photos, annotations, problems, root = {}, {}, list[str](), request.root
    require_root(request, f"train{year}.zip")
    zipped = f"annotations_trainval{year}.zip"
    for part in (f"{split}{year}" for split in SPLITS):
        folders = (root / part, root / "images" / part)
        photos[part] = _first((root / f"{part}.zip", *folders))
        places = (root / zipped, root / "annotations" / f"instances_{part}.json")
        annotations[part] = _first(places)
        for path in (photos[part], annotations[part]):
            if path.exists() or path.suffix != ".zip" or path.name in problems:
                continue
            if request.download:
                official = f"{_HOST}/{'annotations' if path.name == zipped else 'zips'}"
                mirrors = [f"{folder}/{path.name}" for folder in (official, *MIRRORS[year])]
                fetch(path.name, mirrors, SHA256[path.name], root, request.say)
            else:
                problems.append(path.name)
    if problems:
        raise DataProblems(
            [
                f"{root / name}: is not there, nor its unpacked folder. Put it there, or add "
                "--download."
                for name in problems
            ]
        )
    return _Inputs(photos, annotations)


def _is_photo(name: str) -> bool:
    return name.endswith(".jpg")


def _first(paths: tuple[Path, ...]) -> Path:
    return next((path for path in paths if path.exists()), paths[0])


def _collect(
    inputs: _Inputs, year: int, say: Callable[[str], None], stack: contextlib.ExitStack
) -> tuple[list[Item], list[str]]:
    """The photos with their tags, and what a user should know; `stack` closes the archives.

    Raises:
        DataProblems: what is wrong in the annotations of both parts, and the photos that are not
            there.
    """
    items: list[Item] = []
    notes, problems = list[str](), list[str]()
    for split in SPLITS:
        part = f"{split}{year}"
        try:
            say(f"Reading instances_{part}.json")
            instances = _instances(inputs.annotations[part], part)
        except DataProblems as error:
            problems += error.problems
            continue
        photos = open_archive(inputs.photos[part], only=_is_photo)
        archive = stack.enter_context(photos)
        places: dict[str, list[str]] = {}
        for name in archive.names():
            places.setdefault(PurePosixPath(name).name, []).append(name)
        files = {name: found[0] for name, found in places.items()}
        problems += _repeated(inputs.photos[part], instances, places)
        problems += _missing(inputs.photos[part], instances, files)
        notes += _notes(part, instances, files)
        if not instances.annotations:
            problems.append(
                f"instances_{part}.json: must have annotations. Received: none for "
                f"{len(instances.images)} images. Get the file again."
            )
        for image in instances.images:
            objects = instances.annotations.get(image.id, [])
            if image.file_name in files and (objects or split != "train"):
                items.append(_item(archive, files[image.file_name], image, objects, split))
    if problems:
        raise DataProblems(problems)
    return items, notes


_RULES = (
    "Masks: the smallest object by the annotation's area has the pixel; crowds are 255. "
    "Tags: the classes of all annotations, crowds included."
)


def _instances(path: Path, part: str) -> Instances:
    member = f"instances_{part}.json"
    if path.suffix == ".json":
        with open_archive(path.parent, only=lambda name: name == member) as archive:
            return read_instances(archive.read(member), str(path))
    with open_archive(path, only=lambda name: PurePosixPath(name).name == member) as archive:
        names = archive.names()
        if len(names) != 1:
            raise DataProblems([f"{path}: must hold annotations/{member} once. Get it again."])
        return read_instances(archive.read(names[0]), f"{path.name}:{member}")


def _item(
    archive: Archive, member: str, image: Image, objects: list[Annotation], split: str
) -> Item:
    name = PurePosixPath(image.file_name)
    return Item(
        id=name.stem,
        suffix=name.suffix,
        photo=functools.partial(archive.read, member),
        mask=functools.partial(label_map, objects, image.height, image.width),
        tags=tags_of(objects),
        splits=(split,),
    )


def _repeated(path: Path, instances: Instances, places: dict[str, list[str]]) -> list[str]:
    """One line if several files could be the photo that an annotation names."""
    names = (image.file_name for image in instances.images)
    found = [places[name] for name in names if len(places.get(name, ())) > 1]
    if not found:
        return []
    return [
        f"{path}: must hold each photo once. Received: {len(found):,} more than once, such as "
        f"{' and '.join(found[0][:_SHOWN])}. Move the others away."
    ]


def _missing(path: Path, instances: Instances, files: dict[str, str]) -> list[str]:
    absent = [image.file_name for image in instances.images if image.file_name not in files]
    if not absent:
        return []
    shown = ", ".join(absent[:_SHOWN])
    return [
        f"{path}: must hold the {len(instances.images)} photos that the annotations name. Missing: "
        f"{len(absent)}, such as {shown}. Get it again, and check that both are of one year."
    ]


def _notes(part: str, instances: Instances, files: dict[str, str]) -> list[str]:
    notes = []
    if len(instances.images) != PHOTOS[part]:
        notes.append(
            f"{part}: {len(instances.images):,} photos; the official edition has {PHOTOS[part]:,}."
        )
    bare = sum(image.id not in instances.annotations for image in instances.images)
    if bare:
        fate = "left out, as they have no tag" if part.startswith("train") else "background"
        notes.append(f"{part}: {bare:,} photos have no annotation: {fate}.")
    extra = len(set(files) - {image.file_name for image in instances.images})
    if extra:
        notes.append(f"{part}: {extra:,} photos are not in the annotation file: left out.")
    if instances.left_out:
        shown = ", ".join(map(str, instances.left_out[:_SHOWN]))
        notes.append(
            f"{part}: {len(instances.left_out):,} annotations have polygons of fewer than three "
            f"points or no run lengths, which cover nothing, such as {shown}. Their tags count."
        )
    return notes

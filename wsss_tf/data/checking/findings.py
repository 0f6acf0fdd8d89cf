"""From facts about files to findings: one function for each family of kinds."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from wsss_tf.data.checking.facts import Facts
from wsss_tf.data.checking.kinds import Finding
from wsss_tf.data.checking.prepared import changed_findings, edited_findings, had_masks
from wsss_tf.data.own.class_folders import files_below
from wsss_tf.images import PHOTO_SUFFIXES

_SHOWN = 3
# What phones and other programs write, and no list of photos has.
_OTHERS = {".avif", ".heic", ".heif", ".jfif", ".jpe", ".jp2", ".jxl"}
_MASK_NAME = re.compile(
    r"(.+?)[ ._-]*(?:mask|masks|gt|groundtruth|label|labels|labelids|seg|segmentation|annotation)",
    re.IGNORECASE,
)


def all_findings(facts: Facts, faults: list[str]) -> Iterator[Finding]:
    """Every finding; `faults` are lines about the lists that were found before."""
    yield from _list_findings(facts, faults)
    yield from _photo_findings(facts)
    yield from _mask_findings(facts)
    yield from _tag_findings(facts)
    yield from _class_findings(facts)
    yield from _name_findings(facts)
    yield from _copy_findings(facts)
    yield from _stray_findings(facts)
    if facts.layout.source == "prepared":
        yield from edited_findings(facts.layout.root)
        yield from changed_findings(facts)


def _list_findings(facts: Facts, faults: list[str]) -> Iterator[Finding]:
    """What training would say of lists and tags, less what other kinds count one by one."""
    counted = {photo.fault.text for photo in facts.photos.values() if photo.fault}
    empty = set()
    for entry in facts.entries:
        if entry.tags:
            continue
        empty.add(f"{entry.where}: {entry.path.name}")
        key = "empty_tags" if entry.split == facts.settings.train_split else "no_tags"
        yield Finding(key, f"{entry.where}: {facts.name(entry.path)}", entry.path)
    rest = [
        line
        for line in (*faults, *facts.training)
        # As `open_dataset` words it.
        if line not in counted and line.rpartition(" has no tag. ")[0] not in empty
    ]
    for line in rest:
        yield Finding("lists", line)
    for line in facts.layout.listing.problems:
        if line not in rest:
            yield Finding("other_lists", line)


def _photo_findings(facts: Facts) -> Iterator[Finding]:
    for path, photo in facts.photos.items():
        if photo.fault:
            key = photo.fault.key if facts.opened(path) else "other_photos"
            yield Finding(key, facts.short(photo.fault.text, path), path)
        elif photo.header and photo.header.orientation != 1:
            text = f"{facts.name(path)}: orientation {photo.header.orientation}"
            yield Finding("exif", text, path)


def _mask_findings(facts: Facts) -> Iterator[Finding]:
    evaluated = [e.path for e in facts.entries if e.split == facts.settings.eval_split]
    if any(path in facts.masks for path in evaluated) or had_masks(facts, evaluated):
        for path in evaluated:
            if path not in facts.masks:
                text = f"{facts.name(facts.mask_paths[path])}: does not exist"
                yield Finding("mask_missing", text, path)
    for path, mask in facts.masks.items():
        place = facts.mask_paths[path]
        if mask.fault:
            text = facts.short(mask.fault.text, place)
            yield Finding(mask.fault.key, text, path, place)
            continue
        header = facts.photos[path].header
        if header and mask.size and mask.size != (header.height, header.width):
            text = (
                f"{facts.name(place)}: {mask.size[1]} x {mask.size[0]}, the photo "
                f"{header.width} x {header.height}"
            )
            if header.orientation >= 5 and mask.size == (header.width, header.height):
                text += f" once it is turned (EXIF orientation {header.orientation})"
            yield Finding("mask_size", text, path, place)
        unknown = [i for i in mask.ids if i not in facts.known_ids]
        if unknown:
            text = f"{facts.name(place)}: {', '.join(map(str, unknown))}"
            yield Finding("mask_ids", text, path, place)


def _tag_findings(facts: Facts) -> Iterator[Finding]:
    """Tags against masks, over the kept classes: 255 and the other classes say nothing."""
    if facts.full is None or facts.labels is None:
        return
    kept = set(facts.labels.tags)
    for path, mask in facts.masks.items():
        if mask.fault:
            continue
        there = {facts.full.names[i] for i in mask.ids if i < facts.full.num_classes} & kept
        tagged = set(facts.by_path[path].tags) & kept
        for key, names in (
            ("tags_without_pixels", tagged - there),
            ("pixels_without_tags", there - tagged),
        ):
            if names:
                ordered = [name for name in facts.labels.tags if name in names]
                text = f"{facts.name(path)}: {', '.join(ordered)}"
                yield Finding(key, text, path, facts.mask_paths[path])


def _class_findings(facts: Facts) -> Iterator[Finding]:
    """Classes that training would never see; none where nothing is trained on, told by itself."""
    trained = [e.tags for e in facts.entries if e.split == facts.settings.train_split]
    if facts.labels is not None and trained:
        there = {name for tags in trained for name in tags}
        yield from (Finding("no_photos", n) for n in facts.labels.tags if n not in there)


def _name_findings(facts: Facts) -> Iterator[Finding]:
    """Names of classes and of splits that differ in little, and photos named as masks are."""
    tags = {name for entry in facts.entries for name in entry.tags}
    for kind, names in (("classes", tags), ("splits", {entry.split for entry in facts.entries})):
        alike: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            alike[_plain(name)].append(name)
        for same in alike.values():
            if len(same) > 1:
                # As Python writes them: some of the characters that differ are not seen.
                yield Finding("alike", f"{kind}: {', '.join(map(ascii, same))}")
    stems = {(path.parent, path.stem) for path in facts.photos}
    for path in facts.photos:
        match = _MASK_NAME.fullmatch(path.stem)
        trained = facts.settings.train_split in facts.splits_of[path]
        if match and trained and (path.parent, match[1]) in stems:
            yield Finding("mask_like", facts.name(path), path)


def _plain(name: str) -> str:
    """A name without what readers overlook: case, accents' encoding, invisible characters."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(re.sub(r"[\s_-]+", " ", text).split())


def _copy_findings(facts: Facts) -> Iterator[Finding]:
    """Photos of equal content, and photos in several lists."""
    copies: dict[str, list[Path]] = defaultdict(list)
    for path, photo in facts.photos.items():
        if photo.digest is not None:
            copies[photo.digest].append(path)
    both = {facts.settings.train_split, facts.settings.eval_split}
    shared: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for paths in copies.values():
        splits = frozenset().union(*(facts.splits_of[path] for path in paths))
        more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
        text = " = ".join(facts.name(path) for path in paths[:_SHOWN]) + more
        if len(both) == 2 and both <= splits:
            yield Finding("overlap", text, paths[0])
        elif len(paths) > 1:
            yield Finding(_copies_key(facts, paths), text, paths[0])
        for pair in combinations(sorted(splits), 2):
            if set(pair) != both:
                shared[pair].append(paths[0])
    for (first, second), paths in sorted(shared.items()):
        photos = "1 photo" if len(paths) == 1 else f"{len(paths):,} photos"
        text = f"{first} and {second}: {photos}, such as {facts.name(paths[0])}"
        yield Finding("shared", text, paths[0])


def _copies_key(facts: Facts, paths: list[Path]) -> str:
    if facts.layout.name != "class_folders":
        return "duplicates"
    classes = [facts.by_path[path].tags for path in paths]
    return "several_classes" if len(set(classes)) == len(classes) else "duplicates"


def _stray_findings(facts: Facts) -> Iterator[Finding]:
    """Masks and photos that lie beside the others and are named by no list."""
    if facts.layout.name == "class_folders":
        for path in files_below(facts.layout.root):
            if path.suffix.lower() in (PHOTO_SUFFIXES | _OTHERS) and path not in facts.photos:
                yield Finding("unread", facts.name(path))
    if facts.layout.source is None:
        return
    ids = {entry.id for entry in facts.entries}
    for path in _files(facts.layout.listing.mask_folder):
        if path.suffix.lower() == ".png" and path.stem not in ids:
            yield Finding("stray_masks", facts.name(path), None, path)
    if facts.layout.source == "voc":
        return  # Its lists of photos with masks name a part of the photos, on purpose.
    for folder in sorted({entry.path.parent for entry in facts.entries}):
        for path in _files(folder):
            if path.suffix.lower() in PHOTO_SUFFIXES and path not in facts.photos:
                yield Finding("unlisted", facts.name(path), path)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []

"""What a check can find, from what stops training to what is only good to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """What a finding means; the first kind is the one that fails a check."""

    TRAINING = "Training would fail"
    SCORING = "Training works, scoring would fail"
    DOUBTFUL = "Everything works, the result is doubtful"
    NOTICE = "Good to know"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        key: in JSON.
        severity: what it means.
        title: as a heading, without a count.
        fix: what to do about it, or why nothing need be done.
    """

    key: str
    severity: Severity
    title: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        key: of its kind.
        text: one line: where it is and what it is.
        photo: a photo that shows it; None where there is none, or none that can be read.
        mask: the mask that belongs to it, where the finding is about one.
    """

    key: str
    text: str
    photo: Path | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class Group:
    """The findings of one kind; at least one."""

    kind: Kind
    findings: tuple[Finding, ...]


_TRAINING, _SCORING, _DOUBTFUL, _NOTICE = Severity

KINDS = (
    Kind("lists", _TRAINING, "Lists and tags", "Each line says what to do."),
    Kind("empty_tags", _TRAINING, "Photos to train on without a tag", "Tag them, or remove them."),
    Kind(
        "unreadable",
        _TRAINING,
        "Photos that are missing or cannot be read",
        "Get the files again, or take them off the lists.",
    ),
    Kind("truncated", _TRAINING, "Truncated photos", "Get the files again."),
    Kind(
        "unusable",
        _TRAINING,
        "Photos of a format or size that is not trained on",
        "Convert them to RGB JPEG or PNG, or make them smaller.",
    ),
    Kind("damaged", _TRAINING, "Photos whose pixels cannot be decoded", "Get the files again."),
    Kind(
        "mask_missing",
        _SCORING,
        "Photos to evaluate without a mask, where others have one",
        "Add the masks, or take the photos off the list.",
    ),
    Kind(
        "mask_unreadable",
        _SCORING,
        "Masks that are damaged or cut short",
        "Get the files again.",
    ),
    Kind(
        "mask_colours",
        _SCORING,
        "Masks that are neither palette nor 8-bit grey PNG",
        "Convert colours to class ids, and save with Pillow's mode P or L.",
    ),
    Kind(
        "mask_size",
        _SCORING,
        "Masks of another size than their photo as displayed",
        "Write them in the photo's grid, with its EXIF orientation applied.",
    ),
    Kind(
        "mask_ids",
        _SCORING,
        "Masks with ids that are no class",
        "Ids count from 0, background; 255 is unknown. Is it another --label-space?",
    ),
    Kind(
        "tags_without_pixels",
        _DOUBTFUL,
        "Tags without pixels in the mask",
        "Remove the tag, or complete the mask. Nearly all? It may be another --label-space.",
    ),
    Kind(
        "pixels_without_tags",
        _DOUBTFUL,
        "Pixels in the mask without a tag",
        "Add the tag: training takes the class for absent. Nearly all? As above.",
    ),
    Kind(
        "no_photos",
        _DOUBTFUL,
        "Classes that no photo to train on has",
        "They cannot be learnt. Add photos, or leave them out: `data.keep`.",
    ),
    Kind(
        "alike",
        _DOUBTFUL,
        "Classes or splits whose names look alike",
        "Each name is one of its own. Write those that mean the same in one way.",
    ),
    Kind(
        "mask_like",
        _DOUBTFUL,
        "Photos to train on that look like masks of others by their names",
        "Training must not see masks. Take them off the list, or out of the folder.",
    ),
    Kind(
        "overlap",
        _DOUBTFUL,
        "Photos both to train on and to evaluate",
        "Take them out of one split: scores come out too high.",
    ),
    Kind(
        "changed",
        _DOUBTFUL,
        "Photos and masks that changed since the folder was prepared",
        "Right where you meant it; else prepare it again, which mends them.",
    ),
    Kind("duplicates", _DOUBTFUL, "Duplicates by content", "Keep one of each."),
    Kind(
        "other_photos",
        _DOUBTFUL,
        "Photos that cannot be used, in lists that are not trained on",
        "Mend them before such a list is used.",
    ),
    Kind(
        "other_lists",
        _DOUBTFUL,
        "Faults of lists that are not trained on",
        "Mend them before such a list is used.",
    ),
    Kind("exif", _NOTICE, "EXIF-rotated photos", "They are turned as displayed everywhere."),
    Kind(
        "several_classes",
        _NOTICE,
        "Photos in several class folders",
        "`wsss-tf data init` makes each one photo with several tags.",
    ),
    Kind(
        "no_tags",
        _NOTICE,
        "Photos without a tag that are not trained on",
        "They show only background, or their tags are missing.",
    ),
    Kind("unlisted", _NOTICE, "Photos that no list names", "They are not used."),
    Kind(
        "unread",
        _NOTICE,
        "Photos of a format, or in a place, that is not read",
        "They are not used. Convert them to JPEG or PNG, or move them into the folder of a class.",
    ),
    Kind("stray_masks", _NOTICE, "Masks without a photo", "They are not used."),
    Kind(
        "edited",
        _NOTICE,
        "Lists, digests and data.json that are not as the preparation wrote them",
        "Right where you meant it; else prepare it again, which mends them.",
    ),
    Kind("shared", _NOTICE, "Lists that share photos", "Right where one list holds another."),
)
"""Every kind, in the order in which they are shown."""


def grouped(findings: list[Finding]) -> tuple[Group, ...]:
    """Findings by kind, in the order of `KINDS`; a kind without any is left out."""
    groups = []
    for kind in KINDS:
        of_kind = tuple(finding for finding in findings if finding.key == kind.key)
        if of_kind:
            groups.append(Group(kind, of_kind))
    return tuple(groups)

"""What a recipe says of the data: its source, its splits, its augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from wsss_tf import labels
from wsss_tf.config.rules import (
    AsTuple,
    Broken,
    Count,
    Positive,
    Seed,
    Settings,
    Side,
    report,
)


def _expanded(value: object) -> object:
    if not isinstance(value, (str, Path)):
        return value
    if not str(value).strip():
        raise ValueError("must be a path, or null for none")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"must be a path; its ~ has no home folder ({error})") from error


UserPath = Annotated[Path, BeforeValidator(_expanded)]
SplitName = Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=100)]


class ScenesSettings(Settings):
    """The generated data set."""

    train: Count = 600
    """Photos of the training split."""
    val: Count = 100
    """Photos of the evaluation split."""
    size: Side = 96
    """Height and width of a photo."""
    seed: Seed = 0
    """Seed of the generator; other photos, same classes."""


class DataSettings(Settings):
    """Where photos and tags come from."""

    source: Literal["scenes", "tagged_folder", "voc", "prepared"]
    """Generated scenes, a folder with tags.csv, VOC2012 of a VOCdevkit, or of `data prepare`."""
    root: UserPath | None = None
    """The data folder, relative to the current one; null (scenes only) is RUN/data."""
    train_split: SplitName = "train"
    """The split that localize, masks and segment see, tags only."""
    eval_split: SplitName = "val"
    """The split that evaluate scores against pixel labels."""
    keep: Annotated[tuple[str, ...], AsTuple] | None = None
    """Foreground classes to keep; null keeps all. Pixels of the others are not scored."""
    label_space: Literal["auto", "voc", "coco", "youtube_objects", "scenes"] = "auto"
    """Class names; auto: those of the source or its data.json, or the tags that tags.csv holds."""
    max_pixels: Annotated[int, Field(ge=1, le=178_956_970)] = 100_000_000
    """Height times width above which a photo is refused unread; at most Pillow's own limit."""
    regions_cache: UserPath | None = None
    """Folder that keeps the photos' regions, which several runs may share; null is RUN/regions."""
    activations_cache: UserPath | None = None
    """Folder of `keep_activations`, which runs may share; null is RUN/activations."""
    scenes: ScenesSettings = ScenesSettings()
    """The generator's settings, for source scenes."""

    @field_validator("keep")
    @classmethod
    def _keep_names_each_class_once(cls, keep: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if keep is not None and not keep:
            raise ValueError("must name at least one class, or be null to keep all")
        if keep is not None and len(set(keep)) < len(keep):
            raise ValueError("must name each class once")
        return keep

    @model_validator(mode="after")
    def _source_has_its_folder_and_classes(self) -> DataSettings:
        broken = []
        if self.root is None and self.source != "scenes":
            reason = f"must be the data folder; only source scenes makes its own, {self.source} not"
            broken.append(Broken(("root",), reason, None))
        if self.source == "scenes" and self.label_space not in ("auto", "scenes"):
            reason = "must be auto or scenes for source scenes"
            broken.append(Broken(("label_space",), reason, self.label_space))
        report("data", [*broken, *_unknown_classes(self)])
        return self


class AugmentSettings(Settings):
    """Random views of the training photos."""

    crop: Side = 321
    """Height and width of a crop."""
    scale: Annotated[tuple[Positive, Positive], AsTuple] = (0.75, 1.25)
    """Smallest and largest factor by which a photo is resized before the crop."""
    flip: bool = True
    """Mirror every other photo, at random."""
    side: Side | None = None
    """Longer side that a larger photo is first reduced to; null reduces none."""
    views: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of views of a photo, which the epochs take in turn; null draws a new one each time."""

    @field_validator("scale")
    @classmethod
    def _scale_ascends(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError("must be [smallest, largest]")
        return scale


def _unknown_classes(data: DataSettings) -> list[Broken]:
    known = data.source if data.label_space == "auto" else data.label_space
    # These classes are known only once tags.csv or data.json is read.
    if data.keep is None or known in ("tagged_folder", "prepared"):
        return []
    space = labels.label_space(known)
    broken = []
    for index, name in enumerate(data.keep):
        if name not in space.tags:
            near = space.nearest(name)
            hint = f". Did you mean {near}?" if near else f": {', '.join(space.tags)}"
            reason = f"must be a foreground class of label space {known}{hint}"
            broken.append(Broken(("keep", index), reason, name))
    return broken

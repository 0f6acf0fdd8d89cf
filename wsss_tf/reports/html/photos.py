"""The photos of the report: the best, median and worst, through the method to the prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsss_tf.data import DataSet, Photo, truth_maps
from wsss_tf.images import read_photo
from wsss_tf.reports.html.inputs import PhotoScore
from wsss_tf.reports.html.pictures import Strip, strip
from wsss_tf.reports.method_sheet import step_pictures
from wsss_tf.reports.sheets import labelled
from wsss_tf.training import Predictor, RunFolder, mask_maker
from wsss_tf.training.crf import on_cpu
from wsss_tf.training.regions import can_keep_regions, region_source

EACH = 3


@dataclass(frozen=True)
class Chosen:
    """A photo to show: why, and its scores or None."""

    heading: str
    photo: Photo
    score: PhotoScore | None = None

    @property
    def caption(self) -> str:
        """Its id, its tags, its scores in per cent."""
        parts = [self.photo.id, ", ".join(self.photo.tags) or "no tag"]
        if self.score and self.score.miou is not None:
            parts.append(f"mIoU {100 * self.score.miou:.1f}")
        if self.score and self.score.pixel_accuracy is not None:
            parts.append(f"pixel accuracy {100 * self.score.pixel_accuracy:.1f}")
        return " · ".join(parts)


def by_score(photos: Sequence[Photo], scores: Sequence[PhotoScore], each: int) -> list[Chosen]:
    """The `each` best, median and worst photos by their own mIoU, best first; none twice.

    Args:
        photos: of the split.
        scores: of photos; those without a mIoU, or not in the split, are left out. Equal scores
            go by id.
        each: at least 1.
    """
    known = {photo.id: photo for photo in photos}
    ranked = sorted(
        (score for score in scores if score.miou is not None and score.id in known),
        key=lambda score: (-(score.miou or 0.0), score.id),
    )
    best, worst = ranked[:each], ranked[each:][-each:]
    between = ranked[len(best) : len(ranked) - len(worst)]
    first = max(0, (len(between) - each) // 2)
    groups = {"Best": best, "Median": between[first : first + each], "Worst": worst}
    return [
        Chosen(heading, known[score.id], score)
        for heading, group in groups.items()
        for score in group
    ]


def spread(photos: Sequence[Photo], count: int) -> list[Chosen]:
    """Up to `count` photos, evenly over the list."""
    places = np.linspace(0, len(photos) - 1, min(count, len(photos))).astype(int)
    return [Chosen("Training photo", photos[i]) for i in places]


class Illustrator:
    """Draws photos through what `run` has trained.

    Args:
        run: whose networks are used.
        dataset: its data.
        masks: whether to make masks; the networks for them must be there.
        predicts: whether there is a trained segmentation network.
        crf: as for `Predictor`.
    """

    def __init__(
        self, run: RunFolder, dataset: DataSet, *, masks: bool, predicts: bool, crf: bool | None
    ) -> None:
        self._run, self._dataset = run, dataset
        keep = can_keep_regions(run)
        self._maker = mask_maker(run, dataset.labels) if masks else None
        self._regions = region_source(run, run.recipe.masks.crf, keep=keep) if masks else None
        self._predictor = Predictor(run, crf=crf, keep_regions=keep) if predicts else None

    def strips(self, chosen: Sequence[Chosen], split: str, *, truth: bool) -> Iterator[Strip]:
        """Yields the pictures of each photo, in order.

        Args:
            chosen: photos of `split`.
            split: its name.
            truth: whether to show the pixel labels; they are then opened.

        Raises:
            DataError: a photo or a mask cannot be read.
        """
        photos = [one.photo for one in chosen]
        masks = truth_maps(self._dataset, split, photos) if truth else iter(())
        for one in chosen:
            pixels = self._read(one.photo)
            pictures = {"photo": pixels}
            if self._maker is not None:
                tags = self._dataset.labels.tag_vector(one.photo.tags)
                pictures = step_pictures(self._maker, pixels, tags, self._regions)
            if self._predictor is not None:
                with on_cpu():
                    pictures["prediction"] = labelled(pixels, self._predictor(pixels))
            if truth:
                pictures["truth"] = labelled(pixels, next(masks))
            yield strip(one.heading, one.caption, pictures)

    def _read(self, photo: Photo) -> NDArray[np.uint8]:
        return read_photo(photo.path, max_pixels=self._run.recipe.data.max_pixels)

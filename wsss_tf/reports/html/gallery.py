"""Which photos the report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wsss_tf.data import DataSet
from wsss_tf.reports.html.block_pictures import block_strips
from wsss_tf.reports.html.photos import EACH, Chosen, Illustrator, by_score, spread
from wsss_tf.reports.html.pictures import Strip
from wsss_tf.reports.html.scores import WITH, Scores
from wsss_tf.training import RunFolder

BLOCK_ROWS = 3


@dataclass
class Gallery:
    """The photos of the report.

    Attributes:
        strips: photos through the method.
        blocks: photos with what each block of the network looks at.
        scored: whether `strips` are the best, median and worst, or spread over the training split.
        masks: whether `strips` have the steps to a mask.
    """

    strips: list[Strip] = field(default_factory=list)
    blocks: list[Strip] = field(default_factory=list)
    scored: bool = False
    masks: bool = False


def draw_gallery(
    gallery: Gallery, run: RunFolder, dataset: DataSet, scores: Scores, *, missing: Sequence[str]
) -> None:
    """Fills `gallery`, strip by strip: what is drawn stays when a later photo cannot be read.

    Args:
        gallery: empty.
        run, dataset: of the photos.
        scores: of the split shown.
        missing: stages without a result; what needs them is left out.

    Raises:
        WsssError: a photo, a mask or a checkpoint cannot be read.
    """
    kind = run.recipe.masks.kind
    masks = kind == "foreground" or (kind == "multi_class" and "localize" not in missing)
    predicts = "segment" not in missing
    chosen = by_score(dataset.photos.get(scores.split, ()), scores.photos, EACH)
    split = scores.split
    gallery.scored, gallery.masks = bool(chosen), masks
    if not chosen:
        split = run.recipe.data.train_split
        chosen = spread(dataset.split(split), 2 * EACH)
    crf = scores.shown == WITH if scores.shown else None
    if masks or predicts:
        artist = Illustrator(run, dataset, masks=masks, predicts=predicts, crf=crf)
        for strip in artist.strips(chosen, split, truth=gallery.scored):
            gallery.strips.append(strip)
    if kind != "none":
        for strip in block_strips(run, dataset, _for_blocks(chosen)):
            gallery.blocks.append(strip)


def _for_blocks(chosen: Sequence[Chosen]) -> list[Chosen]:
    """First, middle and last photo that has a tag: of scored ones best, median and worst."""
    tagged = [one for one in chosen if one.photo.tags]
    places = {round(row * (len(tagged) - 1) / (BLOCK_ROWS - 1)) for row in range(BLOCK_ROWS)}
    return [tagged[place] for place in sorted(places)] if tagged else []

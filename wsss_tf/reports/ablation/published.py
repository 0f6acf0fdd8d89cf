"""What the paper reports for PASCAL VOC 2012, to stand beside our figures."""

from __future__ import annotations

from wsss_tf.config import DataSettings
from wsss_tf.labels import LabelSpace
from wsss_tf.reports.published import paper_data_set

SOURCE = (
    "Saleh et al., Incorporating Network Built-in Priors in Weakly-supervised Semantic "
    "Segmentation, TPAMI 2017, Tables 4 to 6"
)

# Mean IoU in per cent, by table, row and CRF. Table 4 is of a tenth of VOC's train, Tables 5 and 6
# of its val. Tables 4 and 6 are with a dense CRF; Table 5 does not say, and stands with ours here.
FIGURES: dict[tuple[str, str, str], float] = {
    ("4", "blocks 4 + 5", "pairwise"): 60.08,
    ("5", "localization", "pairwise"): 43.0,
    ("5", "localization + fusion", "pairwise"): 46.6,
    ("6", "tags", "pairwise"): 31.0,
    ("6", "foreground", "pairwise"): 47.3,
    ("6", "foreground_regions", "regions"): 48.0,
    ("6", "localization", "pairwise"): 45.9,
    ("6", "localization_regions", "regions"): 46.6,
    ("6", "fusion", "pairwise"): 49.2,
    ("6", "fusion_regions_small", "regions"): 49.3,
    ("6", "fusion_regions_large", "regions"): 50.9,
}


def is_comparable(data: DataSettings, labels: LabelSpace) -> bool:
    """Whether the data set is the paper's: VOC, with all of its 20 classes.

    Args:
        data: of the recipe.
        labels: the classes that are scored.
    """
    return paper_data_set(data, labels.names) == "voc"


def published(table: str, row: str, crf: str) -> float | None:
    """The paper's mean IoU on VOC, a fraction; None where it has none.

    Args:
        table: "4", "5" or "6".
        row: of the table, as `Row.name`.
        crf: "none", "pairwise" or "regions".
    """
    figure = FIGURES.get((table, row, crf))
    return None if figure is None else figure / 100.0

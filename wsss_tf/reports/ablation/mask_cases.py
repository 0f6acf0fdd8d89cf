"""The masks of Tables 4 and 5: which settings, each without and with a CRF and its regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wsss_tf.config import CrfSettings, MasksSettings, Recipe

_BLOCKS = {"blocks 4 + 5": (4, 5), "block 4": (4,), "block 5": (5,)}
_FUSIONS = ("localization", "localization + fusion")


@dataclass(frozen=True)
class MaskCase:
    """One figure of Table 4 or 5.

    Attributes:
        table: "4" or "5".
        name: of the row.
        settings: "recipe", or "paper" for the values that the paper prints.
        crf: "none", "pairwise" or "regions".
        masks: what is measured.
    """

    table: str
    name: str
    settings: str
    crf: str
    masks: MasksSettings


def mask_cases(base: Recipe, table: str) -> Iterator[MaskCase]:
    """The figures of a table, row by row.

    Args:
        base: the multi-class recipe.
        table: "4", foreground masks of blocks 4 and 5 and of each alone; or "5", multi-class masks
            without and with fusion, as the recipe says and, where that differs, as printed.
    """
    if table == "4":
        for name, blocks in _BLOCKS.items():
            masks = base.masks.model_copy(update={"kind": "foreground", "blocks": blocks})
            yield from _with_crfs("4", name, "recipe", masks)
        return
    printed = paper_masks(base)
    of_settings = {"recipe": base.masks, "paper": printed}
    if base.masks == printed:
        del of_settings["paper"]
    for settings, fused in of_settings.items():
        alone = fused.model_copy(update={"alpha": 0.0})
        for name, masks in zip(_FUSIONS, (alone, fused), strict=True):
            yield from _with_crfs("5", name, settings, masks)


def paper_masks(base: Recipe) -> MasksSettings:
    """Multi-class masks as the paper prints them, with the field's usual kernel.

    The defaults of the settings are those values. What only sets how fast or how large a photo is
    looked at stays the recipe's: the side, the CRF's mode and its regions.

    Source: Saleh et al., TPAMI 2017, section 3.1 and Eq. 7.
    """
    own = base.masks.crf or CrfSettings()
    crf = CrfSettings(mode=own.mode, unary="softmax", regions=own.regions)
    return MasksSettings(kind="multi_class", side=base.masks.side, crf=crf)


def _with_crfs(table: str, name: str, settings: str, masks: MasksSettings) -> Iterator[MaskCase]:
    crfs: dict[str, CrfSettings | None] = {"none": None}
    if masks.crf is not None:
        crfs["pairwise"] = masks.crf.model_copy(update={"regions": None})
        if masks.crf.regions is not None:
            crfs["regions"] = masks.crf
    for crf, found in crfs.items():
        yield MaskCase(table, name, settings, crf, masks.model_copy(update={"crf": found}))

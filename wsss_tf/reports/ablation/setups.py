"""The eight set-ups of the paper's Table 6, as overrides of a multi-class recipe."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wsss_tf.config import CrfSettings, Recipe, RegionSettings
from wsss_tf.errors import ConfigError

# What the other two supervisions change in a multi-class recipe.
_NO_CAMS = "localize=null"
TAGS = ("segment.loss=tags", "masks.kind=none", _NO_CAMS)
FOREGROUND = ("segment.loss=foreground", "masks.kind=foreground", _NO_CAMS)
# P_c is M_c, and P_0 is M_0 (Eq. 3 and 5): the CAMs alone.
_CAM_ALONE = ("masks.alpha=0.0",)


@dataclass(frozen=True)
class SetUp:
    """One row of Table 6.

    Attributes:
        name: by which it is asked for.
        title: what the paper calls it.
        overrides: "key=value", of a multi-class recipe.
        regions: whether the CRFs, of masks and at the end, have the region term.
        field_of_view: of the segmentation network, "small" or "large".
        names_view: whether the field of view is what the set-up is about.
        over: name of the set-up that this one adds a part to; its gain is told over that.
    """

    name: str
    title: str
    overrides: tuple[str, ...] = ()
    regions: bool = False
    field_of_view: str = "small"
    names_view: bool = False
    over: str | None = None


_ALL = (
    SetUp("tags", "tags only", TAGS),
    SetUp("foreground", "foreground", FOREGROUND, over="tags"),
    SetUp("foreground_regions", "foreground + regions", FOREGROUND, True, over="foreground"),
    SetUp("localization", "localization", _CAM_ALONE, over="tags"),
    SetUp("localization_regions", "localization + regions", _CAM_ALONE, True, over="localization"),
    SetUp("fusion", "localization + fusion", over="localization"),
    SetUp("fusion_regions_small", "loc. + fusion + regions", (), True, "small", True, "fusion"),
    SetUp(
        "fusion_regions_large",
        "loc. + fusion + regions",
        (),
        True,
        "large",
        True,
        "fusion_regions_small",
    ),
)
SETUPS = {setup.name: setup for setup in _ALL}


def chosen_setups(names: Sequence[str] | None, field_of_view: str | None) -> tuple[SetUp, ...]:
    """The set-ups to train, in the table's order.

    Args:
        names: keys of `SETUPS`; None for all that `field_of_view` leaves.
        field_of_view: one for all of them; None for each its own. A set-up that is about the other
            one then has no place.

    Raises:
        ConfigError: an unknown name, none at all, or a set-up that `field_of_view` contradicts.
    """
    strange = [
        setup.name
        for setup in _ALL
        if setup.names_view and field_of_view not in (None, setup.field_of_view)
    ]
    if names is None:
        return tuple(setup for setup in _ALL if setup.name not in strange)
    check_names("--setups", names, SETUPS)
    wrong = [name for name in names if name in strange]
    if wrong:
        raise ConfigError(
            f"--setups: {wrong[0]} names its field of view. Received: segment.field_of_view="
            f"{field_of_view} for all set-ups. Leave one of the two out."
        )
    return tuple(setup for setup in _ALL if setup.name in names)


def overrides_of(setup: SetUp, base: Recipe, field_of_view: str | None) -> tuple[str, ...]:
    """The overrides that make `base` the recipe of a set-up.

    Args:
        setup: one of `SETUPS`.
        base: a multi-class recipe. Its CRFs stay, but for their regions; a CRF that it has not is
            not added. Where its networks start from the CAM network, so do those of all set-ups.
        field_of_view: as for `chosen_setups`.

    Raises:
        ConfigError: regions without a CRF for the masks.
    """
    if setup.regions and base.masks.crf is None:
        raise ConfigError(
            f"{setup.name}: regions are of a CRF, and masks.crf is null. Set it, such as "
            "--set masks.crf.mode=fast, or leave the set-ups with regions out of --setups."
        )
    starts_from_cams = base.segment.start == "localize"
    changes = [one for one in setup.overrides if not (starts_from_cams and one == _NO_CAMS)]
    changes.append(f"segment.field_of_view={field_of_view or setup.field_of_view}")
    for key, crf in (("masks.crf", base.masks.crf), ("inference.crf", base.inference.crf)):
        if crf is not None:
            regions = regions_of(base, crf).model_dump(mode="json") if setup.regions else None
            changes.append(f"{key}.regions={json.dumps(regions)}")
    return tuple(changes)


def regions_of(base: Recipe, crf: CrfSettings) -> RegionSettings:
    """The regions that a CRF of `base` has where it has them: its own, the masks', or defaults."""
    of_masks = base.masks.crf.regions if base.masks.crf else None
    return crf.regions or of_masks or RegionSettings()


def check_names(option: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises ConfigError for a name that is not known, given twice, or for no name at all."""
    known = list(known)
    if not names:
        raise ConfigError(f"{option}: must name at least one of {', '.join(known)}.")
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"{option}: must be of {', '.join(known)}. Received: {name or 'nothing'}.{hint}"
            )
        if list(names).count(name) > 1:
            raise ConfigError(f"{option}: must name each once. Received twice: {name}.")

"""What bundle.json must say, held by pydantic; loaded only when a bundle is opened."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wsss_tf.labels import LabelSpace

FORMAT = 1
"""The newest format of bundle.json that is read."""
PRECISIONS = ("fp32", "fp16", "int8")
SERVER_FILES = ("models.config", "batching.config", "monitoring.config")
"""What TensorFlow Serving is told, in the folder that `tf_serving` names."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    # What a later version adds within a format is no error here.
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class InputContract(_Section):
    """The one input of a model: photos of one size, as they are displayed."""

    name: str
    dtype: Literal["uint8"]
    layout: Literal["NHWC"]
    color: Literal["RGB"]
    max_side: Side
    """A photo whose longer side is above it is reduced: by the graph, or else before."""


class Views(_Section):
    """How the graph looks at photos."""

    side: Side | None = None
    """It reduces those whose longer side is above it by itself; None: it never does."""
    grid_side: Side | None = None
    """Above it, it decides classes on a grid of that longer side; None: it never does."""


class CrfContract(_Section):
    """The CRF after the model, a file of its own."""

    file: str
    regions: bool
    """Whether it takes regions."""
    region_settings: dict[str, Any] | None = None
    """Arguments of `regions.RegionMethod`; None is its own choice."""
    by_default: bool = False
    """Whether the run's recipe ends with it."""
    max_side: Side
    """It works on photos reduced to this longer side."""
    settings: dict[str, Any]


class TFServingFiles(_Section):
    """What TensorFlow Serving is told beside the SavedModel."""

    model: str
    """The name it is served under."""
    folder: str


class FileEntry(_Section):
    """A file of the bundle."""

    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]


class BundleContract(_Section):
    """bundle.json in format 1; `files` has every file of the bundle but bundle.json itself."""

    format: Literal[1]
    wsss_tf: str
    labels: tuple[str, ...]
    input: InputContract
    outputs: dict[str, str]
    models: dict[Literal["fp32", "fp16", "int8"], str]
    crf: CrfContract | None
    saved_model: str | None
    tf_serving: TFServingFiles | None = None
    """None in bundles of before there were such files."""
    views: Views = Views()
    weights_sha256: str
    recipe_sha256: str
    files: dict[str, FileEntry]

    @property
    def whole_side(self) -> int:
        """The longer side up to which a photo is given to the graph whole.

        Beyond `input.max_side` only where the graph reduces it by itself. A still larger one would
        take gigabytes there.
        """
        views, most = self.views, self.input.max_side
        return max(most, views.grid_side or most) if views.side else most

    @property
    def reduced_side(self) -> int:
        """The longer side to which a larger photo is reduced: that at which the graph looks."""
        return min(self.views.side or self.input.max_side, self.input.max_side)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> BundleContract:
        LabelSpace(self.labels)
        used = [*self.models.values(), *([self.crf.file] if self.crf else [])]
        if self.saved_model is not None:
            used.append(f"{self.saved_model}/saved_model.pb")
        if self.tf_serving is not None:
            used += [f"{self.tf_serving.folder}/{name}" for name in SERVER_FILES]
        unlisted = sorted(name for name in used if name not in self.files)
        if unlisted:
            raise ValueError(f"`files` must list every model. Received: no {', '.join(unlisted)}")
        lacking = {"labels", "probabilities"} - set(self.outputs)
        if lacking:
            raise ValueError(f"`outputs` must name labels and probabilities, not {self.outputs}")
        return self

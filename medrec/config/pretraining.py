"""Pretraining without labels, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema
from medrec.config.data import Data
from medrec.config.model import PackageWeights, Weights
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.config.training import OptimiserConfig


class EncoderConfig(Schema):
    """The network of pictures that learns, and what it knows before."""

    kind: Literal["picture"] = "picture"
    backbone: str = "tf_efficientnet_lite0"
    """Any name that `timm.list_models()` knows."""
    weights: Weights = PackageWeights()


class VolumeEncoderConfig(Schema):
    """The network of volumes that learns, from random weights."""

    kind: Literal["volume"]
    architecture: Literal["resnet10", "resnet18"] = "resnet10"
    """MONAI's, as MedicalNet's."""
    depth: Annotated[int, Field(ge=16, multiple_of=16)] = 32
    """Slices of a volume: each stack is interpolated to this many."""


class SimclrConfig(Schema):
    """Two random views of one picture shall lie close together, those of two pictures apart."""

    kind: Literal["simclr"] = "simclr"
    temperature: Annotated[float, Field(gt=0)] = 0.2
    projection: Annotated[int, Field(ge=2)] = 128
    """Length of the vectors that are compared."""
    smallest_crop: Annotated[float, Field(gt=0, le=1)] = 0.35
    """A view shows at least this share of the picture's area."""
    augment: AugmentConfig = AugmentConfig()
    """Further random changes of each view: leave out what a radiologist wouldn't call the same."""


class MaskedConfig(Schema):
    """Patches of a volume are hidden; the network rebuilds them (SimMIM)."""

    kind: Literal["masked"]
    patch: Literal[4, 8, 16] = 8
    """Edge of a patch, in voxels."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Share of the patches that is hidden."""


class PretrainFitConfig(Schema):
    """The schedule."""

    epochs: Annotated[int, Field(ge=1)] = 50
    batch_size: Annotated[int, Field(ge=2)] = 64
    precision: Literal["32", "bf16"] = "32"
    workers: Annotated[int, Field(ge=0)] = 0
    optimiser: OptimiserConfig = OptimiserConfig()


class PretrainConfig(Schema):
    """`medrec pretrain CONFIG`: labels are never read."""

    kind: Literal["pretrain"]
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    seed: int = 1
    data: Data
    splits: Path | None = None
    """The frozen splits of the training that will use the weights. None: the manifest's own column
    `split`."""
    patients: Literal["train", "train_and_unplaced", "all"] = "train"
    """Whose scans are opened: of `train` alone; also of those whom the splits don't name, where
    they name some; or of all, whatever the splits say."""
    preprocess: PreprocessConfig = PreprocessConfig()
    model: Annotated[EncoderConfig | VolumeEncoderConfig, Field(discriminator="kind")] = (
        EncoderConfig()
    )
    method: Annotated[SimclrConfig | MaskedConfig, Field(discriminator="kind")] = SimclrConfig()
    fit: PretrainFitConfig = PretrainFitConfig()

    @model_validator(mode="after")
    def _fit_together(self) -> PretrainConfig:
        if (self.method.kind == "masked") != (self.model.kind == "volume"):
            message = "method masked learns with model.kind volume, simclr with model.kind picture"
            raise ValueError(message)
        if self.model.kind == "volume" and self.preprocess.size_px % 16:
            message = "preprocess.size_px must be a multiple of 16 for volumes"
            raise ValueError(message)
        return self

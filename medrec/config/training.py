"""A whole training run in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medrec.config.audit import AuditConfig
from medrec.config.base import Schema
from medrec.config.calibration import CalibrationConfig
from medrec.config.data import Data as Data
from medrec.config.data import ManifestData as ManifestData
from medrec.config.data import MasksData as MasksData
from medrec.config.data import TableData as TableData
from medrec.config.model import ModelConfig
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.domain.modality import Modality, Sequence


class ScopeConfig(Schema):
    """What the model may be asked about: its input contract."""

    modality: list[Modality]
    body_part: list[str]
    sequence: list[Sequence] = []
    view_position: list[str] | None = None
    """Views of the films that it was trained on (PA, AP, CC, MLO ...); None accepts any."""
    for_processing: Literal["refuse", "accept"] | None = None
    """Accept films of raw detector values (FOR PROCESSING); None refuses them."""
    dimensionality: Literal["image", "volume"] = "volume"
    domain: Literal["clinical", "surrogate"] = "clinical"
    lesions: Literal["real", "planted"] = "real"
    exam_level_surrogate: bool = False


class SplitConfig(Schema):
    """Who trains and who is tested; `file` is frozen and made on the first run if missing."""

    file: Path | None = None
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=2)] = 5
    stratify_by: list[str] = []
    seed: int = 1


class OptimiserConfig(Schema):
    """AdamW with warm-up and cosine decay."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    gradient_clip: Annotated[float, Field(ge=0)] = 1.0


class FitConfig(Schema):
    """The schedule of one fit."""

    epochs: Annotated[int, Field(ge=1)] = 6
    batch_size: Annotated[int, Field(ge=1)] = 32
    precision: Literal["32", "bf16"] = "32"
    workers: Annotated[int, Field(ge=0)] = 0
    positive_weight_cap: Annotated[float, Field(ge=1)] = 1.0
    """The positive class weighs as much as the negative one, but never more than this."""
    optimiser: OptimiserConfig = OptimiserConfig()


class CardConfig(Schema):
    """What the model card says beside the measured figures."""

    summary: str
    intended_use: str
    limits: list[str]
    training_data: str
    license: str
    """An SPDX expression for the weights."""
    license_text: Path | None = None
    """A file beside the config that becomes the package's LICENSE."""


class TrainConfig(Schema):
    """`medrec train CONFIG`."""

    kind: Literal["train"] = "train"
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    version: str = "0.1.0"
    seed: int = 1
    labels: Annotated[list[str], Field(min_length=1)]
    primary_label: str
    data: Data
    splits: SplitConfig = SplitConfig()
    scope: ScopeConfig
    preprocess: PreprocessConfig = PreprocessConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    audit: AuditConfig | None = None
    """What may be overruled of the audit that runs before training; None nothing."""
    card: CardConfig

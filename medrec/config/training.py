"""A whole training run in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medrec.config.base import Schema
from medrec.config.calibration import CalibrationConfig
from medrec.config.model import ModelConfig
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.config.selection import RulesSource
from medrec.domain.modality import Modality, Sequence


class ManifestData(Schema):
    """Scans and labels that a manifest lists."""

    kind: Literal["manifest"] = "manifest"
    manifest: Path
    rules: RulesSource | None = None
    """Which series of a DICOM folder counts: a file of `kind: rules`. The package carries them."""


class MasksData(Schema):
    """NIfTI volumes, each with a mask on the same grid: a slice is positive where its mask is.

    `root` is the folder of the archive. `images` is a glob below it. `mask` is a path relative to
    the image's folder. The patient is the name of the image's folder.
    """

    kind: Literal["masks"]
    root: Path | None = None
    images: str
    mask: str
    label: str = "tumor"
    """What the masks outline."""
    cases: str | None = None
    """A CSV below `root` with a `patient` column and attributes (site, sex, age)."""
    get_it_from: str
    """Where a person obtains the archive; printed when `root` is missing."""


Data = Annotated[ManifestData | MasksData, Field(discriminator="kind")]


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


class EarlyStopConfig(Schema):
    """End a fit when the watched log-loss no longer falls; needs a tune split."""

    patience: Annotated[int, Field(ge=1)] = 5
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class UnfreezeConfig(Schema):
    """Let the last layer learn alone first; the backbone and its statistics wait."""

    head_epochs: Annotated[int, Field(ge=1)] = 1


class FitConfig(Schema):
    """The schedule of one fit."""

    epochs: Annotated[int, Field(ge=1)] = 6
    batch_size: Annotated[int, Field(ge=1)] = 32
    precision: Literal["32", "bf16", "fp16"] = "32"
    workers: Annotated[int, Field(ge=0)] = 0
    positive_weight_cap: Annotated[float, Field(ge=1)] = 1.0
    """The positive class weighs as much as the negative one, but never more than this."""
    optimiser: OptimiserConfig = OptimiserConfig()
    accumulate: Annotated[int, Field(ge=1)] | None = None
    """Batches whose gradients make one step. None: 1."""
    sampler: (
        Literal["uniform", "class_balanced", "patient_balanced", "class_and_patient_balanced"]
        | None
    ) = None
    """What is drawn equally often, with replacement. None or uniform: every row once an epoch."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each layer learns this many times as fast as the one above it. None: all alike."""
    unfreeze: UnfreezeConfig | None = None
    """None: all weights learn from the first epoch."""
    mixup: Annotated[float, Field(gt=0)] | None = None
    """Alpha of mixup's Beta distribution. None: no mixup."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Pull targets towards 0.5 by half of this. None: targets as they are."""
    early_stop: EarlyStopConfig | None = None
    """None: the schedule is fixed. Refused when cross-fitting, where nothing may be chosen."""
    compile: bool | None = None
    """Compile the network by torch.compile. None or false: as it is."""


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
    card: CardConfig

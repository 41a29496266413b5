"""A whole training run in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema
from medrec.config.cache import CacheConfig
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


class FitConfig(Schema):
    """The schedule of one fit."""

    epochs: Annotated[int, Field(ge=1)] = 6
    batch_size: Annotated[int, Field(ge=1)] = 32
    precision: Literal["32", "bf16"] = "32"
    workers: Annotated[int, Field(ge=0)] = 0
    augment_on: Literal["worker", "device"] | None = None
    """`device`: flips, affine changes, contrast and noise are made for whole batches where the
    network runs, after those that the loader's processes make; the fastest on a GPU, and other
    random numbers. None: all in the loader's processes."""
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


_NOT_FLIPPED = {"CHEST", "THORAX"}


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
    cache: CacheConfig | None = None
    """None: float16, in the run's folder."""
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    card: CardConfig

    @model_validator(mode="after")
    def _keep_the_heart_left(self) -> TrainConfig:
        """A mirrored chest film shows a heart on the right, which is a finding and not a change."""
        if self.augment.flip_left_right and any(
            part.strip().upper() in _NOT_FLIPPED for part in self.scope.body_part
        ):
            message = (
                "augment.flip_left_right must be 0 for scope.body_part CHEST: a mirrored chest "
                "has its heart on the wrong side, as no patient of an ordinary archive does"
            )
            raise ValueError(message)
        return self

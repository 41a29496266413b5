"""A whole training run in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medrec.config.audit import AuditConfig
from medrec.config.base import Schema
from medrec.config.cache import CacheConfig
from medrec.config.calibration import CalibrationConfig
from medrec.config.data import Data as Data
from medrec.config.data import ManifestData as ManifestData
from medrec.config.data import MasksData as MasksData
from medrec.config.data import TableData as TableData
from medrec.config.ensemble import EnsembleConfig
from medrec.config.exclusive import Groups, check_groups
from medrec.config.model import (
    DetectorConfig,
    ModelConfig,
    NetworkConfig,
    VolumeConfig,
    VolumeDetectorConfig,
    classes_of,
    is_detector,
    is_of_exams,
)
from medrec.config.planting import PlantConfig, wrong_plant
from medrec.config.preprocess import AugmentConfig, PreprocessConfig
from medrec.domain.modality import Modality, Sequence

_SWIN_STEP = 32


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
    augment_on: Literal["worker", "device"] | None = None
    """`device`: flips, affine changes, contrast and noise are made for whole batches where the
    network runs, after those that the loader's processes make; the fastest on a GPU, and other
    random numbers. None: all in the loader's processes."""
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
    keep: Literal["best", "last"] | None = None
    """Whose weights count where there is a tune split: those of the epoch with the lowest watched
    log-loss, or of the last, which few tune patients can't mislead. None: the best."""
    tune: Literal["watch", "learn"] | None = None
    """What a tune split is for: `watch`, the epoch is chosen on it; `learn`, it trains too and the
    last weights count, once candidates were compared on it. None: watch."""
    logger: Literal["tensorboard", "mlflow", "none"] | None = None
    """Where losses are logged beside history.json: `logs` in each network's folder. None:
    TensorBoard's files where it is installed, else nothing. `mlflow`: a SQLite file for MLflow."""
    compile: bool | None = None
    """Compile the network by torch.compile. None or false: as it is."""
    devices: Annotated[int, Field(ge=1)] | None = None
    """Processes on each machine, each with a device and a `batch_size` of its own. None: as many as
    torchrun started; without torchrun, one."""
    nodes: Annotated[int, Field(ge=1)] | None = None
    """Machines. None: as many as torchrun was started on."""
    strategy: Literal["auto", "ddp", "fsdp"] | None = None
    """How several devices share a fit: `ddp`, each holds the whole network; `fsdp`, each GPU holds
    a part of weights, gradients and moments, for networks too large for one. None or auto: ddp."""

    @property
    def chooses_epoch(self) -> bool:
        """The best epoch counts where there is a tune split, and not the last."""
        return self.keep != "last" and self.tune != "learn"

    @model_validator(mode="after")
    def _who_learns_chooses_nothing(self) -> FitConfig:
        if self.tune == "learn" and (self.early_stop or self.keep == "best"):
            message = (
                "fit.tune: patients who learn can choose no epoch; leave early_stop and keep out"
            )
            raise ValueError(message)
        return self


class TestConfig(Schema):
    """How the test is told."""

    within: str
    """An attribute whose values are archives that a network may tell apart: what holds positives
    against negatives, and boxes, is told within each of them alone."""
    also: list[str] | None = None
    """Further attributes, of rows or of boxes, for whose values the card tells how many lesions are
    found, how many false positives there are and how many negatives are let pass. None: none."""


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
    scored_before: Annotated[list[str], Field(min_length=1)] | None = None
    """Earlier scorings of the test patients, each in words: what was scored then. The card says so
    in place of "scored once". None: this training's test is the first."""


_NOT_FLIPPED = {"CHEST", "THORAX"}


class TrainConfig(Schema):
    """`medrec train CONFIG`."""

    kind: Literal["train"] = "train"
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    version: str = "0.1.0"
    seed: int = 1
    labels: Annotated[list[str], Field(min_length=1)]
    primary_label: str
    exclusive: Groups | None = None
    """Groups of labels that exclude each other: every image has exactly one of a group."""
    data: Data
    splits: SplitConfig = SplitConfig()
    scope: ScopeConfig
    preprocess: PreprocessConfig = PreprocessConfig()
    augment: AugmentConfig = AugmentConfig()
    plant: PlantConfig | None = None
    """Lesions that are planted into scans without one while the network learns. None: none."""
    cache: CacheConfig | None = None
    """None: float16, in the run's folder."""
    model: NetworkConfig = ModelConfig()
    ensemble: EnsembleConfig | None = None
    """Several networks that answer with their mean logit. None: one network."""
    fit: FitConfig = FitConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    test: TestConfig | None = None
    """None: figures of all test patients together."""
    audit: AuditConfig | None = None
    """What may be overruled of the audit that runs before training; None nothing."""
    card: CardConfig

    @property
    def planted_label(self) -> str:
        """The label that planted lesions make positive."""
        return (self.plant and self.plant.label) or self.primary_label

    @model_validator(mode="after")
    def _network_fits_the_rest(self) -> TrainConfig:
        if problems := list(_misfits(self)):
            message = "; ".join(problems)
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _groups_are_of_labels(self) -> TrainConfig:
        check_groups(self.labels, self.exclusive)
        if self.exclusive and self.fit.label_smoothing:
            message = (
                "fit.label_smoothing: moves each class of an exclusive group towards 0.5, so that "
                "they no longer sum to 1; leave it out"
            )
            raise ValueError(message)
        if self.exclusive and (self.calibration.substacks or self.scope.exam_level_surrogate):
            message = (
                "exclusive: runs of slices (calibration.substacks) stand in for exams with and "
                "without one label; there are none for classes that exclude each other"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _keep_the_heart_left(self) -> TrainConfig:
        """A mirrored chest film shows a heart on the right, which is a finding and not a change."""
        mirrored = list(_mirrored(self))
        if mirrored and any(part.strip().upper() in _NOT_FLIPPED for part in self.scope.body_part):
            message = (
                f"{', '.join(mirrored)} for scope.body_part CHEST: a mirrored chest "
                "has its heart on the wrong side, as no patient of an ordinary archive does"
            )
            raise ValueError(message)
        return self


def _mirrored(config: TrainConfig) -> Iterator[str]:
    """What makes a network learn from mirror images, or look at them."""
    if config.augment.flip_left_right:
        yield "augment.flip_left_right must be 0"
    if isinstance(config.model, ModelConfig) and config.model.mirror_average:
        yield "model.mirror_average must be false"
    if (
        isinstance(config.model, DetectorConfig | VolumeDetectorConfig)
        and config.model.boxes.mirror
    ):
        yield "model.boxes.mirror must be false"


def _misfits(config: TrainConfig) -> Iterator[str]:
    is_3d = isinstance(config.model, VolumeConfig | VolumeDetectorConfig)
    size = config.preprocess.volume_size
    if config.preprocess.spacing_mm is not None:
        yield from _spacing_misfits(config)
    elif is_3d and size is None:
        yield f"preprocess.volume_size: a {config.model.kind} needs it, such as [32, 96, 96]"
    if not is_3d and size is not None:
        yield "preprocess.volume_size: only 3D networks take whole volumes; leave it out"
    swin = isinstance(config.model, VolumeConfig) and config.model.architecture == "swin"
    if swin and size is not None and any(side % _SWIN_STEP for side in size):
        yield f"preprocess.volume_size: each side must be a multiple of {_SWIN_STEP} for swin"
    yield from _plant_misfits(config)
    if is_of_exams(config.model):
        yield from _exam_misfits(config)
    if is_detector(config.model):
        yield from _detector_misfits(config)
    yield from _calibration_misfits(config)


def _calibration_misfits(config: TrainConfig) -> Iterator[str]:
    asked = config.calibration
    if not is_detector(config.model):
        for name in ("boxes_only", "exams_only"):
            if getattr(asked, name) is not None:
                yield f"calibration.{name}: a {config.model.kind} finds no boxes; leave it out"
    if asked.prevalence is None:
        return
    if config.exclusive:
        yield (
            "calibration.prevalence: labels that exclude each other share their rows, which can't "
            "be weighted to a prevalence of each; leave it out"
        )
    if asked.substacks is not None:
        yield (
            "calibration.prevalence: runs of slices are cut at a prevalence of their own; leave it "
            "or calibration.substacks out"
        )


def _plant_misfits(config: TrainConfig) -> Iterator[str]:
    yield from wrong_plant(config.plant, config.planted_label, config.labels, config.model)
    if config.plant is not None and config.exclusive:
        yield "plant: among labels that exclude each other it would make two true at once"


def _spacing_misfits(config: TrainConfig) -> Iterator[str]:
    """Volumes at one spacing differ in shape, which windows alone can take."""
    if not isinstance(config.model, VolumeDetectorConfig):
        yield (
            f"preprocess.spacing_mm: a {config.model.kind} needs inputs of one shape, and volumes "
            "of one spacing differ in it; leave it out"
        )
    elif config.model.window_size is None:
        yield (
            "preprocess.spacing_mm: volumes of one spacing differ in shape, and are learned "
            "through a window: add model.window_size, at least twice the largest lesion, or leave "
            "spacing_mm out and name preprocess.volume_size"
        )
    if config.preprocess.volume_size is not None:
        yield "preprocess.volume_size: spacing_mm decides the shape; leave one of both out"


def _exam_misfits(config: TrainConfig) -> Iterator[str]:
    if config.fit.augment_on == "device":
        yield f"fit.augment_on: a {config.model.kind} is augmented by the loader's processes alone"
    if config.scope.dimensionality != "volume":
        yield f"scope.dimensionality: a {config.model.kind} judges volumes, not images"
    if config.calibration.substacks is not None:
        yield (
            f"calibration.substacks: a {config.model.kind} learns from whole exams and is "
            "calibrated on them; leave it out"
        )
    if config.scope.exam_level_surrogate:
        yield f"scope.exam_level_surrogate: a {config.model.kind} knows no stand-ins; leave it out"


def _detector_misfits(config: TrainConfig) -> Iterator[str]:
    kind, fit = config.model.kind, config.fit
    classes = classes_of(config.model, config.labels)
    for label in set(classes.values()) - set(config.labels):
        yield f"model.classes: {label!r} is none of the labels"
    for label in set(config.labels) - set(classes.values()):
        yield f"model.classes: no class of boxes belongs to the label {label!r}"
    if fit.augment_on == "device":
        yield f"fit.augment_on: boxes of a {kind} are moved by the loader's processes alone"
    if fit.mixup or fit.label_smoothing:
        yield f"fit.mixup, fit.label_smoothing: a {kind} learns from boxes; leave them out"
    if config.exclusive:
        yield f"exclusive: a {kind} has labels that stand alone; types are model.classes"
    yield from _window_misfits(config)


def _window_misfits(config: TrainConfig) -> Iterator[str]:
    """A window larger than what all pictures are made is a mistake, and costs time for nothing."""
    model, sizes = config.model, config.preprocess
    if isinstance(model, DetectorConfig) and (model.window_px or 0) > sizes.size_px:
        yield "model.window_px: larger than the pictures (preprocess.size_px); leave it out"
    if not isinstance(model, VolumeDetectorConfig):
        return
    of_window = (model.window_overlap, model.lesion_share)
    if model.window_size is None and of_window != (None, None):
        yield "model.window_overlap, model.lesion_share: of a window; add model.window_size"
    if model.window_size is not None and sizes.volume_size is not None:
        pairs = zip(model.window_size, sizes.volume_size, strict=True)
        if any(window > side for window, side in pairs):
            yield "model.window_size: larger than the volumes (preprocess.volume_size)"

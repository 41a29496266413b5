"""What an evaluation found: every figure with its interval, and what there is to draw."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from medrec.evaluation.detection_result import detection_to_json
from medrec.evaluation.estimate import estimate_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medrec.domain.finding import CasePrediction, Label
    from medrec.domain.geometry import FloatArray
    from medrec.evaluation.detection_result import DetectionResult, JudgedImage
    from medrec.evaluation.discrimination import Curve
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.reliability import ReliabilityBin
    from medrec.evaluation.samples import BoolArray
    from medrec.evaluation.threshold import ThresholdFigures

SCHEMA = "medrec.evaluation/1"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one label at one level; None where one can't be had (a note says why).

    `calibration_slope` is that of logistic recalibration, `calibration_intercept` the calibration
    in the large, with the slope held at 1. `ece_if_calibrated` is no estimate of these predictions
    but the ECE that perfect calibration stays under in 95 % of draws.
    """

    auroc: Estimate | None = None
    auroc_patient_bootstrap: Estimate | None = None
    auprc: Estimate | None = None
    brier: Estimate | None = None
    ece: Estimate | None = None
    ece_if_calibrated: Estimate | None = None
    calibration_slope: Estimate | None = None
    calibration_intercept: Estimate | None = None
    auroc_level_matched: Estimate | None = None

    @property
    def headline_auroc(self) -> Estimate | None:
        """The AUROC that reports show: DeLong's unless rows share patients."""
        if self.auroc is None or self.auroc.assumes_independent_rows:
            return self.auroc_patient_bootstrap
        return self.auroc


@dataclass(frozen=True, eq=False)
class Curves:
    """What charts of one label at one level are drawn from.

    `truth` (N,) and `value` (N,) are the rows; `value` is a probability where `is_calibrated`, else
    a score. `reliability` is empty without probabilities.
    """

    roc: Curve
    precision_recall: Curve
    reliability: tuple[ReliabilityBin, ...]
    truth: BoolArray
    value: FloatArray
    is_calibrated: bool


@dataclass(frozen=True, eq=False)
class LevelResult:
    """One label at one level: exams, or slices.

    `n` counts rows of known truth, `positives` those that are positive, `unknown` those of unknown
    truth. `patients` and `positive_patients` count the patients behind them. `level_pairs` is the
    number of pairs behind `figures.auroc_level_matched`. `curves` is None where a class is missing.
    """

    n: int
    positives: int
    unknown: int
    patients: int
    positive_patients: int
    figures: Figures
    operating_points: Mapping[str, ThresholdFigures]
    curves: Curves | None = None
    level_pairs: int | None = None

    @property
    def prevalence(self) -> float | None:
        """The share of positive rows: what AUPRC is to be held against."""
        return self.positives / self.n if self.n else None


@dataclass(frozen=True, eq=False)
class LabelResult:
    """One label: its exams, its slices where the manifest has truth of slices, and its patients.

    `patients` is there where exams are lone films, of which a patient may have several, `detection`
    where the manifest has boxes and the model may draw some.
    """

    exam: LevelResult
    images: LevelResult | None = None
    patients: LevelResult | None = None
    detection: DetectionResult | None = None


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The exams of one group.

    `n` counts those of known class, `unknown` the others. `confusion` (C, C) counts exams by their
    class (row) and by the one with the highest logit (column), in the order of `labels`. A figure
    is None where it can't be had: `log_loss` without probabilities, `balanced_accuracy` (the mean
    of the classes' sensitivities) where a class has no exam. `top_ece` is the calibration error of
    the likeliest class's probability, held against how often that class is the true one, and
    `top_reliability` its bins (Guo et al., ICML 2017).
    """

    labels: tuple[Label, ...]
    n: int
    patients: int
    unknown: int
    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate | None = None
    balanced_accuracy: Estimate | None = None
    log_loss: Estimate | None = None
    top_ece: Estimate | None = None
    top_ece_if_calibrated: Estimate | None = None
    top_reliability: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, eq=False)
class Stratum:
    """The exams whose rows have one value in one column of the manifest, and their boxes.

    Where boxes have that column as an attribute, `boxes` are of lesions with the value, on all
    images, and `labels` is empty where no row has it.
    """

    column: str
    value: str
    labels: Mapping[Label, LevelResult]
    boxes: Mapping[Label, DetectionResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SliceFlow:
    """How slice rows of the manifest ended; `unscored` ones have no image (blank slices)."""

    scored: int = 0
    unscored: int = 0
    not_judged: int = 0
    unmatched: int = 0
    ambiguous: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """How cases ended.

    `scored`, `refused` and `failed` are predictions that a manifest row speaks of,
    `without_reference` those that none does. `unmatched` and `ambiguous` are cases of the manifest
    that join no prediction, or more than one.
    """

    scored: int = 0
    refused: int = 0
    failed: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    without_reference: int = 0
    slices: SliceFlow | None = None


class Outcome(StrEnum):
    """A case's decision beside its truth, in the order in which a reader should see them."""

    FALSE_NEGATIVE = "false_negative"
    FALSE_POSITIVE = "false_positive"
    NOT_SCORED = "not_scored"
    TRUE_POSITIVE = "true_positive"
    TRUE_NEGATIVE = "true_negative"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class CaseOutcome:
    """One joined case: prediction beside truth.

    `image_truth` holds, for each label with slice truth, one entry for each of
    `prediction.images`. `outcome` is the worst over the labels that have a threshold. `boxes` are
    the images of each label whose boxes are known.
    """

    prediction: CasePrediction
    truth: Mapping[Label, bool | None]
    image_truth: Mapping[Label, tuple[bool | None, ...]]
    outcome: Outcome
    boxes: Mapping[Label, tuple[JudgedImage, ...]] = field(default_factory=dict)

    @property
    def lesions(self) -> int:
        """How many lesions there are to find."""
        return sum(image.counted for images in self.boxes.values() for image in images)

    @property
    def false_alarms(self) -> int:
        """How many boxes lie on nothing."""
        return sum(image.false_alarms for images in self.boxes.values() for image in images)

    @property
    def missed_lesions(self) -> int:
        """How many lesions no box lies on."""
        return sum(image.missed for images in self.boxes.values() for image in images)


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model that made predictions here."""

    model: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class EvaluationProvenance:
    """What was computed with what."""

    medrec: str
    models: tuple[ModelId, ...]
    bootstrap_rounds: int
    calibrated_draws: int
    ece_bins: int
    level_tolerance: float
    seed: int


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Everything that `medrec evaluate` found; `cases` stand with false negatives first."""

    labels: Mapping[Label, LabelResult]
    strata: tuple[Stratum, ...]
    flow: Flow
    notes: tuple[str, ...]
    provenance: EvaluationProvenance
    cases: tuple[CaseOutcome, ...]
    exclusive: tuple[GroupResult, ...] = ()


def to_json(result: EvaluationResult) -> dict[str, object]:
    """The content of `evaluation.json`; what can't be had is left out."""
    return {
        "schema": SCHEMA,
        "labels": {str(label): _label(found) for label, found in result.labels.items()},
        **(
            {"exclusive": [_group(found) for found in result.exclusive]} if result.exclusive else {}
        ),
        "strata": _strata(result.strata),
        "flow": _plain(result.flow),
        "notes": list(result.notes),
        "provenance": _plain(result.provenance),
    }


def _label(result: LabelResult) -> dict[str, object]:
    data = _level(result.exam)
    if result.images is not None:
        data["images"] = _level(result.images)
    if result.patients is not None:
        data["patients"] = _level(result.patients)
    if result.detection is not None:
        data |= detection_to_json(result.detection)
    return data


def _group(result: GroupResult) -> dict[str, object]:
    figures = {
        "accuracy": result.accuracy,
        "balanced_accuracy": result.balanced_accuracy,
        "log_loss": result.log_loss,
        "top_ece": result.top_ece,
        "top_ece_if_calibrated": result.top_ece_if_calibrated,
    }
    return {
        "labels": [str(label) for label in result.labels],
        "n": result.n,
        "patients": result.patients,
        "unknown": result.unknown,
        "confusion": [list(row) for row in result.confusion],
        **{name: estimate_to_json(found) for name, found in figures.items() if found is not None},
    }


def _level(result: LevelResult) -> dict[str, object]:
    data: dict[str, object] = {
        "n": result.n,
        "positives": result.positives,
        "unknown": result.unknown,
        "patients": result.patients,
        "positive_patients": result.positive_patients,
    }
    if result.prevalence is not None:
        data["prevalence"] = result.prevalence
    for entry in fields(result.figures):
        estimate = getattr(result.figures, entry.name)
        if estimate is not None:
            data[entry.name] = estimate_to_json(estimate)
    if result.figures.auroc_level_matched is not None:
        matched = estimate_to_json(result.figures.auroc_level_matched)
        data["auroc_level_matched"] = {**matched, "pairs": result.level_pairs}
    data["operating_points"] = {
        name: _threshold(figures) for name, figures in result.operating_points.items()
    }
    return data


def _threshold(figures: ThresholdFigures) -> dict[str, object]:
    shares = {
        "sensitivity": figures.sensitivity,
        "specificity": figures.specificity,
        "ppv": figures.ppv,
        "npv": figures.npv,
    }
    known = {name: estimate_to_json(share) for name, share in shares.items() if share is not None}
    return {"threshold": figures.threshold, **known}


def _strata(strata: tuple[Stratum, ...]) -> dict[str, object]:
    columns: dict[str, dict[str, object]] = {}
    for stratum in strata:
        labels = {str(label): _level(level) for label, level in stratum.labels.items()}
        for label, found in stratum.boxes.items():
            labels[str(label)] = labels.get(str(label), {}) | detection_to_json(found)
        columns.setdefault(stratum.column, {})[stratum.value] = labels
    return dict(columns)


def _plain(record: Flow | SliceFlow | EvaluationProvenance | ModelId) -> dict[str, object]:
    data: dict[str, object] = {}
    for entry in fields(record):
        value = getattr(record, entry.name)
        if isinstance(value, tuple):
            data[entry.name] = [_plain(part) for part in value]
        elif isinstance(value, SliceFlow):
            data[entry.name] = _plain(value)
        elif value is not None:
            data[entry.name] = value
    return data

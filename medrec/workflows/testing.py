"""The test of a trained model: the package itself screens patients that had no part in it, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.config.evaluation import EvaluateConfig
from medrec.config.model import classes_of, is_detector, pooling_of
from medrec.config.screening import ScreenConfig
from medrec.config.training import TrainConfig
from medrec.domain.finding import CasePrediction, Label
from medrec.domain.reference import LabelledBox, Reference
from medrec.evaluation.discrimination import auroc_rounds
from medrec.evaluation.evaluate import evaluate_predictions
from medrec.evaluation.froc import RATES
from medrec.evaluation.intervals import Bounds, bootstrap_units
from medrec.evaluation.reliability import brier_rounds, ece_if_calibrated, ece_rounds
from medrec.evaluation.result import EvaluationResult, GroupResult, LabelResult, LevelResult
from medrec.evaluation.threshold import measure_threshold
from medrec.inference.build import build_screener
from medrec.io.predictions import Journal
from medrec.package.card import CardFigure, show
from medrec.package.package import ModelPackage
from medrec.reporting.definitions import FIGURES
from medrec.reporting.evaluation_report import write_evaluation_report
from medrec.workflows.evaluate import to_settings, truth_of_boxes
from medrec.workflows.scoring import find_cases, lay_beside_truth, score_cases

if TYPE_CHECKING:
    from medrec.evaluation.detection_images import BoxTruth
    from medrec.evaluation.detection_result import DetectionResult
    from medrec.evaluation.samples import Samples

_ROUNDS = 2000


@dataclass(frozen=True, slots=True)
class ModelTest:
    """What the test found, as the card shows it."""

    figures: tuple[CardFigure, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The figures as text."""
        return [f"{f.where}: {f.name} {show(f.estimate)}" for f in self.figures]

    def noting(self, notes: Sequence[str]) -> ModelTest:
        """The same figures with more to know of them."""
        return replace(self, notes=(*self.notes, *notes))


def score_test(
    package: ModelPackage,
    config: TrainConfig,
    references: Sequence[Reference],
    *,
    root: Path,
    out: Path,
    device: str,
) -> ModelTest:
    """Screen the test patients with the package, evaluate, write the report into `out`."""
    screener = build_screener(package, ScreenConfig(heatmap=False), device=device)
    predictions = score_cases(find_cases(references, root=root), screener)
    _write_journal(out, predictions)
    settings = to_settings(
        EvaluateConfig(
            stratify_by=_columns(config),
            exclusive=config.exclusive,
            hit=config.calibration.hit,
        )
    )
    boxes = _truth(config, references, root) if is_detector(config.model) else None
    result = evaluate_predictions(predictions, references, settings=settings, boxes=boxes)
    write_evaluation_report(out, _with_warning(result, config.test.within if config.test else None))
    figures = list(_figures_within(result, config.test.within) if config.test else _figures(result))
    if config.test:
        figures += _figures_beside(result, config.test.also or [])
    figures += [figure for found in result.exclusive for figure in _group_figures(found)]
    figures += _run_figures(package, config, predictions, references)
    return ModelTest(tuple(figures), tuple(result.notes))


def _with_warning(result: EvaluationResult, column: str | None) -> EvaluationResult:
    """The same; where archives differ, it says first that figures of all together mix them."""
    if column is None:
        return result
    warning = (
        f"figures of all rows mix what {column} keeps apart: a network may know the archive and "
        f"not the lesion; read those of each {column}, further down"
    )
    return replace(result, notes=(warning, *result.notes))


def _columns(config: TrainConfig) -> list[str]:
    asked = [config.test.within, *(config.test.also or [])] if config.test else []
    return list(dict.fromkeys([*config.splits.stratify_by, *asked]))


def _figures(result: EvaluationResult) -> Iterator[CardFigure]:
    """Of all test patients together."""
    for label, found in result.labels.items():
        for where, level in _levels(found):
            if level is not None:
                yield from _level_figures(f"{label}, {where}", level)
        if found.detection is not None:
            yield from _box_figures(f"{label}, boxes", found.detection)


def _figures_within(result: EvaluationResult, column: str) -> Iterator[CardFigure]:
    """Of each archive alone."""
    for stratum in result.strata:
        if stratum.column != column:
            continue
        for label, level in stratum.labels.items():
            where = f"{label}, {column} {stratum.value}"
            yield from _level_figures(f"{where}, exams", level)
            if label in stratum.boxes:
                yield from _box_figures(f"{where}, boxes", stratum.boxes[label])


_BESIDE = (0.25, 1.0)
"""False positives an image at which the card tells the sensitivity for some of the lesions."""


def _figures_beside(result: EvaluationResult, columns: Sequence[str]) -> Iterator[CardFigure]:
    """Of each value of some columns what can be said of lesions, or of images without any."""
    for stratum in result.strata:
        if stratum.column not in columns:
            continue
        for label, found in stratum.boxes.items():
            yield from _short_box_figures(f"{label}, {stratum.column} {stratum.value}", found)
        for label, level in stratum.labels.items():
            for name, point in level.operating_points.items():
                if point.specificity is not None and not level.positives:
                    where = f"{label}, {stratum.column} {stratum.value}, exams ({level.n}"
                    where += f" of {level.patients} patients, none positive)"
                    yield CardFigure(where, f"specificity at {name}", point.specificity)


def _short_box_figures(where: str, found: DetectionResult) -> Iterator[CardFigure]:
    where = f"{where}, boxes ({found.lesions} lesions, {found.images} images)"
    if found.froc is not None:
        for rate, sensitivity in zip(RATES, found.froc.sensitivity, strict=True):
            if sensitivity is not None and rate in _BESIDE:
                name = f"sensitivity at {rate:g} false positives an image"
                yield CardFigure(where, name, sensitivity)
        return
    for name, point in found.operating_points.items():
        if point.false_positives_per_image is not None:
            said = f"false positives an image at {name}"
            yield CardFigure(where, said, point.false_positives_per_image)


def _truth(config: TrainConfig, references: Sequence[Reference], root: Path) -> BoxTruth:
    """The boxes of rows by the model's labels, where a boxes file names their classes."""
    classes = classes_of(config.model, config.labels)
    found = truth_of_boxes(references, root=root)
    return {row: tuple(_as_label(box, classes) for box in boxes) for row, boxes in found.items()}


def _as_label(box: LabelledBox, classes: Mapping[str, str]) -> LabelledBox:
    """A box under its class's label; the class is told as in training, by type and then label."""
    for name in box.names:
        if name in classes:
            return replace(box, label=Label(classes[name]))
    return box


def _levels(found: LabelResult) -> Iterator[tuple[str, LevelResult | None]]:
    """What is counted at each level; where patients are judged apart, an exam is a film."""
    yield "exams" if found.patients is None else "films", found.exam
    yield "slices", found.images
    yield "patients", found.patients


def _write_journal(out: Path, predictions: Sequence[CasePrediction]) -> None:
    """Write predictions.jsonl afresh: a test belongs to one model."""
    out.mkdir(exist_ok=True)
    path = out / "predictions.jsonl"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        for prediction in predictions:
            journal.append(prediction)


def _level_figures(where: str, level: LevelResult) -> Iterator[CardFigure]:
    where = f"{where} ({level.n} of {level.patients} patients, {level.positives} positive)"
    # Of one class alone nothing but its share of right decisions can be said.
    has_both = 0 < level.positives < level.n
    for field in fields(level.figures) if has_both else ():
        estimate = getattr(level.figures, field.name)
        if estimate is not None and not estimate.assumes_independent_rows:
            yield CardFigure(where, FIGURES[field.name].title, estimate)
    for name, point in level.operating_points.items():
        for share in ("sensitivity", "specificity"):
            estimate = getattr(point, share)
            if estimate is not None:
                yield CardFigure(where, f"{share} at {name}", estimate)


def _box_figures(where: str, found: DetectionResult) -> Iterator[CardFigure]:
    where = (
        f"{where} ({found.lesions} lesions in {found.images} images of {found.patients} patients, "
        f"{found.empty_images} images empty; hit: {found.hit})"
    )
    for iou, estimate in found.average_precision.items():
        yield CardFigure(where, f"average precision at IoU {iou:g}", estimate)
    if found.froc is not None:
        if found.froc.cpm is not None:
            yield CardFigure(where, "mean sensitivity at 1/8 to 8 false positives", found.froc.cpm)
        for rate, sensitivity in zip(RATES, found.froc.sensitivity, strict=True):
            if sensitivity is not None:
                name = f"sensitivity at {rate:g} false positives an image"
                yield CardFigure(where, name, sensitivity)
    for name, point in found.operating_points.items():
        if point.false_positives_per_image is not None:
            said = f"false positives an image at {name}"
            yield CardFigure(where, said, point.false_positives_per_image)


def _group_figures(found: GroupResult) -> Iterator[CardFigure]:
    where = f"{' / '.join(found.labels)}, exams ({found.n} of {found.patients} patients)"
    for name, estimate in (
        ("accuracy", found.accuracy),
        ("balanced accuracy", found.balanced_accuracy),
        ("log-loss over all classes", found.log_loss),
    ):
        if estimate is not None:
            yield CardFigure(where, name, estimate)


def _run_figures(
    package: ModelPackage,
    config: TrainConfig,
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
) -> list[CardFigure]:
    """The exam level on runs of slices, cut from test patients as for calibration."""
    cutting, pooling = config.calibration.substacks, pooling_of(package.manifest.model)
    labels = [Label(label) for label in config.labels]
    scored = lay_beside_truth(predictions, references, labels)
    figures: list[CardFigure] = []
    for label in labels if cutting else ():
        entry = package.calibration(label, "exam")
        if cutting is None or entry is None:
            continue
        rng = np.random.default_rng(config.seed)
        runs = scored.substacks(label, cutting, pooling, rng=rng)
        calibrated = runs.with_probability(entry.probability(runs.logit))
        where = f"{label}, runs of slices ({len(runs)} of {runs.unit_count} patients)"
        figures += _sample_figures(where, calibrated)
        figures += _point_figures(where, calibrated, package, label)
    return figures


def _sample_figures(where: str, samples: Samples) -> Iterator[CardFigure]:
    for name, statistic, bounds in (
        ("auroc_patient_bootstrap", auroc_rounds, Bounds.PERCENTILE),
        ("brier", brier_rounds, Bounds.PERCENTILE),
        ("ece", ece_rounds, Bounds.REFLECTED),
    ):
        rng = np.random.default_rng(1)
        estimate = bootstrap_units(samples, statistic, rounds=_ROUNDS, rng=rng, bounds=bounds)
        yield CardFigure(where, FIGURES[name].title, estimate)
    rng = np.random.default_rng(1)
    estimate = ece_if_calibrated(samples, draws=1000, rng=rng)
    yield CardFigure(where, FIGURES["ece_if_calibrated"].title, estimate)


def _point_figures(
    where: str, samples: Samples, package: ModelPackage, label: Label
) -> Iterator[CardFigure]:
    for point in package.operating_points:
        if point.label == label and point.level == "exam":
            rng = np.random.default_rng(1)
            found = measure_threshold(samples, point.threshold, rounds=_ROUNDS, rng=rng)
            for name, estimate in (
                ("sensitivity", found.sensitivity),
                ("specificity", found.specificity),
            ):
                if estimate is not None:
                    yield CardFigure(where, f"{name} at {point.name}", estimate)

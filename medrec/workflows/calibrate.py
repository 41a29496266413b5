"""`medrec calibrate`: a model's probabilities and thresholds, fitted to a site's own scans."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.entry import Level
from medrec.config.base import validate
from medrec.config.calibration import CalibrationConfig, SubstackConfig
from medrec.config.model import is_of_exams, pooling_of
from medrec.config.screening import ScreenConfig
from medrec.data.exclusive import settle_exclusive
from medrec.data.manifest import read_manifest
from medrec.data.volumes import exam_of
from medrec.domain.finding import CasePrediction, Label
from medrec.domain.reference import Reference
from medrec.errors import CalibrationError, UsageError
from medrec.evaluation.samples import Samples
from medrec.inference.build import build_screener
from medrec.inference.device import pick_device
from medrec.package.card import CardFigures, render_card, show
from medrec.package.package import (
    LICENSE,
    WEIGHTS,
    ModelPackage,
    open_package,
    seal_package,
    write_package,
)
from medrec.package.store import find_model
from medrec.workflows.levels import FittedLevels, fit_levels
from medrec.workflows.output import prepare_output
from medrec.workflows.prevalence import exam_prevalence, shift_detector, shift_levels
from medrec.workflows.scored import Groups, group_of, to_groups
from medrec.workflows.scoring import OnCount, find_cases, lay_beside_truth, score_cases

if TYPE_CHECKING:
    from medrec.package.contract import PackageManifest

_SEED = 1


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """The new model and what was fitted."""

    package: ModelPackage
    fitted: FittedLevels

    def summary_lines(self) -> list[str]:
        """One line a calibrator, and where the model is."""
        lines = [
            f"{entry.label} ({entry.level}): {entry.method} on {entry.patients} patients, "
            f"{entry.positives} with a positive; ECE {show(entry.ece_before)} before, "
            f"{show(entry.ece_after)} after (cross-validated)"
            for entry in self.fitted.calibrations
        ]
        return [*lines, f"model: {self.package.folder} ({self.package.digest})"]


def calibrate(  # noqa: PLR0913 (the options of the command)
    model: str | Path,
    *,
    on: str | Path,
    out: str | Path,
    method: str = "auto",
    prevalence: float | None = None,
    device: str = "auto",
    on_case: OnCount | None = None,
) -> CalibrateResult:
    """Score the manifest's scans, fit calibrators and thresholds on them, write a new model.

    A level that the manifest has no truth for keeps the model's calibrator. `prevalence` is the
    share of positives of the primary label where the model will be used, where the manifest's share
    differs from it.

    Raises:
        MedrecError: A model, manifest or output folder that can't be used.
        CalibrationError: Too few patients of either class.
    """
    out = Path(out)
    config = validate({"method": method}, CalibrationConfig, where="--method")
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        message = f"--prevalence {prevalence} must lie between 0 and 1"
        raise UsageError(message)
    package = open_package(find_model(model))
    config = _with_floor(package, config)
    labels = [Label(label) for label in package.manifest.labels]
    groups = to_groups(package.manifest.exclusive)
    references = settle_exclusive(read_manifest(Path(on), labels=labels), groups, where=str(on))
    cases = find_cases(references, root=Path(on).parent)
    screener = build_screener(package, ScreenConfig(heatmap=False), device=pick_device(device))
    prepare_output(out)
    predictions = score_cases(cases, screener, on_case=on_case)
    levels = _levels(package, predictions, references, labels)
    fitted = fit_levels(
        levels,
        config,
        primary=Label(package.manifest.primary_label),
        measured_on=_measured_on(Path(on).name, levels),
        seed=_SEED,
        exclusive=groups,
    )
    kept = _kept(package, fitted)
    fitted, kept = _shift(package.manifest, fitted, kept, prevalence)
    has_exams = any(row.slice is None for row in references)
    written = _write(package, fitted, kept, out=out, has_exams=has_exams)
    return CalibrateResult(written, fitted)


def _with_floor(package: ModelPackage, config: CalibrationConfig) -> CalibrationConfig:
    """Exams of a detector stay above its boxes, whose calibrators are those of its training.

    Raises:
        UsageError: A method that would put an exam below its boxes.
    """
    if not package.box_calibrations:
        return config
    if config.method != "auto":
        message = (
            f"{package.manifest.name} finds boxes, and an exam is never less likely than they are: "
            "leave out --method"
        )
        raise UsageError(message)
    return config.model_copy(update={"method": "platt_floor"})


def _levels(
    package: ModelPackage,
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
    labels: Sequence[Label],
) -> dict[tuple[Label, Level], Samples]:
    """Samples of every level that the manifest has truth for."""
    groups = to_groups(package.manifest.exclusive)
    if is_of_exams(package.manifest.model):
        return _exam_levels(predictions, references, labels, groups)
    scored = replace(lay_beside_truth(predictions, references, labels), exclusive=groups)
    is_film = package.manifest.input.dimensionality == "image"
    has_slices = is_film or any(row.slice is not None for row in references)
    exams = {row.path: row for row in references if row.slice is None}
    cutting = package.manifest.substacks or SubstackConfig()
    levels: dict[tuple[Label, Level], Samples] = {}
    for label in labels:
        if has_slices:
            levels[label, "image"] = scored.samples(label)
        if any(prediction.patient_findings for prediction in predictions):
            primary = Label(package.manifest.primary_label)
            levels[label, "exam"] = scored.patients(label, primary=primary)
        elif exams:
            levels[label, "exam"] = _exam_samples(predictions, exams, label, groups)
        elif package.manifest.exam_level_surrogate:
            rng, pooling = np.random.default_rng(_SEED), pooling_of(package.manifest.model)
            levels[label, "exam"] = scored.substacks(label, cutting, pooling, rng=rng)
    if not levels:
        message = "the manifest labels neither slices nor exams of this model's kind"
        raise CalibrationError(message)
    return levels


def _exam_levels(
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
    labels: Sequence[Label],
    groups: Groups,
) -> dict[tuple[Label, Level], Samples]:
    """Samples of a network of whole exams; a row may name a folder above the exam's files."""
    rows: dict[str, list[Reference]] = {}
    for row in references:
        rows.setdefault(str(PurePosixPath(row.path)), []).append(row)
    exams: dict[str, Reference] = {}
    for prediction in predictions:
        path = PurePosixPath(prediction.source)
        named = next((str(p) for p in (path, *path.parents) if str(p) in rows), None)
        if named is not None:
            exams[prediction.source] = exam_of(rows[named], labels)
    return {(label, "exam"): _exam_samples(predictions, exams, label, groups) for label in labels}


def _exam_samples(
    predictions: Sequence[CasePrediction],
    exams: Mapping[str, Reference],
    label: Label,
    groups: Groups,
) -> Samples:
    group = group_of(label, groups)
    known = [
        p
        for p in predictions
        if p.source in exams and all(_truth(exams, p, one) is not None for one in group)
    ]
    findings = [prediction.finding(label) for prediction in known]
    return Samples.from_logits(
        [bool(_truth(exams, prediction, label)) for prediction in known],
        [finding.logit for finding in findings if finding],
        [exams[prediction.source].resampling_unit for prediction in known],
    )


def _truth(exams: Mapping[str, Reference], prediction: CasePrediction, label: Label) -> bool | None:
    return exams[prediction.source].labels.get(label)


def _measured_on(name: str, levels: Mapping[tuple[Label, Level], Samples]) -> dict[Level, str]:
    return {
        level: f"{samples.unit_count} patients of {name}, which also chose the threshold"
        for (_, level), samples in levels.items()
    }


def _kept(package: ModelPackage, fitted: FittedLevels) -> FittedLevels:
    """What of the package wasn't fitted again: levels, and a detector's boxes."""
    new = {(entry.label, entry.level) for entry in fitted.calibrations}
    return FittedLevels(
        tuple(e for e in package.calibrations if (e.label, e.level) not in new),
        tuple(p for p in package.operating_points if (p.label, p.level) not in new),
        {},
        boxes=package.box_calibrations,
    )


def _shift(
    manifest: PackageManifest, fitted: FittedLevels, kept: FittedLevels, wanted: float | None
) -> tuple[FittedLevels, FittedLevels]:
    """Both at the wanted prevalence.

    Of a detector all moves, since its levels stand on its boxes: these, and levels that weren't
    fitted again, hold at the package's own prevalence, and go to that of the exams here where no
    other is wanted.
    """
    primary = Label(manifest.primary_label)
    if not kept.boxes:
        if wanted is None:
            return fitted, kept
        is_film = manifest.input.dimensionality == "image"
        return shift_levels(fitted, wanted, primary=primary, is_film=is_film), kept
    if wanted is None and "exam" not in fitted.prevalence:
        return fitted, kept
    known = exam_prevalence(fitted)
    home = manifest.prevalence.get("exam", known)
    moved = partial(shift_detector, boxes=home, wanted=wanted or known, primary=primary)
    return moved(fitted, known=known), moved(kept, known=home)


def _write(
    package: ModelPackage, fitted: FittedLevels, kept: FittedLevels, *, out: Path, has_exams: bool
) -> ModelPackage:
    """The same weights with new calibrators; what wasn't fitted again stays."""
    calibrations = (*kept.calibrations, *fitted.calibrations)
    points = (*kept.operating_points, *fitted.operating_points)
    new = {(entry.label, entry.level) for entry in fitted.calibrations}
    manifest = _manifest(package.manifest, fitted, {level for _, level in new})
    if has_exams:
        manifest = manifest.model_copy(update={"exam_level_surrogate": False})
    shutil.copyfile(package.weights, out / WEIGHTS)
    write_package(
        out,
        manifest,
        calibrations=calibrations,
        operating_points=points,
        license_text=(package.folder / LICENSE).read_text(encoding="utf-8"),
        boxes=kept.boxes,
    )
    note = "Calibrated anew: not yet tested on other patients of this site; see `medrec evaluate`."
    figures = CardFigures((), "medrec evaluate OUT --against MANIFEST --out EVALUATION", (note,))
    return seal_package(out, render_card(manifest, calibrations, points, figures))


def _manifest(
    manifest: PackageManifest, fitted: FittedLevels, levels: set[Level]
) -> PackageManifest:
    known = sorted({*manifest.probability_levels, *levels}, reverse=True)
    return manifest.model_copy(
        update={
            "probability_levels": known,
            "prevalence": {**manifest.prevalence, **fitted.prevalence},
        }
    )

"""Predictions held against truth: the figures of every label, level and stratum."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from medrec.domain.counting import counted
from medrec.domain.finding import CaseStatus, Label
from medrec.domain.reference import Split
from medrec.errors import InputError
from medrec.evaluation.detection import measure_detection
from medrec.evaluation.groups import measure_group
from medrec.evaluation.join import JoinedCase, join
from medrec.evaluation.measure import Notes, measure_exams, measure_patients, measure_slices
from medrec.evaluation.outcomes import to_outcomes
from medrec.evaluation.result import (
    EvaluationProvenance,
    EvaluationResult,
    GroupResult,
    LabelResult,
    ModelId,
)
from medrec.evaluation.strata import lesion_values, stratify
from medrec.evaluation.truth import contradictions, exam_truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import CasePrediction
    from medrec.domain.reference import Reference
    from medrec.evaluation.detection_images import BoxTruth
    from medrec.evaluation.settings import EvaluationSettings
    from medrec.evaluation.verdicts import Judged


def evaluate_predictions(
    predictions: Sequence[CasePrediction],
    references: Sequence[Reference],
    *,
    settings: EvaluationSettings,
    boxes: BoxTruth | None = None,
) -> EvaluationResult:
    """Join predictions with a manifest's rows and compute every figure that can be had.

    Rows of unknown truth, refused and failed cases are in no figure and are counted. `boxes` are
    the boxes of rows where they are known; None where the manifest has none.

    Raises:
        InputError: `stratify_by` names a column that neither a row nor a box has.
        ManifestError: Rows on one case that name different patients.
    """
    _check_columns(references, boxes or {}, settings)
    joined = join(predictions, references)
    known, notes = _labels(predictions, references)
    notes = [*joined.notes, *notes, *_split_notes(joined.cases)]
    labels = {label: _measure_label(joined.cases, label, settings, notes) for label in known}
    judged: dict[Label, Judged] = {}
    if boxes:
        labels, judged = _measure_boxes(joined.cases, labels, boxes, settings, notes)
    strata = stratify(joined.cases, known, settings=settings, notes=notes, boxes=boxes)
    exclusive = _groups(joined.cases, known, settings, notes)
    return EvaluationResult(
        labels=labels,
        strata=strata,
        flow=joined.flow,
        notes=tuple(notes),
        provenance=_provenance(predictions, settings),
        cases=to_outcomes(joined.cases, known, judged),
        exclusive=exclusive,
    )


def _groups(
    cases: Sequence[JoinedCase],
    known: Sequence[Label],
    settings: EvaluationSettings,
    notes: list[str],
) -> tuple[GroupResult, ...]:
    whole = [group for group in settings.exclusive if set(group) <= set(known)]
    notes += [
        f"{', '.join(group)}: not measured together, since predictions or manifest lack a class"
        for group in settings.exclusive
        if group not in whole
    ]
    return tuple(measure_group(cases, group, settings=settings) for group in whole)


def _check_columns(
    references: Sequence[Reference], boxes: BoxTruth, settings: EvaluationSettings
) -> None:
    present = {column for reference in references for column in reference.attributes}
    problems = [
        f"{column!r} is no attribute of the manifest, which has: {', '.join(sorted(present))}"
        for column in settings.stratify_by
        if column not in present and not lesion_values(boxes, column)
    ]
    if problems:
        where = "stratify_by"
        raise InputError(where, problems)


def _labels(
    predictions: Sequence[CasePrediction], references: Sequence[Reference]
) -> tuple[list[Label], list[str]]:
    """The labels that both sides know, in the order of the findings; the others are noted."""
    scored = [p for p in predictions if p.status is CaseStatus.SCORED]
    predicted = dict.fromkeys(finding.label for p in scored for finding in p.findings)
    labelled = dict.fromkeys(label for reference in references for label in reference.labels)
    notes = [
        f"{label}: the manifest has no such label" for label in predicted if label not in labelled
    ]
    notes += [f"{label}: no prediction scores it" for label in labelled if label not in predicted]
    return [label for label in predicted if label in labelled], notes


def _split_notes(cases: Sequence[JoinedCase]) -> list[str]:
    splits = [{row.split for row in case.rows} for case in cases]
    return [
        f"{counted(count, 'case belongs', 'cases belong')} to the split `{split}`: figures on them"
        " flatter the model"
        for split in (Split.TRAIN, Split.TUNE, Split.CALIBRATE)
        if (count := sum(split in found for found in splits))
    ]


def _measure_label(
    cases: Sequence[JoinedCase], label: Label, settings: EvaluationSettings, notes: list[str]
) -> LabelResult:
    exam_notes, slice_notes = Notes(f"{label} (exams)"), Notes(f"{label} (slices)")
    _note_cases(cases, label, exam_notes)
    exam = measure_exams(cases, label, settings=settings, notes=exam_notes)
    images = None
    if any(case.image_rows for case in cases):
        images = measure_slices(cases, label, settings=settings, notes=slice_notes)
    patients, patient_notes = None, Notes(f"{label} (patients)")
    if any(case.prediction.patient_findings for case in cases):
        patients = measure_patients(cases, label, settings=settings, notes=patient_notes)
    notes += [*exam_notes.lines, *slice_notes.lines, *patient_notes.lines]
    return LabelResult(exam, images, patients)


def _measure_boxes(
    cases: Sequence[JoinedCase],
    labels: Mapping[Label, LabelResult],
    boxes: BoxTruth,
    settings: EvaluationSettings,
    notes: list[str],
) -> tuple[dict[Label, LabelResult], dict[Label, Judged]]:
    """The figures of each label's boxes beside its others, and the verdicts on them by case."""
    drawn = {region.label for case in cases for region in case.prediction.regions}
    truths = {one.label for found in boxes.values() for one in found}
    notes += [
        f"{label} (boxes): no label of the predictions is called so; its boxes are in no figure"
        for label in sorted(truths | drawn)
        if label not in labels
    ]
    measured: dict[Label, LabelResult] = {}
    judged: dict[Label, Judged] = {}
    for label, found in labels.items():
        detection, own = None, Notes(f"{label} (boxes)")
        if drawn or label in truths:
            detection, judged[label] = measure_detection(
                cases, boxes, label, settings=settings, notes=own
            )
        measured[label] = replace(found, detection=detection)
        notes += own.lines
    return measured, judged


def _note_cases(cases: Sequence[JoinedCase], label: Label, notes: Notes) -> None:
    unjudged = [
        exam_truth(case, label) for case in cases if case.prediction.status is not CaseStatus.SCORED
    ]
    known = [truth for truth in unjudged if truth is not None]
    if known:
        notes.add(
            f"{counted(len(known), 'refused or failed case', 'refused or failed cases')} of known"
            f" truth, {sum(known)} positive: in no figure"
        )
    if count := contradictions(cases, label):
        units = counted(count, "exam or slice has", "exams or slices have")
        notes.add(f"{units} rows that contradict each other: taken as unknown")


def _provenance(
    predictions: Sequence[CasePrediction], settings: EvaluationSettings
) -> EvaluationProvenance:
    models = dict.fromkeys(
        ModelId(made.model, made.model_version, made.model_digest)
        for made in (prediction.provenance for prediction in predictions)
    )
    return EvaluationProvenance(
        medrec=version("medrec"),
        models=tuple(models),
        bootstrap_rounds=settings.bootstrap_rounds,
        calibrated_draws=settings.calibrated_draws,
        ece_bins=settings.ece_bins,
        level_tolerance=settings.level_tolerance,
        seed=settings.seed,
    )

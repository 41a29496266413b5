"""From an evaluation's result to what its page shows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from medrec.domain.finding import CaseStatus, Finding
from medrec.evaluation.result import Outcome
from medrec.reporting.definitions import FIGURES
from medrec.reporting.detection_view import (
    MOST_MISSED,
    to_detection_view,
    to_missed_cases,
    to_missed_rows,
)
from medrec.reporting.evaluation_groups import GroupView, to_group_view
from medrec.reporting.evaluation_view import (
    FigureRow,
    LevelView,
    Plate,
    histogram_plate,
    precision_recall_plate,
    reliability_plate,
    roc_plate,
)
from medrec.reporting.explanations import REASONS
from medrec.reporting.render import format_number
from medrec.reporting.strata_view import stratum_columns, to_stratum_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from medrec.domain.finding import Label, RawFinding
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.result import (
        CaseOutcome,
        EvaluationProvenance,
        EvaluationResult,
        Flow,
        GroupResult,
        LabelResult,
        LevelResult,
    )
    from medrec.reporting.detection_view import DetectionView, MissedCase, MissedRow
    from medrec.reporting.overlays import DrawnImage
    from medrec.reporting.strata_view import StratumRow

MOST_CASES = 2000
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

OUTCOME_WORDS = {
    Outcome.FALSE_NEGATIVE: "Missed",
    Outcome.FALSE_POSITIVE: "False alarm",
    Outcome.NOT_SCORED: "Not judged",
    Outcome.TRUE_POSITIVE: "Found",
    Outcome.TRUE_NEGATIVE: "Rightly cleared",
    Outcome.UNKNOWN: "Not comparable",
}
_OUTCOME_KINDS = {
    Outcome.FALSE_NEGATIVE: "wrong",
    Outcome.FALSE_POSITIVE: "flag",
    Outcome.TRUE_POSITIVE: "clear",
    Outcome.TRUE_NEGATIVE: "clear",
}
_TRUTH_WORDS = {True: "positive", False: "negative", None: "unknown"}


@dataclass(frozen=True)
class LabelView:
    """A label at its levels, exams first, and its boxes where there are any."""

    label: str
    levels: tuple[LevelView, ...]
    boxes: DetectionView | None = None


@dataclass(frozen=True, slots=True)
class FlowEnd:
    """Where a part of the cases ends; `counts` marks the part that figures are made of."""

    count: int
    text: str
    counts: bool


@dataclass(frozen=True)
class FlowView:
    """The way of the cases from prediction to figure."""

    total: int
    scored: int
    refused: int
    failed: int
    ends: tuple[FlowEnd, ...]
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in words: prediction beside truth."""

    name: str
    outcome: str
    kind: str
    truth: str
    said: str
    link: str | None


@dataclass(frozen=True)
class EvaluationPage:
    """Everything that the evaluation page shows."""

    labels: tuple[LabelView, ...]
    groups: tuple[GroupView, ...]
    headline: tuple[tuple[str, Estimate], ...]
    flow: FlowView
    notes: tuple[str, ...]
    strata: tuple[StratumRow, ...]
    strata_columns: tuple[str, ...]
    cases: tuple[CaseRow, ...]
    cases_left_out: int
    model: str
    provenance: tuple[tuple[str, str], ...]
    missed: tuple[MissedRow, ...] = ()
    missed_cases: tuple[MissedCase, ...] = ()
    most_missed: int = MOST_MISSED

    @property
    def plates(self) -> tuple[Plate, ...]:
        """All charts, for their tables."""
        of_labels = (level.plates for label in self.labels for level in label.levels)
        of_boxes = (label.boxes.plates for label in self.labels if label.boxes)
        of_groups = (group.plates for group in self.groups)
        return tuple(plate for plates in (*of_groups, *of_labels, *of_boxes) for plate in plates)


def to_page(
    result: EvaluationResult, drawn: Mapping[str, DrawnImage] | None = None
) -> EvaluationPage:
    """Put a result into the words and the order of the page; `drawn` are pictures by case."""
    ids = (str(case.prediction.case_id) for case in result.cases)
    links = {case_id: case_link(case_id) for case_id in ids}
    point = _first_point(result)
    names = [f"{model.model} {model.version}" for model in result.provenance.models]
    return EvaluationPage(
        labels=tuple(
            _label_view(label, found, number)
            for number, (label, found) in enumerate(result.labels.items())
        ),
        groups=tuple(
            to_group_view(group, result.labels, number)
            for number, group in enumerate(result.exclusive)
        ),
        headline=(*_group_headline(result.exclusive), *_headline(result.labels)),
        flow=_flow_view(result.flow, result.cases),
        notes=result.notes,
        strata=to_stratum_rows(result.strata, point),
        strata_columns=stratum_columns(result.strata, point),
        cases=tuple(to_case_row(outcome) for outcome in result.cases[:MOST_CASES]),
        cases_left_out=max(0, len(result.cases) - MOST_CASES),
        model=", ".join(names),
        provenance=_provenance_rows(result.provenance),
        missed=to_missed_rows(result.cases, links),
        missed_cases=to_missed_cases(result.cases, links, drawn),
    )


def case_link(case_id: str) -> str | None:
    """Where a case's page lies; None for an id that is no plain file name."""
    return f"cases/{case_id}.html" if _SAFE_NAME.fullmatch(case_id) else None


def to_case_row(outcome: CaseOutcome) -> CaseRow:
    """Name a case, its outcome, its truth and what was said of it."""
    prediction = outcome.prediction
    several = len(outcome.truth) > 1
    truth = [
        f"{label}: {_TRUTH_WORDS[known]}" if several else _TRUTH_WORDS[known]
        for label, known in outcome.truth.items()
    ]
    said = [_say(finding, named=several) for finding in prediction.findings]
    if prediction.reason:
        said = [REASONS[prediction.reason.code].title]
    return CaseRow(
        name=prediction.case_id,
        outcome=_outcome_words(outcome),
        kind="wrong" if outcome.missed_lesions else _OUTCOME_KINDS.get(outcome.outcome, ""),
        truth=", ".join(truth) or "unknown",
        said=", ".join(said),
        link=case_link(prediction.case_id),
    )


def _outcome_words(outcome: CaseOutcome) -> str:
    words, missed = OUTCOME_WORDS[outcome.outcome], outcome.missed_lesions
    if not missed:
        return words
    return f"{words}, {missed} {'lesion' if missed == 1 else 'lesions'} missed"


def _say(finding: Finding | RawFinding, *, named: bool) -> str:
    name = f"{finding.label}: " if named else ""
    if not isinstance(finding, Finding):
        return f"{name}score {format_number(finding.logit)}"
    held = "" if finding.threshold is None else f", threshold {format_number(finding.threshold)}"
    return f"{name}probability {format_number(finding.probability)}{held}"


def _label_view(label: Label, found: LabelResult, number: int) -> LabelView:
    slug = re.sub(r"[^A-Za-z0-9-]+", "-", label).strip("-")[:60]
    # Labels that differ in signs alone would share a file name.
    name = slug if slug == label else f"{slug or 'label'}-{number + 1}"
    title = "exams" if found.patients is None else "films"
    levels = [_level_view(found.exam, title=title, name=f"{name}_exam")]
    if found.patients is not None:
        levels.append(_level_view(found.patients, title="patients", name=f"{name}_patients"))
    if found.images is not None:
        levels.append(_level_view(found.images, title="slices", name=f"{name}_images"))
    if found.detection is None:
        return LabelView(label, tuple(levels))
    return LabelView(label, tuple(levels), to_detection_view(label, found.detection, name=name))


def _level_view(level: LevelResult, *, title: str, name: str) -> LevelView:
    return LevelView(
        title=title,
        n=level.n,
        positives=level.positives,
        unknown=level.unknown,
        patients=level.patients,
        positive_patients=level.positive_patients,
        figures=tuple(_figure_rows(level)),
        points=level.operating_points,
        plates=_plates(level, name),
    )


def _figure_rows(level: LevelResult) -> list[FigureRow]:
    """All figures; DeLong's interval is left to evaluation.json where rows share patients."""
    rows = []
    for field in fields(level.figures):
        estimate: Estimate | None = getattr(level.figures, field.name)
        if estimate is None or (field.name == "auroc" and estimate.assumes_independent_rows):
            continue
        remark = ""
        if field.name == "auroc_level_matched" and level.level_pairs is not None:
            remark = f"{level.level_pairs:,} pairs"
        if field.name == "auprc" and level.prevalence is not None:
            remark = f"prevalence {format_number(level.prevalence)}"
        rows.append(FigureRow(field.name, estimate, remark))
    order = list(FIGURES)
    return sorted(rows, key=lambda row: order.index(row.key) if row.key in order else len(order))


def _plates(level: LevelResult, name: str) -> tuple[Plate, ...]:
    curves, figures = level.curves, level.figures
    if curves is None:
        return ()
    plates = [
        roc_plate(curves.roc, level.operating_points, name=f"{name}_roc"),
        precision_recall_plate(
            curves.precision_recall,
            prevalence=level.prevalence or 0.0,
            name=f"{name}_precision_recall",
        ),
    ]
    if curves.reliability:
        plates.append(
            reliability_plate(
                curves.reliability,
                name=f"{name}_reliability",
                ece=figures.ece,
                ece_if_calibrated=figures.ece_if_calibrated,
            )
        )
    plates.append(
        histogram_plate(
            curves.truth, curves.value, calibrated=curves.is_calibrated, name=f"{name}_values"
        )
    )
    return tuple(plates)


def _headline(labels: Mapping[Label, LabelResult]) -> tuple[tuple[str, Estimate], ...]:
    rows: list[tuple[str, Estimate | None]] = []
    for label, found in labels.items():
        exams = "exams" if found.patients is None else "films"
        rows.append((f"{label}: AUROC, {exams}", found.exam.figures.headline_auroc))
        rows.append((f"{label}: ECE, {exams}", found.exam.figures.ece))
        if found.patients is not None:
            rows.append((f"{label}: AUROC, patients", found.patients.figures.headline_auroc))
            rows.append((f"{label}: ECE, patients", found.patients.figures.ece))
        if found.images is not None:
            figures = found.images.figures
            rows.append((f"{label}: AUROC, slices", figures.headline_auroc))
            rows.append((f"{label}: AUROC, slices at one level", figures.auroc_level_matched))
        if found.detection is not None and found.detection.froc is not None:
            rows.append((f"{label}: CPM of boxes", found.detection.froc.cpm))
            precision = found.detection.average_precision
            rows += [(f"{label}: AP at IoU {iou:g}", one) for iou, one in precision.items()]
    return tuple((name, estimate) for name, estimate in rows if estimate is not None)


def _group_headline(groups: tuple[GroupResult, ...]) -> Iterator[tuple[str, Estimate]]:
    for group in groups:
        if group.balanced_accuracy is not None:
            yield f"{' / '.join(group.labels)}: balanced accuracy", group.balanced_accuracy


def _flow_view(flow: Flow, cases: tuple[CaseOutcome, ...]) -> FlowView:
    ends = [
        FlowEnd(flow.scored, "scored and joined with truth", counts=True),
        FlowEnd(flow.unmatched, "in the manifest, without a prediction", counts=False),
        FlowEnd(flow.without_reference, "predicted, not in the manifest", counts=False),
    ]
    if flow.ambiguous:
        ends.append(FlowEnd(flow.ambiguous, "join several predictions: left out", counts=False))
    if flow.slices is not None:
        ends += _slice_ends(flow)
    reasons = Counter(
        REASONS[case.prediction.reason.code].title
        for case in cases
        if case.prediction.status is not CaseStatus.SCORED and case.prediction.reason
    )
    judged = flow.scored + flow.refused + flow.failed
    return FlowView(
        total=judged + flow.without_reference,
        scored=flow.scored,
        refused=flow.refused,
        failed=flow.failed,
        ends=tuple(ends),
        reasons=tuple(reasons.most_common()),
    )


def _slice_ends(flow: Flow) -> list[FlowEnd]:
    if flow.slices is None:
        return []
    slices = flow.slices
    left_out = slices.not_judged + slices.unmatched + slices.ambiguous
    return [
        FlowEnd(slices.scored, "slices scored and joined with truth", counts=True),
        FlowEnd(slices.unscored, "slices without a score (blank)", counts=False),
        FlowEnd(left_out, "slices of cases that were not judged or joined", counts=False),
    ]


def _first_point(result: EvaluationResult) -> str | None:
    names = [name for found in result.labels.values() for name in found.exam.operating_points]
    return "screening" if "screening" in names else next(iter(names), None)


def _provenance_rows(provenance: EvaluationProvenance) -> tuple[tuple[str, str], ...]:
    models = [(f"Model {model.model} {model.version}", model.digest) for model in provenance.models]
    return (
        ("medrec", provenance.medrec),
        *models,
        ("Patients resampled", f"{provenance.bootstrap_rounds:,} rounds, seed {provenance.seed}"),
        ("Bins of the ECE", f"{provenance.ece_bins}, of equal mass"),
        ("Draws if calibrated", f"{provenance.calibrated_draws:,}"),
        ("Slices at one level", f"relative positions within {provenance.level_tolerance:g}"),
    )

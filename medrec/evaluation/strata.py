"""The same figures for each value of a column: where does the model do worse?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medrec.domain.counting import counted
from medrec.evaluation.detection import measure_detection
from medrec.evaluation.measure import Notes, measure_exams
from medrec.evaluation.result import LevelResult, Stratum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medrec.domain.finding import Label
    from medrec.evaluation.detection_images import BoxTruth
    from medrec.evaluation.detection_result import DetectionResult
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.settings import EvaluationSettings


def stratify(
    cases: Sequence[JoinedCase],
    labels: Sequence[Label],
    *,
    settings: EvaluationSettings,
    notes: list[str],
    boxes: BoxTruth | None = None,
) -> tuple[Stratum, ...]:
    """Measure exams, and boxes where they are known, of each value of each column.

    Columns are those of `settings.stratify_by`; notes are appended to.
    """
    strata = []
    for column in settings.stratify_by:
        for value, members in _groups(cases, column, notes).items():
            where = f"{column} {value}"
            drawn = _measure_boxes(members, labels, boxes, settings, where) if boxes else {}
            exams: dict[Label, LevelResult] = {}
            for label in labels:
                own = Notes(f"{where}, {label} (exams)")
                exams[label] = measure_exams(members, label, settings=settings, notes=own)
                notes += own.lines
            strata.append(Stratum(column, value, exams, drawn))
    return tuple(strata)


def _measure_boxes(
    members: Sequence[JoinedCase],
    labels: Sequence[Label],
    boxes: BoxTruth,
    settings: EvaluationSettings,
    where: str,
) -> dict[Label, DetectionResult]:
    """Labels without known boxes are left out; what a stratum lacks is no news."""
    measured = {
        label: measure_detection(members, boxes, label, settings=settings, notes=Notes(where))[0]
        for label in labels
    }
    return {label: found for label, found in measured.items() if found is not None}


def _groups(
    cases: Sequence[JoinedCase], column: str, notes: list[str]
) -> dict[str, list[JoinedCase]]:
    """Cases by the one value that their rows agree on."""
    groups: dict[str, list[JoinedCase]] = {}
    for case in cases:
        values = {row.attributes.get(column, "") for row in case.rows}
        groups.setdefault(values.pop() if len(values) == 1 else "", []).append(case)
    without = groups.pop("", [])
    if without:
        cases_without = counted(len(without), "case has", "cases have")
        notes.append(f"{column}: {cases_without} no one value: in no stratum")
    return dict(sorted(groups.items()))

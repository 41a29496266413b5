"""The same figures for each value of a column: where does the model do worse?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.domain.counting import counted
from medrec.domain.reference import IGNORE
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

    Columns are those of `settings.stratify_by`; notes are appended to. Where boxes have a column as
    their attribute, those of a stratum are the lesions with its value, on all images: the others
    count neither way, and a false positive counts wherever it is.
    """
    strata = []
    for column in settings.stratify_by:
        of_lesions = lesion_values(boxes or {}, column)
        is_of_rows = any(column in row.attributes for case in cases for row in case.rows)
        groups = _groups(cases, column, notes) if is_of_rows else {}
        for value in sorted({*groups, *of_lesions}):
            where, members = f"{column} {value}", groups.get(value, [])
            drawn: dict[Label, DetectionResult] = {}
            if boxes and of_lesions:
                drawn = _measure_boxes(cases, labels, _alone(boxes, column, value), settings, where)
            elif boxes:
                drawn = _measure_boxes(members, labels, boxes, settings, where)
            exams = _measure_exams(members, labels, settings, where, notes) if members else {}
            strata.append(Stratum(column, value, exams, drawn))
    return tuple(strata)


def lesion_values(boxes: BoxTruth, attribute: str) -> set[str]:
    """The values of an attribute of boxes that count."""
    found = (one.attributes.get(attribute) for own in boxes.values() for one in own)
    return {value for value in found if value}


def _alone(boxes: BoxTruth, attribute: str, value: str) -> BoxTruth:
    """The same boxes, of which those without the value of an attribute count neither way."""
    return {
        row: tuple(
            one
            if one.attributes.get(attribute) == value
            else replace(one, attributes={**one.attributes, IGNORE: "1"})
            for one in own
        )
        for row, own in boxes.items()
    }


def _measure_exams(
    members: Sequence[JoinedCase],
    labels: Sequence[Label],
    settings: EvaluationSettings,
    where: str,
    notes: list[str],
) -> dict[Label, LevelResult]:
    exams: dict[Label, LevelResult] = {}
    for label in labels:
        own = Notes(f"{where}, {label} (exams)")
        exams[label] = measure_exams(members, label, settings=settings, notes=own)
        notes += own.lines
    return exams


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

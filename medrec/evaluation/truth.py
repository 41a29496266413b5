"""The truth of joined cases, and the samples that figures are computed on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import CaseStatus, Finding
from medrec.evaluation.level_matched import relative_positions
from medrec.evaluation.samples import Samples
from medrec.evaluation.stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medrec.domain.finding import CasePrediction, Label, RawFinding
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import Reference
    from medrec.evaluation.join import JoinedCase

Truth = bool | None


@dataclass(frozen=True, eq=False)
class LevelRows:
    """The samples of one label at one level, and what was left out of them.

    `position` (N,) is each slice's relative position in its stack, empty for exams. `thresholds`
    are those that the findings name. `unknown` counts rows without truth, `unusable` those whose
    score is missing or not finite, `derived` exams whose truth comes from their slices.
    """

    samples: Samples | None
    position: FloatArray
    thresholds: Mapping[str, tuple[float, ...]]
    unknown: int
    unusable: int
    derived: int = 0


def exam_truth(case: JoinedCase, label: Label) -> Truth:
    """The label of the whole case: its own rows say, or, without any, its slices.

    From slices it is positive if any is, and negative only if every row and every scored image is
    known to be negative. Rows that contradict each other make it unknown.
    """
    if case.exam_rows:
        return _agreed(row.labels.get(label) for row in case.exam_rows)
    images = image_truth(case, label)
    others = [row.labels.get(label) for row in case.other_slice_rows]
    if any(truth is True for truth in (*images, *others)):
        return True
    is_known = all(truth is False for truth in (*images, *others))
    return False if is_known and (images or others) else None


def image_truth(case: JoinedCase, label: Label) -> tuple[Truth, ...]:
    """The label of each of the prediction's images."""
    return tuple(
        _agreed(row.labels.get(label) for row in case.image_rows.get(index, ()))
        for index in range(len(case.prediction.images))
    )


def _agreed(truths: Iterable[Truth]) -> Truth:
    known = {truth for truth in truths if truth is not None}
    return known.pop() if len(known) == 1 else None


@dataclass(eq=False)
class _Rows:
    truth: list[bool] = field(default_factory=list)
    findings: list[Finding | RawFinding] = field(default_factory=list)
    unit: list[str] = field(default_factory=list)
    position: list[float] = field(default_factory=list)
    unknown: int = 0
    unusable: int = 0

    def add(
        self, truth: Truth, finding: Finding | RawFinding | None, unit: str, position: float
    ) -> None:
        if truth is None:
            self.unknown += 1
        elif finding is None or not np.isfinite(finding.logit):
            self.unusable += 1
        else:
            self.truth.append(truth)
            self.findings.append(finding)
            self.unit.append(unit)
            self.position.append(position)

    def close(self, *, derived: int = 0) -> LevelRows:
        samples = _to_samples(self) if self.truth else None
        thresholds = _thresholds(self.findings)
        position = np.array(self.position)
        return LevelRows(samples, position, thresholds, self.unknown, self.unusable, derived)


def exam_rows(cases: Sequence[JoinedCase], label: Label) -> LevelRows:
    """One row a scored case."""
    rows = _Rows()
    derived = 0
    for case in cases:
        if case.prediction.status is CaseStatus.SCORED:
            truth = exam_truth(case, label)
            rows.add(truth, case.prediction.finding(label), case.unit, 0.0)
            derived += truth is not None and not case.exam_rows
    return rows.close(derived=derived)


def patient_rows(cases: Sequence[JoinedCase], label: Label) -> LevelRows:
    """One row a patient with a scored film: the highest finding of the films, their joint truth.

    A patient is positive if any film is, and negative only if every film is known to be; films that
    were refused count for the truth.
    """
    rows = _Rows()
    for unit, films in _by_unit(cases).items():
        found = [
            finding
            for film in films
            for finding in film.prediction.patient_findings
            if finding.label == label
        ]
        if found:
            truths = [exam_truth(film, label) for film in films]
            truth = True if True in truths else None if None in truths else False
            rows.add(truth, max(found, key=lambda one: one.logit), unit, 0.0)
    return rows.close()


def _by_unit(cases: Iterable[JoinedCase]) -> dict[str, list[JoinedCase]]:
    units: dict[str, list[JoinedCase]] = {}
    for case in cases:
        units.setdefault(case.unit, []).append(case)
    return units


def image_rows(cases: Sequence[JoinedCase], label: Label) -> LevelRows:
    """One row a scored slice that a slice row of the manifest speaks of."""
    rows = _Rows()
    for case in cases:
        truths = image_truth(case, label)
        positions = stack_positions(case.prediction)
        for index, image in enumerate(case.prediction.images):
            if index in case.image_rows:
                finding = next((found for found in image.findings if found.label == label), None)
                rows.add(truths[index], finding, case.unit, positions[index])
    return rows.close()


def stack_positions(prediction: CasePrediction) -> list[float]:
    """The relative position of each image in its stack, over all scored images."""
    stacks = Stacks(prediction)
    slices = ([one.slice for one in stacks.images(stack)] for stack in range(stacks.count))
    return [float(position) for own in slices for position in relative_positions(np.array(own))]


def _to_samples(rows: _Rows) -> Samples:
    calibrated = [found for found in rows.findings if isinstance(found, Finding)]
    is_calibrated = len(calibrated) == len(rows.findings)
    return Samples(
        truth=np.array(rows.truth),
        probability=np.array([found.probability for found in calibrated])
        if is_calibrated
        else None,
        logit=np.array([found.logit for found in rows.findings]),
        unit=np.array(rows.unit),
        weight=np.ones(len(rows.truth)),
    )


def _thresholds(findings: Iterable[Finding | RawFinding]) -> dict[str, tuple[float, ...]]:
    named: dict[str, set[float]] = {}
    for found in findings:
        if isinstance(found, Finding) and found.operating_point and found.threshold is not None:
            named.setdefault(found.operating_point, set()).add(found.threshold)
    return {name: tuple(sorted(values)) for name, values in named.items()}


def contradictions(cases: Iterable[JoinedCase], label: Label) -> int:
    """How many exams and slices have rows that contradict each other."""
    groups: list[tuple[Reference, ...]] = []
    for case in cases:
        groups += [case.exam_rows, *case.image_rows.values()]
    return sum({True, False} <= {row.labels.get(label) for row in group} for group in groups)

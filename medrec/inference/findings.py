"""Logits to findings: calibrated where the package has a calibrator, raw scores where not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.calibration.prevalence import shift_entry, shift_prevalence
from medrec.domain.finding import Decision, Finding, Label, RawFinding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.calibration.entry import CalibrationEntry
    from medrec.package.package import Level, ModelPackage


def to_findings(
    package: ModelPackage,
    logits: Sequence[float],
    *,
    level: Level,
    operating_point: str,
    prevalence: float | None = None,
) -> tuple[Finding | RawFinding, ...]:
    """Calibrate one logit a label, primary label first.

    `prevalence` is the share of positives of the primary label where the model is used; its
    probability is then shifted from the prevalence that the level was calibrated at (Saerens et al.
    2002, eq. 4). Nothing is known of the other labels there, and theirs stay; but classes that
    exclude the primary one share what it leaves, and have no threshold then: none flags the same
    exams. A detector's images are shifted as its exams are: see `known_prevalence`.
    """
    primary = Label(package.manifest.primary_label)
    labels = sorted(map(Label, package.manifest.labels), key=lambda label: label != primary)
    values = dict(zip(map(Label, package.manifest.labels), map(float, logits), strict=True))
    findings = [_to_finding(package, label, values, level, operating_point) for label in labels]
    known = known_prevalence(package, level)
    if prevalence is not None and known is not None:
        findings[0] = _shift(findings[0], known, prevalence)
        for number, label in enumerate(labels[1:], start=1):
            entry = package.calibration(label, level)
            if entry is not None and entry.classes and primary in entry.classes:
                moved = shift_entry(entry, known=known, wanted=prevalence, of=primary)
                findings[number] = _calibrated(moved, values)
    return tuple(findings)


def known_prevalence(package: ModelPackage, level: Level) -> float | None:
    """The prevalence of the primary label that a level's probabilities hold for, if it is known.

    Of a detector it is that of exams at all levels, its boxes among them. All odds of an exam then
    move by one factor, so that none becomes less likely than what was found in it: with sick and
    well alike in both places, images of the sick are as much rarer as the sick are.
    """
    is_detector = package.manifest.task == "detection"
    return package.manifest.prevalence.get("exam" if is_detector else level)


def decide(findings: Sequence[Finding | RawFinding]) -> Decision:
    """Flag or clear by the primary label; defer to a reader where there is no threshold."""
    primary = findings[0]
    if not isinstance(primary, Finding) or primary.threshold is None:
        return Decision.DEFER
    return Decision.FLAG if primary.probability >= primary.threshold else Decision.CLEAR


def _to_finding(
    package: ModelPackage,
    label: Label,
    logits: Mapping[Label, float],
    level: Level,
    operating_point: str,
) -> Finding | RawFinding:
    calibration = package.calibration(label, level)
    if calibration is None:
        return RawFinding(label, logits[label])
    finding = _calibrated(calibration, logits)
    point = package.operating_point(operating_point, label, level)
    if point is None:
        return finding
    return replace(finding, operating_point=point.name, threshold=point.threshold)


def _calibrated(entry: CalibrationEntry, logits: Mapping[Label, float]) -> Finding:
    read = [logits[name] for name in entry.inputs]
    return entry.finding(entry.label, read if entry.classes else read[0])


def _shift(finding: Finding | RawFinding, known: float, wanted: float) -> Finding | RawFinding:
    if not isinstance(finding, Finding):
        return finding

    def shifted(probability: float) -> float:
        return shift_prevalence(probability, known=known, wanted=wanted)

    interval, threshold = finding.interval, finding.threshold
    return replace(
        finding,
        probability=shifted(finding.probability),
        interval=None if interval is None else (shifted(interval[0]), shifted(interval[1])),
        threshold=None if threshold is None else shifted(threshold),
    )

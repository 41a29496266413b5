"""`medrec calibrate --prevalence`: what was fitted, moved to the share of positives elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medrec.calibration.prevalence import shift_boxes, shift_entry, shift_floored, shift_point
from medrec.domain.finding import Label
from medrec.errors import CalibrationError

if TYPE_CHECKING:
    from medrec.calibration.boxes import BoxCalibration
    from medrec.calibration.entry import CalibrationEntry, Level
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.workflows.levels import FittedLevels


def shift_levels(
    fitted: FittedLevels, wanted: float, *, primary: Label, is_film: bool
) -> FittedLevels:
    """Shift the primary label, whose prevalence it is; nothing is known of the other labels.

    Classes that exclude it share what it leaves. They lose their operating points: no threshold on
    their new probabilities flags the same exams.

    The prevalence is one of exams. A film is an exam; how many slices of a volume are positive
    doesn't follow from how many exams are, so slices stay as they are.

    Raises:
        CalibrationError: No level was fitted that could be shifted.
    """
    moved = {level for level in fitted.prevalence if is_film or level == "exam"}
    if not moved:
        raise CalibrationError(_no_exams())
    known = fitted.prevalence
    mates = {
        label for e in fitted.calibrations for label in e.classes or () if primary in e.inputs
    } - {primary}

    def moved_entry(entry: CalibrationEntry) -> CalibrationEntry:
        if entry.level not in moved or primary not in entry.inputs:
            return entry
        return shift_entry(entry, known=known[entry.level], wanted=wanted, of=primary)

    def moved_point(point: OperatingPoint) -> OperatingPoint:
        if point.level not in moved or point.label != primary:
            return point
        return shift_point(point, known=known[point.level], wanted=wanted)

    return replace(
        fitted,
        calibrations=tuple(moved_entry(entry) for entry in fitted.calibrations),
        operating_points=tuple(
            moved_point(point)
            for point in fitted.operating_points
            if not (point.label in mates and point.level in moved)
        ),
        prevalence=_prevalence(fitted, moved, wanted),
    )


def exam_prevalence(fitted: FittedLevels) -> float:
    """The share of positive exams that a detector's probabilities hold for.

    Raises:
        CalibrationError: No exams were fitted.
    """
    if "exam" not in fitted.prevalence:
        raise CalibrationError(_no_exams())
    return fitted.prevalence["exam"]


def shift_detector(
    fitted: FittedLevels, *, known: float, boxes: float, wanted: float, primary: Label
) -> FittedLevels:
    """Shift all levels and the boxes of the primary label to one prevalence of exams.

    Levels hold at the prevalence `known`, boxes at that of the exams with which they were fitted:
    where exams were fitted again, elsewhere, the two differ.
    """

    def moved_entry(entry: CalibrationEntry) -> CalibrationEntry:
        if entry.label != primary:
            return entry
        return shift_floored(entry, known=known, wanted=wanted, boxes=boxes)

    def moved_point(point: OperatingPoint) -> OperatingPoint:
        return shift_point(point, known=known, wanted=wanted) if point.label == primary else point

    def moved_boxes(entry: BoxCalibration) -> BoxCalibration:
        return shift_boxes(entry, known=boxes, wanted=wanted) if entry.label == primary else entry

    return replace(
        fitted,
        calibrations=tuple(moved_entry(entry) for entry in fitted.calibrations),
        operating_points=tuple(moved_point(point) for point in fitted.operating_points),
        prevalence=_prevalence(fitted, set(fitted.prevalence), wanted),
        boxes=tuple(moved_boxes(entry) for entry in fitted.boxes),
    )


def _prevalence(fitted: FittedLevels, moved: set[Level], wanted: float) -> dict[Level, float]:
    known = fitted.prevalence
    return {level: wanted if level in moved else share for level, share in known.items()}


def _no_exams() -> str:
    return (
        "--prevalence is the share of positive exams, but the manifest gives no exams to fit "
        "on: add rows without a slice, or leave --prevalence out"
    )

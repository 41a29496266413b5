"""A probability holds for the prevalence that it was calibrated at; another place needs a shift."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from medrec.calibration.softmax import SoftmaxScaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.calibration.boxes import BoxCalibration
    from medrec.calibration.entry import CalibrationEntry
    from medrec.calibration.operating_point import OperatingPoint
    from medrec.domain.finding import Label


def shift_prevalence(probability: float, *, known: float, wanted: float) -> float:
    """Move a probability from one prevalence to another: the odds scale by the ratio of prior odds.

    Saerens, Latinne and Decaestecker, Neural Computation 14 (2002), equation 4. It holds where the
    scans of either class look alike in both places.

    >>> round(shift_prevalence(0.5, known=0.5, wanted=0.01), 4)
    0.01

    Raises:
        ValueError: A prevalence outside (0, 1).
    """
    if not 0.0 < known < 1.0 or not 0.0 < wanted < 1.0:
        message = "a prevalence lies strictly between 0 and 1"
        raise ValueError(message)
    positive = probability * wanted / known
    negative = (1.0 - probability) * (1.0 - wanted) / (1.0 - known)
    return positive / (positive + negative)


def shift_entry(
    entry: CalibrationEntry, *, known: float, wanted: float, of: Label | None = None
) -> CalibrationEntry:
    """Build the shift into a calibrator: its log-odds move by the difference of the prior ones.

    `of` is the label whose prevalence it is, the entry's own if left out. In a joint calibrator its
    probability moves, and those of the other classes share the rest as they did.

    What was measured of it (ECE, patients) stays as it was measured, at the known prevalence.
    """
    shift = _log_odds(wanted) - _log_odds(known)
    if entry.classes is not None:
        move = partial(_shifted_class, classes=entry.classes, label=of or entry.label, shift=shift)
        return replace(
            entry,
            method="softmax_bias",
            parameters=move(entry.parameters),
            replicates=tuple(move(replicate) for replicate in entry.replicates),
        )
    return replace(
        entry,
        method="platt",
        parameters=_shifted(entry.parameters, shift),
        replicates=tuple(_shifted(replicate, shift) for replicate in entry.replicates),
    )


def shift_boxes(entry: BoxCalibration, *, known: float, wanted: float) -> BoxCalibration:
    """Build the shift into a calibrator of boxes, and into that of its image head.

    What was measured of it stays as it was measured, at the known prevalence.
    """
    shift = _log_odds(wanted) - _log_odds(known)
    head = entry.head and replace(entry.head, intercept=entry.head.intercept + shift)
    return replace(entry, intercept=entry.intercept + shift, head=head)


def shift_floored(
    entry: CalibrationEntry, *, known: float, wanted: float, boxes: float
) -> CalibrationEntry:
    """Build the shift into the calibrator of a detector's exams, whose boxes are shifted alike.

    Its logits are those of its boxes, whose probabilities hold at the prevalence `boxes` and which
    `shift_boxes` has moved from there. With a shift d of exams and b of boxes the map of a logit
    L + b is sigmoid(max(slope * L + intercept + d, L + b)): the floor moves along, and an exam
    stays no less likely than its boxes.
    """
    shift = _log_odds(wanted) - _log_odds(known)
    shift_of_boxes = _log_odds(wanted) - _log_odds(boxes)

    def moved(parameters: Mapping[str, float]) -> dict[str, float]:
        slope = parameters["slope"]
        intercept = parameters["intercept"] + shift - slope * shift_of_boxes
        return {"slope": slope, "intercept": intercept}

    return replace(
        entry,
        parameters=moved(entry.parameters),
        replicates=tuple(moved(replicate) for replicate in entry.replicates),
    )


def shift_point(point: OperatingPoint, *, known: float, wanted: float) -> OperatingPoint:
    """Move a threshold along with the probabilities, so that the same cases are flagged."""
    return replace(point, threshold=shift_prevalence(point.threshold, known=known, wanted=wanted))


def _shifted(parameters: Mapping[str, float], shift: float) -> dict[str, float]:
    if "temperature" in parameters:
        return {"slope": 1.0 / parameters["temperature"], "intercept": shift}
    return {"slope": parameters["slope"], "intercept": parameters["intercept"] + shift}


def _shifted_class(
    parameters: Mapping[str, float], *, classes: Sequence[Label], label: Label, shift: float
) -> dict[str, float]:
    scaling = SoftmaxScaling.from_parameters(parameters, classes)
    bias = tuple(
        value + shift if name == label else value
        for name, value in zip(classes, scaling.bias, strict=True)
    )
    return replace(scaling, bias=bias).parameters(classes, "softmax_bias")


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))

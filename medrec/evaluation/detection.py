"""Every figure of the boxes of one label."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.domain.finding import Finding
from medrec.evaluation.box_calibration import measure_box_calibration
from medrec.evaluation.detection_gather import gather_images
from medrec.evaluation.detection_result import DetectionCurves, DetectionResult, Froc
from medrec.evaluation.detection_set import AT_RATE, DetectionSet
from medrec.evaluation.detection_shares import measure_boxes_at, measure_sizes
from medrec.evaluation.froc import froc_rounds, precision_rounds, rank
from medrec.evaluation.localisation import measure_localisation
from medrec.evaluation.matching import HitKind, HitRule
from medrec.evaluation.verdicts import judge_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medrec.domain.finding import Label
    from medrec.evaluation.detection_images import BoxTruth
    from medrec.evaluation.estimate import Estimate
    from medrec.evaluation.join import JoinedCase
    from medrec.evaluation.measure import Notes
    from medrec.evaluation.settings import EvaluationSettings
    from medrec.evaluation.verdicts import Judged

FLAT_RULE = HitRule(HitKind.IOU, 0.5)
SOLID_RULE = HitRule(HitKind.IOU, 0.1)
"""Volumes are cut thick and their boxes seldom agree along z (LUNA16 detectors: IoU 0.1)."""

_IOUS = {False: (0.3, 0.5, 0.75), True: (0.1, 0.3, 0.5)}


def measure_detection(
    cases: Sequence[JoinedCase],
    truth: BoxTruth,
    label: Label,
    *,
    settings: EvaluationSettings,
    notes: Notes,
) -> tuple[DetectionResult | None, Judged]:
    """Every figure of a label's boxes, and by case each image's verdicts.

    None where no scored case has known boxes.
    """
    gathered = gather_images(cases, truth, label)
    for line in gathered.notes():
        notes.add(line)
    if not gathered.images:
        return None, {}
    is_solid = gathered.is_solid
    rule = settings.hit or (SOLID_RULE if is_solid else FLAT_RULE)
    found = DetectionSet(gathered.images, rule, settings, is_solid)
    points = _thresholds(cases, label, settings)
    shown = points.get("screening", next(iter(points.values()), None))
    return _measure(found, points, notes), judge_images(found, shown)


def _thresholds(
    cases: Sequence[JoinedCase], label: Label, settings: EvaluationSettings
) -> dict[str, float]:
    """The exam's operating points: a region at or above one is what reports show."""
    named: dict[str, set[float]] = defaultdict(set)
    for case in cases:
        found = case.prediction.finding(label)
        if isinstance(found, Finding) and found.operating_point and found.threshold is not None:
            named[found.operating_point].add(found.threshold)
    known = {name: values.pop() for name, values in named.items() if len(values) == 1}
    return known | {one.name: one.threshold for one in settings.thresholds if one.label == label}


def _measure(found: DetectionSet, thresholds: Mapping[str, float], notes: Notes) -> DetectionResult:
    result = _with_probabilities(found, _counts(found), thresholds, notes)
    if not found.lesion_count:
        notes.add("no lesion is there: no FROC, no average precision")
        return result
    if not found.events.is_empty.any():
        notes.add("no image is empty: false positives are counted on images with lesions alone")
    return replace(
        result,
        froc=_froc(found, over_empty=False),
        froc_empty=_froc(found, over_empty=True) if found.events.is_empty.any() else None,
        average_precision=_precisions(found),
        by_size=measure_sizes(found),
        localisation=measure_localisation(found),
        curves=_curves(found),
        at_rate=AT_RATE,
    )


def _counts(found: DetectionSet) -> DetectionResult:
    return DetectionResult(
        hit=found.rule,
        is_solid=found.is_solid,
        images=len(found.images),
        empty_images=int(found.events.is_empty.sum()),
        lesions=found.lesion_count,
        ignored=sum(int(image.is_ignored.sum()) for image in found.arrays),
        boxes=sum(len(image.score) for image in found.arrays),
        patients=found.events.unit_count,
    )


def _with_probabilities(
    found: DetectionSet, result: DetectionResult, thresholds: Mapping[str, float], notes: Notes
) -> DetectionResult:
    if not found.has_probabilities:
        notes.add("no probabilities of boxes: no calibration and no operating point of them")
        return result
    calibration = measure_box_calibration(found)
    if calibration is None:
        notes.add("no box to compute the calibration of boxes from")
    points = {name: measure_boxes_at(found, at) for name, at in thresholds.items()}
    return replace(result, operating_points=points, calibration=calibration)


def _froc(found: DetectionSet, *, over_empty: bool) -> Froc:
    *sensitivity, cpm = found.bootstrap(froc_rounds(found.events, over_empty=over_empty))
    images = int(found.events.is_empty.sum()) if over_empty else len(found.images)
    return Froc(tuple(sensitivity), cpm, images)


def _precisions(found: DetectionSet) -> dict[float, Estimate]:
    own = {found.rule.value} if found.rule.value else set()
    figures = {}
    for iou in sorted({*_IOUS[found.is_solid], *own}):
        (estimate,) = found.bootstrap(precision_rounds(rank(found.arrays, iou=iou)))
        if estimate is not None:
            figures[iou] = estimate
    return figures


def _curves(found: DetectionSet) -> DetectionCurves:
    iou = found.rule.value or 0.5
    ranked = rank(found.arrays, iou=iou)
    true = np.cumsum(ranked.is_true)
    return DetectionCurves(
        froc=found.curve,
        recall=true / ranked.lesions.sum(),
        precision=true / np.arange(1, len(true) + 1),
        threshold=ranked.score,
        iou=iou,
    )

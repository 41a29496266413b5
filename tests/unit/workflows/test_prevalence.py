"""A detector moved to another prevalence as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from package_factory import a_calibration, a_point
from scipy.special import logit

from medrec.calibration.boxes import BoxCalibration
from medrec.domain.finding import Label
from medrec.errors import CalibrationError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule
from medrec.workflows.levels import FittedLevels
from medrec.workflows.prevalence import exam_prevalence, shift_detector

TUMOR, CYST = Label("tumor"), Label("cyst")
SHIFT = logit(0.05) - logit(0.2)


def boxes_of(label):
    rule, figure = HitRule(HitKind.IOU, 0.5), Estimate(0.1, None, None, "none")
    return BoxCalibration(label, 1.0, 0.5, 0.0, 20, 10, 40, rule, figure, figure)


def a_detector():
    entries = [
        a_calibration(level, label=label, method="platt_floor")
        for level in ("image", "exam")
        for label in (TUMOR, CYST)
    ]
    points = [a_point("exam", label=label) for label in (TUMOR, CYST)]
    return FittedLevels(
        tuple(entries),
        tuple(points),
        {"image": 0.4, "exam": 0.2},
        boxes=(boxes_of(TUMOR), boxes_of(CYST)),
    )


def test_all_levels_and_boxes_of_the_primary_label_move_by_the_exams_shift():
    before = a_detector()
    after = shift_detector(before, known=0.2, boxes=0.2, wanted=0.05, primary=TUMOR)

    assert 0.5 + SHIFT == pytest.approx(after.boxes[0].intercept)
    at = np.linspace(-4, 4, 9)
    for old, new in zip(before.calibrations, after.calibrations, strict=True):
        if old.label == TUMOR:
            expected = logit(old.probability(at)) + SHIFT
            assert expected == pytest.approx(logit(new.probability(at + SHIFT)))
    assert {"image": 0.05, "exam": 0.05} == after.prevalence


def test_nothing_is_known_of_other_labels():
    before = a_detector()
    after = shift_detector(before, known=0.2, boxes=0.2, wanted=0.05, primary=TUMOR)

    assert before.boxes[1] == after.boxes[1]
    assert [e for e in before.calibrations if e.label == CYST] == [
        e for e in after.calibrations if e.label == CYST
    ]
    assert before.operating_points[1] == after.operating_points[1]


def test_a_threshold_moves_with_the_exams():
    after = shift_detector(a_detector(), known=0.2, boxes=0.2, wanted=0.05, primary=TUMOR)

    assert logit(0.5) + SHIFT == pytest.approx(logit(after.operating_points[0].threshold))


def test_the_prevalence_is_that_of_exams_or_there_is_none():
    assert 0.2 == exam_prevalence(a_detector())
    with pytest.raises(CalibrationError, match="no exams to fit on"):
        exam_prevalence(FittedLevels((), (), {"image": 0.4}))


def test_boxes_move_from_the_prevalence_at_which_they_hold():
    before = a_detector()
    after = shift_detector(before, known=0.5, boxes=0.2, wanted=0.2, primary=TUMOR)
    old, new = before.calibrations[0], after.calibrations[0]

    assert before.boxes == after.boxes
    assert old.parameters["slope"] == new.parameters["slope"]
    expected = old.parameters["intercept"] + logit(0.2) - logit(0.5)
    assert expected == pytest.approx(new.parameters["intercept"])

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from package_factory import a_calibration
from scipy.special import expit

from medrec.calibration.boxes import BoxCalibration
from medrec.calibration.fit import fit_calibration
from medrec.calibration.heads import HeadCalibration
from medrec.calibration.operating_point import Population, Target, fit_operating_point
from medrec.calibration.prevalence import (
    shift_boxes,
    shift_entry,
    shift_floored,
    shift_point,
    shift_prevalence,
)
from medrec.domain.finding import Label
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.matching import HitKind, HitRule

SHARE = st.floats(0.02, 0.98)


@given(SHARE, SHARE, SHARE)
def test_a_shift_there_and_back_changes_nothing(probability, known, wanted):
    there = shift_prevalence(probability, known=known, wanted=wanted)

    assert probability == pytest.approx(shift_prevalence(there, known=wanted, wanted=known))


def test_a_shift_makes_the_mean_probability_the_wanted_prevalence():
    # Two kinds of finding: 80 % of ill and 20 % of healthy people show the first.
    for prevalence in (0.5, 0.1):
        shows = prevalence * 0.8 + (1 - prevalence) * 0.2
        said = shift_prevalence(0.8, known=0.5, wanted=prevalence)
        assert prevalence * 0.8 / shows == pytest.approx(said)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_a_shifted_calibrator_gives_shifted_probabilities_and_flags_the_same(distort, rng, method):
    samples = distort(60, intercept=0.5)
    label = Label("tumor")
    entry = fit_calibration(samples, label=label, level="exam", method=method, rounds=50, rng=rng)
    calibrated = samples.with_probability(entry.probability(samples.logit))
    point = fit_operating_point(
        calibrated,
        Target("screening", sensitivity=0.9),
        population=Population(label, "exam", "here"),
        rounds=50,
        rng=rng,
    )

    moved = shift_entry(entry, known=0.5, wanted=0.1)
    threshold = shift_point(point, known=0.5, wanted=0.1).threshold

    expected = [shift_prevalence(float(p), known=0.5, wanted=0.1) for p in calibrated.probability]
    assert expected == pytest.approx(moved.probability(samples.logit).tolist())
    assert np.array_equal(
        calibrated.probability >= point.threshold, moved.probability(samples.logit) >= threshold
    )
    low, high = moved.interval(1.0)
    assert low < shift_prevalence(float(entry.probability(np.array(1.0))), known=0.5, wanted=0.1)
    assert high < entry.interval(1.0)[1]


LOGIT = st.floats(-15, 15)


def a_box_calibration(*, intercept=0.0, head=None):
    rule, figure = HitRule(HitKind.CENTRE_IN_BOX), Estimate(0.1, None, None, "none")
    facts = (Label("tumor"), 0.7, intercept, 0.4, 20, 10, 40, rule, figure, figure)
    return BoxCalibration(*facts, head=head)


@given(LOGIT, st.floats(0.05, 5), st.floats(-5, 5), SHARE, SHARE)
def test_an_exam_and_its_boxes_that_are_shifted_alike_keep_their_order(
    logit, slope, intercept, known, wanted
):
    entry = a_calibration(
        "exam", method="platt_floor", parameters={"slope": slope, "intercept": intercept}
    )
    boxes = a_box_calibration(intercept=0.3)
    # A box of one pixel, whose log-odds are the exam's logit.
    score = np.array([(logit - boxes.intercept) / boxes.slope])
    moved_boxes = shift_boxes(boxes, known=known, wanted=wanted)
    moved_logit = moved_boxes.log_odds(score, np.ones(1))
    moved = shift_floored(entry, known=known, wanted=wanted, boxes=known)

    exam, box = float(moved.probability(moved_logit)[0]), float(expit(moved_logit[0]))

    assert exam >= box
    shifted = shift_prevalence(
        float(entry.probability(np.array(logit))), known=known, wanted=wanted
    )
    assert shifted == pytest.approx(exam, rel=1e-6, abs=1e-9)


def test_an_image_head_moves_with_the_boxes():
    head = HeadCalibration(slope=0.5, intercept=-1.0, patients=9, positives=4, rows=9)
    moved = shift_boxes(a_box_calibration(head=head), known=0.5, wanted=0.2)

    assert -1.0 + np.log(0.25) == pytest.approx(moved.head.intercept)


def test_replicates_of_a_floored_calibrator_move_with_it():
    entry = a_calibration(
        "exam",
        method="platt_floor",
        parameters={"slope": 1.0, "intercept": 0.0},
        replicates=({"slope": 2.0, "intercept": 1.0},),
    )
    moved = shift_floored(entry, known=0.5, wanted=0.2, boxes=0.5)

    assert 1.0 - np.log(0.25) == pytest.approx(moved.replicates[0]["intercept"])

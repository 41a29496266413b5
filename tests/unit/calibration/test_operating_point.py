from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec.calibration.operating_point import (
    OperatingPoint,
    Population,
    Target,
    choose_threshold,
    fit_operating_point,
)
from medrec.domain.finding import Label
from medrec.errors import CalibrationError
from medrec.evaluation.estimate import Estimate
from medrec.evaluation.samples import Samples

EXAMS = Population(Label("tumor"), "exam", "50 patients held out")


def _samples(truth, probability, *, weight=None, unit=None):
    rows = len(truth)
    return Samples(
        truth=truth,
        probability=probability,
        logit=np.zeros(rows),
        unit=np.arange(rows) if unit is None else unit,
        weight=np.ones(rows) if weight is None else weight,
    )


def _fit(samples, target):
    rng = np.random.default_rng(0)
    return fit_operating_point(samples, target, population=EXAMS, rounds=200, rng=rng)


TRUTH = [False, False, True, False, True, True]
PROBABILITY = [0.1, 0.2, 0.3, 0.4, 0.6, 0.9]


@pytest.mark.parametrize(
    ("target", "threshold"),
    [
        # Two of three positives: down to 0.6, midway to 0.4.
        (Target("screening", sensitivity=0.6), 0.5),
        # All three: down to 0.3, midway to 0.2.
        (Target("rule_out", sensitivity=0.95), 0.25),
        # Two of three negatives pass at 0.3: midway to 0.2.
        (Target("rule_in", specificity=0.6), 0.25),
        # All three negatives pass at 0.6: midway to 0.4.
        (Target("rule_in", specificity=0.95), 0.5),
    ],
)
def test_the_threshold_of_a_worked_case(target, threshold):
    assert threshold == pytest.approx(choose_threshold(_samples(TRUTH, PROBABILITY), target))


@given(
    st.integers(0, 10_000), st.floats(0.05, 0.99), st.sampled_from(["sensitivity", "specificity"])
)
def test_the_target_is_reached_and_no_better_threshold_reaches_it(seed, wanted, side):
    rng = np.random.default_rng(seed)
    truth = np.r_[True, True, False, False, rng.random(30) < 0.5]
    probability = rng.integers(1, 20, size=34) / 20
    weight = rng.integers(1, 4, size=34).astype(float)
    samples = _samples(truth, probability, weight=weight)

    threshold = choose_threshold(samples, Target("t", **{side: wanted}))

    def reaches(at):
        flagged = probability >= at
        of, among = (flagged, truth) if side == "sensitivity" else (~flagged, ~truth)
        return np.average(of[among], weights=weight[among]) >= wanted - 1e-9

    scores = np.r_[0.0, np.unique(probability), 1.0]
    good = [at for at in (scores[1:] + scores[:-1]) / 2 if reaches(at)]
    best = max(good) if side == "sensitivity" else min(good)
    assert best == pytest.approx(threshold)


def test_rows_are_patients_then_wilson(rng):
    truth = rng.random(80) < 0.5
    samples = _samples(truth, np.clip(0.5 * truth + 0.5 * rng.random(80), 0, 1))

    point = _fit(samples, Target("screening", sensitivity=0.9))

    assert point.sensitivity.method == "Wilson"
    assert point.sensitivity.value >= 0.9
    assert point.sensitivity.low < point.sensitivity.value < point.sensitivity.high


def test_rows_share_patients_then_patients_are_resampled(rng):
    truth = rng.random(200) < 0.5
    samples = _samples(
        truth,
        np.clip(0.3 * truth + 0.7 * rng.random(200), 0, 1),
        unit=np.repeat(np.arange(40), 5),
        weight=np.full(200, 0.2),
    )

    point = _fit(samples, Target("rule_in", specificity=0.95))

    assert "patient bootstrap" in point.specificity.method
    assert point.specificity.value >= 0.95


def test_the_point_says_where_it_was_measured():
    point = _fit(_samples(TRUTH, PROBABILITY), Target("screening", sensitivity=0.6))

    assert ("screening", "tumor", "exam") == (point.name, point.label, point.level)
    assert point.measured_on == "50 patients held out"


def test_scores_without_a_calibrator_get_no_threshold():
    samples = Samples.from_logits(TRUTH, PROBABILITY, range(6))

    with pytest.raises(CalibrationError, match="calibrated"):
        _fit(samples, Target("screening", sensitivity=0.9))


def test_one_patient_of_a_class_gets_no_threshold():
    samples = _samples([True, True, False], [0.1, 0.2, 0.3])

    with pytest.raises(CalibrationError, match="2 and 1"):
        _fit(samples, Target("screening", sensitivity=0.9))


@pytest.mark.parametrize(
    "goal", [{}, {"sensitivity": 0.9, "specificity": 0.9}, {"sensitivity": 1.0}]
)
def test_a_target_is_one_share_inside_the_unit_interval(goal):
    with pytest.raises(ValueError, match="one of the two"):
        Target("screening", **goal)


def test_a_threshold_outside_the_unit_interval_is_refused():
    figure = Estimate(0.9, None, None, "value only")

    with pytest.raises(ValueError, match="lies in"):
        OperatingPoint("screening", Label("tumor"), "exam", 1.5, figure, figure, "nowhere")

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medrec.calibration.fit import fit_calibration
from medrec.calibration.operating_point import Population, Target, fit_operating_point
from medrec.calibration.prevalence import shift_entry, shift_point, shift_prevalence
from medrec.domain.finding import Label

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

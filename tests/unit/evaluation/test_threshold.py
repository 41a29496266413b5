from __future__ import annotations

import numpy as np
import pytest

from medrec.evaluation.samples import Samples
from medrec.evaluation.threshold import measure_threshold


def _samples(weight=None, unit=None):
    return Samples(
        truth=[True, True, True, False, False, False, False],
        probability=[0.9, 0.5, 0.2, 0.7, 0.4, 0.3, 0.1],
        logit=np.zeros(7),
        unit=np.arange(7) if unit is None else unit,
        weight=np.ones(7) if weight is None else weight,
    )


def test_the_four_shares_of_a_worked_case(rng):
    # At 0.5 flagged: 0.9+, 0.5+ (at the threshold is flagged), 0.7-.
    figures = measure_threshold(_samples(), 0.5, rounds=100, rng=rng)

    assert figures.sensitivity.value == pytest.approx(2 / 3)
    assert figures.specificity.value == pytest.approx(3 / 4)
    assert figures.ppv.value == pytest.approx(2 / 3)
    assert figures.npv.value == pytest.approx(3 / 4)


def test_rows_weigh_in(rng):
    figures = measure_threshold(_samples(weight=[1, 1, 4, 2, 1, 1, 0]), 0.5, rounds=100, rng=rng)

    assert figures.sensitivity.value == pytest.approx(2 / 6)
    assert figures.specificity.value == pytest.approx(2 / 4)


def test_a_threshold_above_all_has_no_ppv(rng):
    figures = measure_threshold(_samples(), 0.95, rounds=100, rng=rng)

    assert figures.ppv is None
    assert figures.sensitivity.value == 0.0


def test_intervals_are_wilsons_only_where_rows_are_patients(simulate, rng):
    alone = measure_threshold(simulate(100), 0.5, rounds=200, rng=rng)
    shared = measure_threshold(simulate(50, rows=4), 0.5, rounds=200, rng=rng)

    assert alone.sensitivity.method == "Wilson"
    assert "patient bootstrap" in shared.sensitivity.method


def test_nine_positive_patients_give_no_interval_of_sensitivity(rng):
    samples = Samples.from_logits(np.arange(40) < 9, np.arange(40.0) % 13, np.arange(40))

    figures = measure_threshold(samples, 6.0, rounds=100, rng=rng)

    assert figures.sensitivity.low is None
    assert figures.specificity.low is not None

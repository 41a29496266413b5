from __future__ import annotations

import math

import numpy as np
import pytest

from medrec.evaluation.discrimination import auroc, auroc_delong, auroc_rounds
from medrec.evaluation.intervals import (
    Bounds,
    bootstrap_units,
    bootstrap_values,
    resample_units,
    summarise,
    wilson,
)
from medrec.evaluation.samples import Samples


def _mean_truth(samples, weight):
    return (weight @ samples.truth) / weight.sum(axis=1)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (score, no correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_newcombes_table(successes, total, low, high):
    estimate = wilson(successes, total)

    assert (low, high) == pytest.approx((estimate.low, estimate.high), abs=5e-5)


def test_wilson_solves_the_score_equation():
    estimate = wilson(30, 50)

    for bound in (estimate.low, estimate.high):
        deviation = abs(0.6 - bound) / math.sqrt(bound * (1 - bound) / 50)
        assert deviation == pytest.approx(1.959963985)


def test_wilson_of_all_successes_ends_at_one():
    assert wilson(40, 40).high == 1.0


def test_wilson_gives_no_interval_to_nine_rows():
    assert wilson(5, 9).low is None
    assert wilson(5, 10).low is not None


def test_wilson_of_nothing_is_refused():
    with pytest.raises(ValueError, match="total"):
        wilson(0, 0)


def test_a_resample_holds_as_many_patients_as_there_are(rng):
    counts = resample_units(12, rounds=50, rng=rng)

    assert counts.shape == (50, 12)
    assert (counts.sum(axis=1) == 12).all()


def test_all_rows_of_a_patient_are_resampled_together(simulate, rng):
    samples = simulate(15, rows=4)
    seen = []

    def spy(_, weight):
        seen.append(weight)
        return np.zeros(len(weight))

    bootstrap_values(samples, spy, rounds=20, rng=rng)

    weight = np.concatenate(seen).reshape(20, 15, 4)
    assert (weight == weight[:, :, :1]).all()
    assert weight.max() > 1


def test_row_weights_stay_in_force_when_patients_are_resampled(rng):
    samples = Samples.from_logits(
        [True] * 10 + [False] * 10, np.zeros(20), np.arange(20), weight=[3.0] * 10 + [1.0] * 10
    )

    estimate = bootstrap_units(samples, _mean_truth, rounds=500, rng=rng)

    assert estimate.value == 0.75
    assert estimate.low < 0.75 < estimate.high


def test_the_bootstrap_spreads_as_theory_says(rng):
    samples = Samples.from_logits(np.arange(200) < 80, np.zeros(200), np.arange(200))

    values = bootstrap_values(samples, _mean_truth, rounds=4000, rng=rng)

    assert values.mean() == pytest.approx(0.4, abs=0.003)
    assert values.std() == pytest.approx(math.sqrt(0.4 * 0.6 / 200), rel=0.05)


def test_the_same_seed_gives_the_same_interval(simulate):
    samples = simulate(50)

    first, second = (
        bootstrap_units(samples, auroc_rounds, rounds=300, rng=np.random.default_rng(5))
        for _ in range(2)
    )

    assert first == second


def test_the_number_of_rounds_at_once_changes_nothing(simulate, monkeypatch):
    samples = simulate(50)
    whole = bootstrap_units(samples, auroc_rounds, rounds=64, rng=np.random.default_rng(5))

    monkeypatch.setattr("medrec.evaluation.intervals._CELLS_AT_ONCE", 350)
    pieces = bootstrap_units(samples, auroc_rounds, rounds=64, rng=np.random.default_rng(5))

    assert whole == pieces


def test_nine_patients_get_no_interval_however_many_rows(simulate, rng):
    estimate = bootstrap_units(simulate(9, rows=50), auroc_rounds, rounds=200, rng=rng)

    assert estimate.low is None
    assert "10 patients" in estimate.note


def test_a_statistic_that_resamples_cannot_change_gets_no_interval(rng):
    samples = Samples.from_logits(np.arange(40) >= 20, np.arange(40.0), np.arange(40))

    estimate = bootstrap_units(samples, auroc_rounds, rounds=200, rng=rng)

    assert estimate.value == 1.0
    assert (estimate.low, estimate.high) == (None, None)


def test_a_statistic_that_is_often_undefined_gets_no_interval(rng):
    # One positive patient in twelve is missing from a third of the resamples.
    samples = Samples.from_logits(np.arange(12) == 5, np.arange(12.0), np.arange(12))

    estimate = bootstrap_units(samples, auroc_rounds, rounds=300, rng=rng)

    assert estimate.low is None
    assert "resamples" in estimate.note


def test_reflected_bounds_hold_the_value_and_end_at_zero():
    estimate = summarise(0.02, np.linspace(0.03, 0.09, 101), bounds=Bounds.REFLECTED)

    assert estimate.low == 0.0
    assert estimate.high == 0.02


def test_reflected_bounds_mirror_the_resamples_at_the_value():
    estimate = summarise(0.5, np.linspace(0.5, 0.7, 2001), bounds=Bounds.REFLECTED)

    assert estimate.low == pytest.approx(1.0 - 0.695)
    assert estimate.high == 0.5


def test_patient_bootstrap_covers_where_rows_share_patients_and_delong_does_not():
    # Scores and labels both go with the patient: twenty rows of one tell little more than one.
    def draw(rng, patients):
        sick = rng.random(patients) < 0.5
        unit = np.repeat(np.arange(patients), 20)
        truth = rng.random(patients * 20) < np.where(sick, 0.8, 0.2)[unit]
        score = rng.normal(size=patients)[unit] + 0.3 * rng.normal(size=len(unit)) + truth
        return Samples.from_logits(truth, score, unit)

    rng = np.random.default_rng(11)
    reference = draw(rng, 20_000)
    truth = auroc(reference.truth, reference.score)
    by_patient = by_row = 0
    for _ in range(150):
        samples = draw(rng, 40)
        patient = bootstrap_units(samples, auroc_rounds, rounds=300, rng=rng)
        row = auroc_delong(samples)
        by_patient += patient.low <= truth <= patient.high
        by_row += row.low <= truth <= row.high

    assert by_patient / 150 >= 0.88
    assert by_row / 150 <= 0.7
